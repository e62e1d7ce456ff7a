"""A small HTTP server for scrapes: threads, keep-alive, and a port that is really freed."""

from __future__ import annotations

import logging
import re
import selectors
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from threading import Event, Thread
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from butterfly_otel.exporters.prometheus.serving.app import (
    METRICS_PATH,
    Request,
    make_wsgi_app,
    respond,
)
from butterfly_otel.exporters.prometheus.serving.connections import Connections
from butterfly_otel.exporters.prometheus.serving.listen import listen
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from io import BufferedReader
    from socketserver import BaseServer
    from types import TracebackType

    from typing_extensions import Self

    from butterfly_otel.exporters.prometheus.serving.app import Renderer

__all__ = ["Server", "make_wsgi_app", "serve"]

_logger = logging.getLogger("butterfly_otel")

#: Connections open at once. Prometheus keeps one open, so more of them than this are
#: no scrapers.
_CONNECTIONS = 64
#: Seconds in which a request must have arrived, from the connection or its first byte on.
_REQUEST_TIMEOUT = 10.0
#: Seconds in which an answer must have been made and taken in.
_ANSWER_TIMEOUT = 90.0
#: Seconds a connection may be idle: longer than the usual scrape intervals.
_IDLE_TIMEOUT = 120.0
#: Seconds between two looks at overdue connections.
_WATCH_INTERVAL = 1.0
#: Bytes of a body that is read only to be able to go on.
_LARGEST_BODY = 65_536
#: What may be a length: of digits there are others, and int() refuses very many.
_LENGTH = re.compile("[0-9]{1,9}")
#: Before the path of a request that could also go to a proxy (RFC 9112, section 3.2.2).
_ABSOLUTE = re.compile("^https?://[^/?]*", re.IGNORECASE)
_WILDCARDS = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


def serve(renderer: Renderer, host: str, port: int) -> Server:
    """Serve a reader's metrics on daemon threads until the server is closed.

    Args:
        renderer: The reader.
        host: A name or an address, IPv4 or IPv6; empty for all interfaces. A name is served
            on every address it has.
        port: A port; 0 takes a free one.

    Raises:
        OSError: When the host is unknown, or the port is taken, forbidden or no port.
    """
    return Server(renderer, host, port)


class Server:
    """A running server; made by :func:`serve`. Thread-safe, also a context manager.

    Attributes:
        host: The host it was started with.
        port: The port it listens on.
    """

    def __init__(self, renderer: Renderer, host: str, port: int) -> None:
        self._listeners = listen(host, port)
        self.host = host
        self.port: int = self._listeners[0].getsockname()[1]
        self._renderer = renderer
        self._connections = Connections(_CONNECTIONS)
        self._closing = Event()
        # Whether the last connection was refused, which is said once.
        self._full = False
        self._wake, self._awake = socket.socketpair()
        self._thread = Thread(target=self._accept_all, name="butterfly-otel-http", daemon=True)
        self._thread.start()
        call_in_child(self._abandon)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = "localhost" if self.host in _WILDCARDS else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{METRICS_PATH}"

    def close(self, timeout: float = 2.0) -> None:
        """Free the port, let running answers finish, end every connection; only once.

        Args:
            timeout: Seconds that running answers get.
        """
        if not self._closing.is_set():
            self._closing.set()
            # The thread may have seen that by itself, and have closed the sockets already.
            with suppress(OSError):
                self._wake.send(b"\0")
        self._thread.join()
        self._connections.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            for readable in (self._awake, *self._listeners):
                selector.register(readable, selectors.EVENT_READ)
            while not self._closing.is_set():
                busy = self._connections.end_overdue()
                for key, _ in selector.select(_WATCH_INTERVAL if busy else None):
                    if key.fileobj is not self._awake and isinstance(key.fileobj, socket.socket):
                        self._accept(key.fileobj)
        for each in (*self._listeners, self._awake, self._wake):
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except OSError:
            # Gone again, or this process is out of files: not to be tried without a pause.
            self._closing.wait(0.05)
            return
        connection.setblocking(True)  # noqa: FBT003 - the socket's own signature
        if not self._connections.add(connection, _REQUEST_TIMEOUT):
            connection.close()
            if not self._full:
                self._full = True
                _logger.warning("Scrapes are refused: %d are being answered", _CONNECTIONS)
            return
        self._full = False
        serving = Thread(target=self._serve, args=(connection, address), daemon=True)
        try:
            serving.start()
        except RuntimeError:
            _logger.warning("A scrape was refused: no thread could be started")
            self._connections.end(connection)

    def _serve(self, connection: socket.socket, address: object) -> None:
        try:
            _Handler(connection, address, self._renderer, self._connections)
        except OSError:
            _logger.debug("A client went away", exc_info=True)
        except Exception:
            _logger.exception("A request failed")
        finally:
            self._connections.end(connection)

    def _abandon(self) -> None:
        """Let go of the parent's sockets in a forked child, which has none of its threads."""
        self._closing.set()
        self._connections.abandon()
        for each in (*self._listeners, self._awake, self._wake):
            each.close()


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "butterfly-otel"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(
        self,
        connection: socket.socket,
        address: object,
        renderer: Renderer,
        connections: Connections,
    ) -> None:
        self._renderer = renderer
        self._connections = connections
        # The base class serves the connection here, and only keeps the server it is given.
        super().__init__(connection, address, cast("BaseServer", None))

    def handle(self) -> None:
        """Serve requests until the client, a deadline or the server ends it."""
        self.close_connection = False
        while not self.close_connection:
            # Blocks until a request begins; its end is what ends an idle connection.
            if not cast("BufferedReader", self.rfile).peek(1) or self._connections.closed:
                return
            self._connections.receive(self.connection, _REQUEST_TIMEOUT)
            self.handle_one_request()
            self._connections.wait(self.connection, _IDLE_TIMEOUT)

    def _answer(self) -> None:
        self._discard_body()
        self._connections.answer(self.connection, _ANSWER_TIMEOUT)
        path, _, query = _ABSOLUTE.sub("", self.path).partition("?")
        headers = {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}
        response = respond(self._renderer, Request(self.command, unquote(path), query, headers))
        code, _, reason = response.status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in response.headers:
            self.send_header(name, value)
        if self._connections.closed:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def _discard_body(self) -> None:
        """Read what a request has no business to bring, or give up the connection."""
        length = self.headers.get("Content-Length", "0")
        small = _LENGTH.fullmatch(length) and int(length) <= _LARGEST_BODY
        if small and "Transfer-Encoding" not in self.headers:
            self.rfile.read(int(length))
        else:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log at debug level only: a line a scrape is noise."""
        _logger.debug(format, *args)
