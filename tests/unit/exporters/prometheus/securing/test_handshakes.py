"""TLS: versions, suites, clients' certificates, and clients that stall or speak something else."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from butterfly_otel.exporters.prometheus import serve
from butterfly_otel.exporters.prometheus.securing.security import Security
from butterfly_otel.exporters.prometheus.serving import server as server_module
from butterfly_otel.settings.exporters import PrometheusSettings
from tests.certificates import HASHED, Certificates, basic

from .conftest import BODY, LONG, Endpoint, Renderer

MUTUAL = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that comes about soon."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_metrics_by_tls(certificates: Certificates, endpoint: Callable[..., Endpoint]) -> None:
    """With a certificate and a key the endpoint is https, and many requests share a connection."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    assert running.server.url == f"https://127.0.0.1:{running.server.port}/metrics"
    with closing(running.connect(certificates.trusting())) as connection:
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read() == BODY
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.version() == "TLSv1.3"
        assert connection.sock.selected_alpn_protocol() is None
    assert running.refused == {}


def test_large_answers_arrive_whole(certificates: Certificates) -> None:
    """A body of many records arrives as it is."""
    body = random.Random(1).randbytes(3_000_000)  # noqa: S311 - any bytes

    class Large(Renderer):
        def render(self, *_: object, **__: object) -> tuple[str, bytes]:
            return "text/plain", body

    settings = PrometheusSettings(certificate=certificates.certificate, key=certificates.key)
    transport = Security(settings, lambda _: None).transport
    with (
        serve(Large(), "127.0.0.1", 0, transport=transport) as server,
        closing(
            http.client.HTTPSConnection(
                "localhost", server.port, timeout=LONG, context=certificates.trusting()
            )
        ) as connection,
    ):
        connection.request("GET", "/metrics")
        assert connection.getresponse().read() == body


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_old_versions_are_refused(
    certificates: Certificates, endpoint: Callable[..., Endpoint], version: str
) -> None:
    """TLS 1.2 and 1.3 are spoken; 1.0 and 1.1 are not, and are counted."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    context = certificates.trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    # Else OpenSSL would not even ask.
    context.set_ciphers("ALL:@SECLEVEL=0")
    if version in {"TLSv1_2", "TLSv1_3"}:
        assert running.get(context=context) == (200, BODY)
        return
    with pytest.raises(OSError):  # noqa: PT011 - whatever OpenSSL calls it
        running.get(context=context)
    until(lambda: running.refused["failed_handshake"] == 1)


def test_weak_suites_are_refused(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """Of all that a client of TLS 1.2 could propose, only suites of today are taken."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    proposed = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    proposed.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    taken = set()
    for suite in {each["name"] for each in proposed.get_ciphers()}:
        context = certificates.trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.set_ciphers(f"{suite}:@SECLEVEL=0")
        except ssl.SSLError:  # one of TLS 1.3
            continue
        with suppress(OSError):
            assert running.get(context=context) == (200, BODY)
            taken.add(suite)
    assert taken
    assert all(each.startswith("ECDHE-") for each in taken)
    assert all("GCM" in each or "CHACHA20" in each for each in taken), taken


def test_the_file_chooses_versions_suites_and_curves(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """What the file says of TLS is what is spoken."""
    path = certificates.web(
        tls_server_config={
            "max_version": "TLS12",
            "cipher_suites": ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
            "curve_preferences": ["CurveP384"],
            "prefer_server_cipher_suites": False,
        }
    )
    running = endpoint(web_config=path)
    with closing(running.connect(certificates.trusting())) as connection:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        suite = connection.sock.cipher()
        assert suite is not None
        assert suite[:2] == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2")
    context = certificates.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ecdh_curve("prime256v1")
    with pytest.raises(OSError, match=r"SSL|alert|reset"):
        running.get(context=context)


def test_the_file_chooses_the_oldest_version(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """With TLS13 as the oldest, TLS 1.2 is not spoken."""
    running = endpoint(web_config=certificates.web(tls_server_config={"min_version": "TLS13"}))
    context = certificates.trusting()
    assert running.get(context=context) == (200, BODY)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"SSL|alert|reset"):
        running.get(context=context)


def test_suites_of_tls_1_3_alone_mean_tls_1_3(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """Who names no suite of TLS 1.2 does not speak it."""
    running = endpoint(
        web_config=certificates.web(
            tls_server_config={"cipher_suites": ["TLS_CHACHA20_POLY1305_SHA256"]}
        )
    )
    context = certificates.trusting()
    assert running.get(context=context) == (200, BODY)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"SSL|alert|reset"):
        running.get(context=context)


def test_mutual_tls(certificates: Certificates, endpoint: Callable[..., Endpoint]) -> None:
    """With an authority for clients, one without its certificate is refused and counted."""
    running = endpoint(
        certificate=certificates.certificate, key=certificates.key, client_ca=certificates.ca
    )
    assert running.get(context=certificates.trusting(known=True)) == (200, BODY)
    with pytest.raises(OSError):  # noqa: PT011 - an alert, or the end
        running.get(context=certificates.trusting())
    until(lambda: running.refused["client_certificate"] == 1)
    stranger = Certificates(certificates.folder / "stranger")
    context = certificates.trusting()
    context.load_cert_chain(stranger.client, stranger.client_key)
    with pytest.raises(OSError):  # noqa: PT011 - an alert, or the end
        running.get(context=context)
    until(lambda: running.refused["client_certificate"] == 2)
    assert running.get(context=certificates.trusting(known=True)) == (200, BODY)


@pytest.mark.parametrize("auth", ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"])
@pytest.mark.parametrize(
    ("allowed", "passes"),
    [
        (["scraper.example"], True),
        (["other.example", "scraper.example"], True),
        (["other.example"], False),
        (["scraper.exampl", "*.example"], False),
    ],
)
def test_the_names_of_clients(
    certificates: Certificates,
    endpoint: Callable[..., Endpoint],
    auth: str,
    allowed: list[str],
    passes: bool,  # noqa: FBT001
) -> None:
    """A client's certificate must have one of the names exactly, where there are any."""
    running = endpoint(
        web_config=certificates.web(
            tls_server_config={**MUTUAL, "client_auth_type": auth, "client_allowed_sans": allowed}
        )
    )
    if passes:
        assert running.get(context=certificates.trusting(known=True)) == (200, BODY)
    else:
        with pytest.raises(OSError):  # noqa: PT011 - the end of the connection
            running.get(context=certificates.trusting(known=True))
        until(lambda: running.refused["client_certificate"] == 1)
    with pytest.raises(OSError):  # noqa: PT011 - none is none of them
        running.get(context=certificates.trusting())


def test_addresses_of_clients_are_names_too(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """An IP address is compared as one, however it is written."""
    certificates.client, certificates.client_key = certificates.issue("client", "2001:db8::1")
    sans = ["2001:0db8:0:0::1"]
    running = endpoint(
        web_config=certificates.web(tls_server_config={**MUTUAL, "client_allowed_sans": sans})
    )
    assert running.get(context=certificates.trusting(known=True)) == (200, BODY)


def test_http_at_the_tls_port_is_told(
    certificates: Certificates,
    endpoint: Callable[..., Endpoint],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """HTTP gets a short plain answer, anything else the end, and both are counted."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    assert running.get() == (400, b"This port speaks HTTPS: begin the URL with https://.\n")
    with socket.create_connection(("127.0.0.1", running.server.port), LONG) as client:
        client.sendall(b"\0\1\2")
        with suppress(ConnectionError):
            assert client.recv(100) == b""
    until(lambda: running.refused["plain_http"] == 2)
    assert caplog.text.count("it speaks HTTP where TLS is spoken") == 1


def test_who_only_looks_at_the_port_is_not_counted(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """A load balancer that connects and goes is refused nothing."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    for _ in range(3):
        socket.create_connection(("127.0.0.1", running.server.port), LONG).close()
    assert running.get(context=certificates.trusting()) == (200, BODY)
    assert running.refused == {}


def _begun(port: int, data: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), LONG)
    client.sendall(data)
    return client


def test_clients_that_stall_in_the_handshake_keep_nobody_out(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """With as many half-open handshakes as there is room for, and more, scrapes are answered."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    hello = _client_hello(certificates)
    with ExitStack() as stalled, closing(running.connect(certificates.trusting())) as scraper:
        for number in range(100):
            data = (b"", hello[:1], hello[: len(hello) // 2], hello)[number % 4]
            stalled.enter_context(_begun(running.server.port, data))
        for _ in range(3):
            assert running.get(context=certificates.trusting()) == (200, BODY)
            scraper.request("GET", "/metrics")
            assert scraper.getresponse().read() == BODY


def _client_hello(certificates: Certificates) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificates.trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_a_handshake_has_a_deadline(
    certificates: Certificates,
    endpoint: Callable[..., Endpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who stalls, or drips byte by byte, is cut off, though there is room."""
    monkeypatch.setattr(server_module, "_REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(server_module, "_WATCH_INTERVAL", 0.05)
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    hello = _client_hello(certificates)
    with _begun(running.server.port, hello[:100]) as client:
        while client.recv(65_536):
            pass
    with socket.create_connection(("127.0.0.1", running.server.port), LONG) as client:
        client.settimeout(0.05)
        deadline = time.monotonic() + LONG
        ended = False
        for byte in hello + b"\0" * 10_000:
            assert time.monotonic() < deadline
            try:
                client.sendall(bytes([byte]))
                ended = client.recv(65_536) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                break
        assert ended


def test_a_crowd_of_one_address_puts_out_nobody_of_another() -> None:
    """Where there is no room, the longest waiting of those from where the most come ends."""
    from butterfly_otel.exporters.prometheus.serving.connections import (  # noqa: PLC0415
        Connections,
    )

    connections = Connections(4)
    pairs = [socket.socketpair() for _ in range(10)]
    try:
        (scraper, peer), *crowd = pairs
        assert connections.add(scraper, LONG, "10.0.0.1")
        for mine, _ in crowd:
            assert connections.add(mine, LONG, "10.0.0.2")
        peer.settimeout(0)
        with pytest.raises(BlockingIOError):
            peer.recv(1)
        for _, theirs in crowd[:6]:
            theirs.settimeout(LONG)
            assert theirs.recv(1) == b""
    finally:
        for each in pairs:
            for one in each:
                one.close()


@pytest.mark.parametrize(
    ("client", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_what_counts_as_one_client(client: str, source: str) -> None:
    """An IPv4 address, also of a socket for both; of IPv6 the network that one host has."""
    from butterfly_otel.exporters.prometheus.serving.stream import source_of  # noqa: PLC0415

    assert source_of(client) == source


def _mutants(request: bytes, seed: int, many: int) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    made = []
    for _ in range(many):
        data = bytearray(request)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data) + 1)
            what = chance.randrange(4)
            if what == 0 and at < len(data):
                data[at] = chance.randrange(256)
            elif what == 1:
                data[at:at] = chance.randbytes(chance.randint(1, 9))
            elif what == 2:
                del data[at : at + chance.randint(1, 9)]
            else:
                data[at:at] = data[: chance.randint(1, 60)]
        made.append(bytes(data))
    return made


def _exchange(port: int, context: ssl.SSLContext | None, data: bytes) -> bytes:
    """Send something, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), LONG) as raw, ExitStack() as wrapped:
        client: Any = raw
        if context is not None:
            client = wrapped.enter_context(context.wrap_socket(raw, server_hostname="localhost"))
        received = b""
        with suppress(OSError):
            client.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while found := client.recv(65_536):
                received += found
        return received


@pytest.mark.parametrize("layer", ["request", "handshake"])
def test_mutated_requests_get_in_nowhere(
    certificates: Certificates,
    endpoint: Callable[..., Endpoint],
    caplog: pytest.LogCaptureFixture,
    layer: str,
) -> None:
    """Ten thousand spoilt requests, in clear and by TLS: nothing fails, and nobody gets metrics.

    Those of wrong credentials come with spoilt ones among them; whoever has the right password is
    answered before, between and after.
    """
    users = {"basic_auth_users": {"alice": HASHED}}
    plain = certificates.folder / "plain.yml"
    plain.write_text(f"basic_auth_users:\n  alice: {HASHED}\n")
    by_tls = layer == "handshake"
    running = endpoint(web_config=certificates.web(**users) if by_tls else plain)
    context = certificates.trusting() if by_tls else None
    request = (
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n"
        b"Authorization: Basic YWxpY2U6d3Jvbmc=\r\nContent-Length: 0\r\n\r\n"
    )
    hello = _client_hello(certificates)
    port = running.server.port
    for number, spoilt in enumerate(_mutants(request, 7, 4_500)):
        assert BODY not in _exchange(port, None, spoilt)
        if number % 1_500 == 0:
            assert running.get(basic("alice"), context) == (200, BODY)
    for spoilt in _mutants(hello, 8, 400):
        assert BODY not in _exchange(port, None, spoilt)
    if by_tls:
        for spoilt in _mutants(request, 9, 200):
            assert BODY not in _exchange(port, context, spoilt)
    assert running.get(basic("alice"), context) == (200, BODY)
    assert not [each for each in caplog.records if each.exc_info]
