"""TLS, proxies and connections that are used again."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives import serialization

from butterfly_otel.exporters.otlp.http_exporter import HttpExporter, tls_context
from tests.unit.exporters.otlp.receivers import raw
from tests.unit.exporters.otlp.test_transport import HttpReceiver, http
from tests.unit.exporters.prometheus.support import collected, counter
from tests.unit.integrations.aioquic.support import certificate

__all__ = ["http"]

DATA = collected(counter("c"))
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in PROXIES:
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Return a file with a certificate for localhost, which is its own authority, and its key."""
    made, key = certificate()
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    content = key.private_bytes(pem, private, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(content + made.public_bytes(pem))
    return tmp_path / "both.pem"


@pytest.fixture
def secure(authority: Path) -> Iterator[HttpReceiver]:
    """Return a receiver behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)

    receiver = HttpReceiver()
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    receiver.endpoint = receiver.endpoint.replace("http://127.0.0.1", "https://localhost")
    yield receiver
    receiver.stop()


def test_tls_to_an_authority_that_is_trusted(secure: HttpReceiver, authority: Path) -> None:
    """Exports arrive by TLS, all by one connection."""
    exporter = HttpExporter(endpoint=secure.endpoint, context=tls_context(authority))
    assert [exporter.deliver(DATA).complete for _ in range(3)] == [True] * 3
    exporter.shutdown()
    assert len(set(secure.clients)) == 1


def test_tls_to_somebody_who_is_not_trusted(secure: HttpReceiver) -> None:
    """Nothing is sent, and that is told at once."""
    exporter = HttpExporter(endpoint=secure.endpoint, timeout=20)
    began = time.monotonic()
    delivery = exporter.deliver(DATA)
    exporter.shutdown()
    assert "CERTIFICATE_VERIFY_FAILED" in delivery.reason
    assert time.monotonic() - began < 10
    assert secure.requests == []


def test_a_handshake_that_never_ends() -> None:
    """A receiver that does not speak TLS costs the timeout."""
    with raw(list) as receiver:
        endpoint = receiver.endpoint.replace("http://", "https://")
        exporter = HttpExporter(endpoint=endpoint, timeout=0.4)
        began = time.monotonic()
        assert not exporter.deliver(DATA).complete
        assert time.monotonic() - began < 10
        exporter.shutdown()


def test_a_connection_that_the_receiver_has_closed(http: HttpReceiver) -> None:
    """An export by a connection that is gone meanwhile is made by another at once."""
    exporter = HttpExporter(endpoint=http.endpoint)
    assert exporter.deliver(DATA).complete
    client = exporter._sender._client  # type: ignore[attr-defined]
    client._stream.interrupt()
    assert exporter.deliver(DATA).complete
    exporter.shutdown()
    assert len(set(http.clients)) == 2


def test_a_proxy_is_asked(http: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy gets the whole URL and its own password, but not for NO_PROXY."""
    place = http.endpoint.removeprefix("http://").partition("/")[0]
    monkeypatch.setenv("HTTP_PROXY", f"http://me:pass@{place}")
    exporter = HttpExporter(endpoint="http://collector.example/v1/metrics")
    assert exporter.deliver(DATA).complete
    exporter.shutdown()
    [(headers, _)] = http.requests
    assert headers["host"] == "collector.example"
    assert headers["proxy-authorization"].startswith("Basic ")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    exporter = HttpExporter(endpoint=http.endpoint)
    assert exporter.deliver(DATA).complete
    exporter.shutdown()


def test_a_proxy_connects_for_tls(
    secure: HttpReceiver, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By TLS a proxy only passes bytes on; what it refuses is told."""
    import socket  # noqa: PLC0415 - for this test's proxy

    place = secure.endpoint.removeprefix("https://").partition("/")[0]
    listener = socket.create_server(("127.0.0.1", 0))
    heads: list[bytes] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        while some := one.recv(1 << 16):
            other.sendall(some)

    def proxy() -> None:
        peer, _ = listener.accept()
        heads.append(peer.recv(1 << 16))
        target = socket.create_connection(("127.0.0.1", int(place.partition(":")[2])))
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = Thread(target=pump, args=(target, peer))
        back.start()
        pump(peer, target)
        target.shutdown(socket.SHUT_WR)
        back.join()
        target.close()
        peer.close()
        peer, _ = listener.accept()
        with peer:
            peer.recv(1 << 16)
            peer.sendall(b"HTTP/1.1 407 No\r\n\r\n")

    proxying = Thread(target=proxy)
    proxying.start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
    exporter = HttpExporter(endpoint=secure.endpoint, context=tls_context(authority), timeout=5)
    assert exporter.deliver(DATA).reason == ""
    exporter.shutdown()
    exporter = HttpExporter(endpoint=secure.endpoint, context=tls_context(authority), timeout=0.5)
    assert "status 407" in exporter.deliver(DATA).reason
    exporter.shutdown()
    proxying.join(5)
    listener.close()
    assert heads[0].startswith(f"CONNECT {place} HTTP/1.1\r\n".encode())


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent past a proxy that can't be used."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    exporter = HttpExporter(endpoint="http://collector.example/", timeout=0.3)
    assert "scheme socks5" in exporter.deliver(DATA).reason
    exporter.shutdown()
