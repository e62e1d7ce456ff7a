"""What a client may send, on the wire: strict where two parties could read it differently."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from butterfly_otel.exporters.prometheus import serve
from butterfly_otel.exporters.prometheus.serving import server as server_module
from butterfly_otel.exporters.prometheus.serving.app import Request, respond

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from butterfly_otel.exporters.prometheus.serving.server import Server

BODY = b"# TYPE a gauge\na 1.0\n"
LARGE = BODY * 500_000
GET = b"GET /metrics HTTP/1.1\r\nHost: a\r\n"


class _Renderer:
    """Renders a fixed body."""

    def __init__(self) -> None:
        self.body = BODY
        self.timeouts: list[float] = []

    def render(
        self,
        accept: str | None = None,  # noqa: ARG002
        names: Collection[str] | None = None,  # noqa: ARG002
        *,
        timeout: float,
    ) -> tuple[str, bytes]:
        self.timeouts.append(timeout)
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


def connect(server: Server) -> socket.socket:
    """Return a connection to a server."""
    return socket.create_connection(("127.0.0.1", server.port), 5)


def exchange(server: Server, sent: bytes) -> list[bytes]:
    """Send bytes, then no more, and return the answers that come until the server hangs up."""
    with connect(server) as client:
        with suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    head, *rest = received.split(b"HTTP/1.1 ")
    # Nothing comes without a status line.
    assert head == b""
    return rest


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", 200),
        (b"GET /metrics HTTP/1.0", 200),
        (b"GET /metrics HTTP/1.2", 200),
        (b"GET http://a.b:80/metrics?name[]=a HTTP/1.1", 200),
        (b"GET HTTPS://a.b HTTP/1.1", 200),
        (b"GET /metri%63s HTTP/1.1", 200),
        (b"GET /metrics%00 HTTP/1.1", 404),
        (b"GET /%ff%zz HTTP/1.1", 404),
        (b"GET //metrics HTTP/1.1", 404),
        (b"GET /metrics/../x HTTP/1.1", 404),
        (b"HEAD /metrics HTTP/1.1", 200),
        (b"OPTIONS /metrics HTTP/1.1", 405),
        (b"OPTIONS * HTTP/1.1", 405),
        (b"TRACE / HTTP/1.1", 405),
        (b"get /metrics HTTP/1.1", 501),
        (b"BREW /metrics HTTP/1.1", 501),
        (b"CONNECT a:80 HTTP/1.1", 404),
        (b"GET /metrics HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET /metrics HTTP/0.9", 505),
        (b"GET /metrics", 400),
        (b"GET", 400),
        (b"GET  /metrics HTTP/1.1", 400),
        (b"GET /metrics HTTP/1.1 ", 400),
        (b" GET /metrics HTTP/1.1", 400),
        (b"GET /met rics HTTP/1.1", 400),
        (b"GET\t/metrics\tHTTP/1.1", 400),
        (b"GET /metrics HTTP/1.10", 400),
        (b"GET /metrics http/1.1", 400),
        (b"GET metrics HTTP/1.1", 400),
        (b"GET ftp://a/metrics HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET /metrics\0 HTTP/1.1", 400),
        (b"GET /metrics\r HTTP/1.1", 400),
        (b"GET /m\x1b[31m HTTP/1.1", 400),
        (b"GET /m\xc3\xa9 HTTP/1.1", 400),
        (b"G(T /metrics HTTP/1.1", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 414),
    ],
)
def test_request_lines(server: Server, request_line: bytes, status: int) -> None:
    """What is a request is answered, and everything else refused, always by a status line."""
    [answer] = exchange(server, request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert int(answer[:3]) == status
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: a\r\nHost: b", 400),
        (b"Host: a\r\nX:", 200),
        (b"X : y", 400),
        (b"X\t: y", 400),
        (b"no colon", 400),
        (b": y", 400),
        (b" X: y", 400),
        (b"X: y\r\n folded", 400),
        (b"X: y\r\n\tfolded", 400),
        (b"X: a\0b", 400),
        (b"X: a\rb", 400),
        (b"X: a\x1b[31m", 400),
        (b"X\x00: y", 400),
        (b"X: \xff\ttab", 200),
        (b"X: " + b"y" * 20_000, 431),
        (b"\r\n".join(b"X: y" for _ in range(200)), 431),
        (b"Content-Length: 0", 200),
        (b"Content-Length: 0\r\nContent-Length: 0", 200),
        (b"Content-Length: 0, 0", 200),
        (b"Content-Length: 0\r\nContent-Length: 5", 400),
        (b"Content-Length: 5, 6", 400),
        (b"Content-Length: 0,", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: +1", 400),
        (b"Content-Length: 1_0", 400),
        (b"Content-Length: 0x1", 400),
        (b"Content-Length: 1 1", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked", 200),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Expect: the unexpected", 417),
    ],
)
def test_headers(server: Server, headers: bytes, status: int) -> None:
    """A head that two parties could read differently is refused, and the connection ends."""
    answers = exchange(server, b"GET / HTTP/1.1\r\n" + headers + b"\r\n\r\n" + GET + b"\r\n")
    assert int(answers[0][:3]) == status
    # Nothing that follows a refused head, or a body of no told length, is taken for a request.
    goes_on = status == 200 and b"Transfer" not in headers
    assert len(answers) == (2 if goes_on else 1)


def test_bodies_are_no_requests(server: Server) -> None:
    """A body is skipped, and the next request answered; an empty line before it is let pass."""
    body = b"GET /other HTTP/1.1\r\n\r\n"
    first = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    answers = exchange(server, first + body + b"\r\n" + GET + b"\r\n")
    assert [answer[:3] for answer in answers] == [b"405", b"200"]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_who_waits_to_send_a_body_is_answered_at_once(server: Server, version: bytes) -> None:
    """A client that expects a word before its body does not wait for it, nor does the server."""
    with connect(server) as client:
        length = b"5" if version == b"1.1" else b"0"
        client.sendall(
            b"GET / HTTP/" + version + b"\r\nExpect: 100-Continue\r\nContent-Length: " + length
        )
        client.sendall(b"\r\n\r\n")
        # The client has sent no body, and has not hung up.
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(BODY)


def test_no_control_characters_reach_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a client sends, what is logged of it is plain printable text on one line."""
    with caplog.at_level(logging.DEBUG):
        for sent in (b"GET /\x1b[31m\x07 HTTP/1.1", b"GET /%1b%0aX%E2%80%A8 HTTP/1.1", b"\x1b\x9b"):
            exchange(server, sent + b"\r\nX\x1b: \x07\r\n\r\n")
        exchange(server, b"GET /%1b[31m%0a%00 HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert caplog.records
    for record in caplog.records:
        assert record.getMessage().isprintable()


@pytest.mark.parametrize("asked", ["1e-9", "0.000001", "1e-320"])
def test_no_client_can_ask_for_less_time_than_collecting_takes(
    renderer: _Renderer, asked: str
) -> None:
    """A timeout that leaves no time is taken for the shortest that makes sense."""
    headers = {"x-prometheus-scrape-timeout-seconds": asked}
    assert respond(renderer, Request("GET", "/", headers=headers)).status == "200 OK"
    assert renderer.timeouts == [0.1]


@pytest.mark.parametrize("size", ["small", "large"])
def test_clients_that_take_nothing_do_not_keep_a_scraper_out(
    renderer: _Renderer, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """Many that ask without end and read nothing lose a place to who connects later."""
    monkeypatch.setattr(server_module, "_CONNECTIONS", 4)
    renderer.body = LARGE if size == "large" else BODY
    requests = (GET + b"\r\n") * (1 if size == "large" else 50_000)

    def send(client: socket.socket) -> None:
        # It ends when the server has no more room for what was asked, or hangs up.
        with suppress(OSError):
            client.sendall(requests)

    with serve(renderer, "127.0.0.1", 0) as server, ExitStack() as opened:
        greedy = [opened.enter_context(connect(server)) for _ in range(8)]
        sending = [threading.Thread(target=send, args=(each,), daemon=True) for each in greedy]
        for each in sending:
            each.start()
        answers: list[bytes] = []
        # Of two that connect at one moment either may lose its place, here a scrape of the next
        # moment gets one.
        for _ in range(5):
            with suppress(ConnectionError), urlopen(server.url, timeout=10) as answer:
                answers.append(answer.read())
        assert len(answers) >= 3
        assert set(answers) == {renderer.body}
        for client in greedy:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for each in sending:
            each.join(10)
