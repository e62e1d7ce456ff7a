"""The HTTP side: paths, methods, compression, connections, and a port that is freed."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import os
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.request import urlopen
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from butterfly_otel.exporters.prometheus import CollectionError, make_wsgi_app, serve
from butterfly_otel.exporters.prometheus.serving import connections as connections_module
from butterfly_otel.exporters.prometheus.serving import server as server_module
from butterfly_otel.exporters.prometheus.serving.app import Request, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from butterfly_otel.exporters.prometheus.serving.server import Server

BODY = b"# TYPE a gauge\na 1.0\n" * 50


class _Renderer:
    """Renders a fixed body, after an optional wait, or fails."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, Collection[str] | None, float]] = []
        self.error: Exception | None = None
        self.body = BODY
        self.entered = threading.Event()
        self.release = threading.Event()
        self.release.set()

    def render(
        self, accept: str | None = None, names: Collection[str] | None = None, *, timeout: float
    ) -> tuple[str, bytes]:
        self.calls.append((accept, names, timeout))
        self.entered.set()
        self.release.wait(10)
        if self.error is not None:
            raise self.error
        return "text/plain; version=0.0.4; charset=utf-8", self.body


@pytest.fixture
def renderer() -> _Renderer:
    """Return something to serve."""
    return _Renderer()


@pytest.fixture
def server(renderer: _Renderer) -> Iterator[Server]:
    """Return a running server."""
    with serve(renderer, "127.0.0.1", 0) as running:
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    """Return a connection to the running server."""
    with closing(_connection(server)) as opened:
        yield opened


def _connection(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)


Connection = http.client.HTTPConnection


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("GET", "/", 200),
        ("GET", "/metrics/", 200),
        ("GET", "/metric%73", 200),
        ("GET", "http://any.host:80/metrics?name[]=a", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/other", 404),
        ("HEAD", "/other", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
        ("OPTIONS", "/metrics", 405),
    ],
)
def test_paths_and_methods(connection: Connection, method: str, path: str, status: int) -> None:
    """Metrics are at /metrics and /, for GET and HEAD; everything else is refused."""
    connection.request(method, path, body=b"x" * 100 if method == "POST" else None)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status
    assert bool(body) == (method != "HEAD")
    assert int(answer.headers["Content-Length"]) == (
        len(body) or int(answer.headers["Content-Length"])
    )
    if status == 404:
        assert method == "HEAD" or body == b"There is nothing here; metrics are at /metrics.\n"
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD"
    # The connection survives every one of them.
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == BODY


def test_head_tells_what_get_would_send(connection: Connection) -> None:
    """HEAD has GET's headers, its length included, and no body."""
    headers = []
    for method in ("GET", "HEAD"):
        connection.request(method, "/metrics")
        answer = connection.getresponse()
        answer.read()
        headers.append({k: v for k, v in answer.headers.items() if k != "Date"})
    assert headers[0] == headers[1]
    assert headers[0]["Content-Length"] == str(len(BODY))


def test_nothing_follows_the_headers_of_head(server: Server) -> None:
    """On the wire, the answer to HEAD ends with its headers."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")


def test_gzip_where_asked_for_and_worth_it(connection: Connection, renderer: _Renderer) -> None:
    """A long body is compressed for who accepts that; a short one is not."""
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(body) == BODY
    assert len(body) < len(BODY) / 5
    renderer.body = b"a 1.0\n"
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    assert (answer.headers["Content-Encoding"], answer.read()) == (None, b"a 1.0\n")


def test_what_a_request_says_reaches_the_renderer(
    connection: Connection, renderer: _Renderer
) -> None:
    """Accept headers, name[] parameters and the scraper's timeout are passed on."""
    connection.putrequest("GET", "/metrics?name[]=a&name%5B%5D=b")
    connection.putheader("Accept", "text/plain")
    connection.putheader("Accept", "*/*;q=0.1")
    connection.putheader("X-Prometheus-Scrape-Timeout-Seconds", "5")
    connection.endheaders()
    assert connection.getresponse().status == 200
    assert renderer.calls == [("text/plain, */*;q=0.1", ["a", "b"], 4.5)]


@pytest.mark.parametrize(
    ("header", "timeout"),
    [("10", 9.0), ("", 10.0), ("x", 10.0), ("-1", 10.0), ("nan", 10.0), ("inf", 60.0)],
)
def test_timeouts(renderer: _Renderer, header: str, timeout: float) -> None:
    """Collecting gets most of the scraper's timeout, within reason."""
    headers = {"x-prometheus-scrape-timeout-seconds": header}
    respond(renderer, Request("GET", "/", headers=headers))
    assert renderer.calls[0][2] == timeout


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            CollectionError("metrics could not be collected: why"),
            b"metrics could not be collected: why\n",
        ),
        (ValueError("secret"), b"The metrics could not be rendered.\n"),
    ],
)
def test_a_failed_collection_is_a_500_of_one_line(
    connection: Connection, renderer: _Renderer, error: Exception, reason: bytes
) -> None:
    """The scraper gets a reason in one line, and the connection goes on."""
    renderer.error = error
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (500, reason)
    renderer.error = None
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == BODY


def test_one_connection_serves_many_requests(connection: Connection) -> None:
    """Keep-alive: the same socket answers again, without a thread a request."""
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/metrics")
        assert connection.getresponse().read() == BODY
    assert connection.sock is first


def test_an_http_1_0_client_is_not_kept(server: Server) -> None:
    """Who speaks HTTP/1.0 gets an answer and the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.endswith(BODY)


@pytest.mark.parametrize(
    ("length", "status"),
    [("\u00b2", 400), ("-1", 400), ("+1", 400), ("x", 400), ("", 400), ("9" * 5000, 200)],
)
def test_a_length_that_is_none_is_no_failure(
    server: Server, caplog: pytest.LogCaptureFixture, length: str, status: int
) -> None:
    """Whatever a client calls a length, it is answered, once, and nothing is logged."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(f"GET / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode("latin-1"))
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert received.count(b"HTTP/1.1 ") == 1
    assert status != 200 or received.endswith(BODY)
    assert not caplog.records


def test_nonsense_is_answered_in_plain_text(server: Server) -> None:
    """What is no proper request gets an error without any HTML."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b"<html" not in received.lower()


def test_close_frees_the_port_at_once(renderer: _Renderer) -> None:
    """After close() the port can be had again, even with a connection open; twice is fine."""
    server = serve(renderer, "127.0.0.1", 0)
    with closing(_connection(server)) as connection:
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        began = time.monotonic()
        server.close()
        server.close()
        assert time.monotonic() - began < 1
    with serve(renderer, "127.0.0.1", server.port) as again:
        assert again.port == server.port
        with urlopen(again.url, timeout=5) as answer:
            assert answer.read() == BODY


def test_nothing_is_answered_after_close(
    server: Server, connection: Connection, renderer: _Renderer
) -> None:
    """An open connection ends with the server; new ones are refused."""
    connection.request("GET", "/metrics")
    connection.getresponse().read()
    server.close()
    assert connection.sock is not None
    assert connection.sock.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), 1)
    assert len(renderer.calls) == 1


def test_close_lets_a_running_answer_finish(
    server: Server, connection: Connection, renderer: _Renderer
) -> None:
    """A scrape that has begun gets its answer, though the server is being closed."""
    renderer.release.clear()
    connection.request("GET", "/metrics")
    assert renderer.entered.wait(5)
    closing = threading.Thread(target=server.close)
    closing.start()
    time.sleep(0.05)
    renderer.release.set()
    answer = connection.getresponse()
    assert answer.read() == BODY
    assert answer.headers["Connection"] == "close"
    closing.join(5)
    assert not closing.is_alive()


def test_close_waits_a_moment_for_the_first_request_of_a_new_connection(
    renderer: _Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be on its way; who sends nothing is let go of soon, who was answered at once."""
    monkeypatch.setattr(connections_module, "_GRACE", 30.0)
    server = serve(renderer, "127.0.0.1", 0)
    with closing(_connection(server)) as old, closing(_connection(server)) as fresh:
        old.request("GET", "/metrics")
        old.getresponse().read()
        fresh.connect()
        _until(lambda: len(server._connections._deadlines) == 2)
        closed = threading.Thread(target=server.close, args=(30,))
        closed.start()
        assert old.sock.recv(1) == b""
        fresh.request("GET", "/metrics")
        answer = fresh.getresponse()
        assert answer.read() == BODY
        assert answer.headers["Connection"] == "close"
        closed.join(20)
        assert not closed.is_alive()
    monkeypatch.setattr(connections_module, "_GRACE", 0.1)
    server = serve(renderer, "127.0.0.1", 0)
    with closing(_connection(server)) as silent:
        silent.connect()
        _until(lambda: server._connections._deadlines)
        server.close(30)
        assert silent.sock.recv(1) == b""


def _until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_client_that_sends_nothing_is_cut_off(
    renderer: _Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow clients hold a thread for so long and no longer, drip by drip as well."""
    monkeypatch.setattr(server_module, "_REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(server_module, "_WATCH_INTERVAL", 0.05)
    with serve(renderer, "127.0.0.1", 0) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            assert client.recv(1) == b""
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.settimeout(0.05)
            began = time.monotonic()
            ended = False
            while not ended and time.monotonic() - began < 5:
                ended = _drip(client)
            assert ended
        with urlopen(server.url, timeout=5) as answer:
            assert answer.read() == BODY


def _drip(client: socket.socket) -> bool:
    """Send one more letter of a method; tell whether the server has hung up."""
    try:
        client.sendall(b"G")
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_there_is_a_limit_of_answers(
    renderer: _Renderer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the limit a connection is closed soon, said once, and room is made by ending."""
    monkeypatch.setattr(server_module, "_CONNECTIONS", 2)
    renderer.release.clear()
    with serve(renderer, "127.0.0.1", 0) as server:
        busy = [_connection(server) for _ in range(2)]
        for each in busy:
            renderer.entered.clear()
            each.request("GET", "/metrics")
            assert renderer.entered.wait(5)
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", server.port), 5) as refused:
                assert refused.recv(1) == b""
        assert caplog.text.count("Scrapes are refused: 2 are being answered") == 1
        renderer.release.set()
        assert [each.getresponse().read() for each in busy] == [BODY, BODY]
        with urlopen(server.url, timeout=5) as answer:
            assert answer.read() == BODY
        for each in busy:
            each.close()


def test_idle_connections_make_room(renderer: _Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that waits the longest ends, be it for its first request, the rest of it, or more."""
    monkeypatch.setattr(server_module, "_CONNECTIONS", 4)
    with serve(renderer, "127.0.0.1", 0) as server, contextlib.ExitStack() as opened:

        def connect() -> Connection:
            connection = opened.enter_context(closing(_connection(server)))
            connection.connect()
            return connection

        def scrape(connection: Connection) -> bytes:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()

        # The scraper connects first, but waits only from its first answer on.
        scraper, silent, slow = connect(), connect(), connect()
        assert slow.sock is not None
        slow.sock.sendall(b"GET /met")
        # They are taken in order: where this one is answered, the others are there.
        assert scrape(connect()) == BODY
        assert scrape(scraper) == BODY
        for ended in (silent, slow):
            assert scrape(connect()) == BODY
            assert ended.sock is not None
            assert ended.sock.recv(1) == b""
            assert scrape(scraper) == BODY


def test_a_port_in_use_is_the_callers_oserror(renderer: _Renderer, server: Server) -> None:
    """EADDRINUSE, an unknown host and an impossible port arrive as OSError."""
    for host, port in (
        ("127.0.0.1", server.port),
        ("localhost", server.port),
        ("no-such-host.invalid", 0),
        ("192.0.2.1", 0),
        ("127.0.0.1", 70_000),
        ("127.0.0.1", -1),
    ):
        with pytest.raises(OSError) as error:  # noqa: PT011 - any of them
            serve(renderer, host, port)
        assert error.value.strerror
    with urlopen(server.url, timeout=5) as answer:
        assert answer.status == 200


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached", "url"),
    [
        ("localhost", ["127.0.0.1"], "http://localhost:{port}/metrics"),
        ("0.0.0.0", ["127.0.0.1"], "http://localhost:{port}/metrics"),  # noqa: S104 - meant
        ("", ["127.0.0.1"], "http://localhost:{port}/metrics"),
        ("::1", ["::1"], "http://[::1]:{port}/metrics"),
        ("::", ["::1", "127.0.0.1"], "http://localhost:{port}/metrics"),
    ],
)
def test_hosts(renderer: _Renderer, host: str, reached: list[str], url: str) -> None:
    """IPv4, IPv6, names and wildcards can be served; a name on each address it has."""
    if ":" in host and not _has_ipv6():
        pytest.skip("this machine has no IPv6: enable it on the loopback interface")
    with serve(renderer, host, 0) as server:
        assert server.url == url.format(port=server.port)
        for address in reached:
            with closing(Connection(address, server.port, timeout=5)) as connection:
                connection.request("GET", "/metrics")
                assert connection.getresponse().read() == BODY


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Let the name ``both`` have two addresses of this machine and one of another."""
    addresses = ("127.0.0.1", "127.0.0.2")
    try:
        with socket.socket() as probe:
            probe.bind((addresses[1], 0))
    except OSError:
        pytest.skip("this machine has one loopback address only, as macOS and Windows have")

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        assert host == "both"
        found = ("192.0.2.1", *addresses)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return addresses


def test_a_name_is_served_on_every_address_it_has_here(
    renderer: _Renderer, two_addresses: tuple[str, str]
) -> None:
    """One port on all addresses; what this machine does not have is left out."""
    with serve(renderer, "both", 0) as server:
        assert server.url == f"http://both:{server.port}/metrics"
        for address in two_addresses:
            client = socket.socket()
            with client:
                client.connect((address, server.port))


def test_a_name_whose_port_is_partly_taken_is_refused(
    renderer: _Renderer, two_addresses: tuple[str, str]
) -> None:
    """If the port asked for is taken on one address, it is had on none."""
    with socket.socket() as other:
        other.bind((two_addresses[1], 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            serve(renderer, "both", port)
        with socket.socket() as free:
            # Ended connections of other tests may still have the port; a listener would be refused.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind((two_addresses[0], port))


def test_nothing_is_written_to_stderr(
    server: Server, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Requests, refusals and clients that go away leave no trace on the terminal."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    for path in ("/metrics", "/other"):
        with closing(_connection(server)) as connection:
            connection.request("GET", path)
            connection.getresponse().read()
    server.close()
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork()")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_hold_the_port(renderer: _Renderer) -> None:
    """When the parent closes its server, the port is free though a child lives on."""
    server = serve(renderer, "127.0.0.1", 0)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        server.close()
        with (
            serve(renderer, "127.0.0.1", server.port) as again,
            urlopen(again.url, timeout=5) as answer,
        ):
            assert answer.read() == BODY
    finally:
        os.write(done[1], b"x")
        os.waitpid(child, 0)
        for each in (*ready, *done):
            os.close(each)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["", "/", "/metrics"])
def test_the_wsgi_application_keeps_the_rules_of_wsgi(
    renderer: _Renderer, method: str, path: str
) -> None:
    """The application passes the reference validator, mounted anywhere."""
    environ: dict[str, object] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "/mounted"}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "HTTP_ACCEPT": "*/*", "QUERY_STRING": "name[]=a"}
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        started.append((status, headers))

    answer = validator(make_wsgi_app(renderer))(environ, start_response)  # type: ignore[arg-type]
    try:
        body = b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]
    assert started[0][0] == "200 OK"
    assert body == (b"" if method == "HEAD" else BODY)
    assert renderer.calls[0][:2] == ("*/*", ["a"])


def test_closing_a_server_whose_thread_is_faster_is_no_error(renderer: _Renderer) -> None:
    """Where the thread sees that it is to end before it is woken, close() does not fail."""
    server = serve(renderer, "127.0.0.1", 0)

    class Seen(threading.Event):
        def set(self) -> None:
            super().set()
            # Refused or reset where the thread has seen it by itself, which is just as well.
            with contextlib.suppress(ConnectionError):
                socket.create_connection(("127.0.0.1", server.port)).close()
            server._thread.join(10)

    server._closing = Seen()
    server.close()
    assert not server._thread.is_alive()
