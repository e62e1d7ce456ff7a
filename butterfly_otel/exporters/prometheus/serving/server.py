"""A small HTTP server for scrapes: threads, keep-alive, and a port that is really freed."""

from __future__ import annotations

import logging
import selectors
import socket
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.serving.app import (
    METRICS_PATH,
    NO_SITE,
    make_wsgi_app,
    respond,
)
from butterfly_otel.exporters.prometheus.serving.connections import Connections
from butterfly_otel.exporters.prometheus.serving.exchange import Exchange
from butterfly_otel.exporters.prometheus.serving.listen import listen
from butterfly_otel.exporters.prometheus.serving.stream import Plain, source_of
from butterfly_otel.process import sockets, threads
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from butterfly_otel.exporters.prometheus.serving.app import Renderer
    from butterfly_otel.exporters.prometheus.serving.site import Gate, Site
    from butterfly_otel.exporters.prometheus.serving.stream import Transport

__all__ = ["Server", "make_wsgi_app", "serve"]

_logger = logging.getLogger("butterfly_otel")

#: Connections open at once. Prometheus keeps one open, so more of them than this are
#: no scrapers.
_CONNECTIONS = 64
#: Seconds in which a request must have arrived, from the connection or its first byte on.
_REQUEST_TIMEOUT = 10.0
#: Seconds for which a connection is held where there are too many, in case one ends.
_HOLD = 1.0
#: Connections that are held at most, and seconds between two looks whether there is room.
_MOST_HELD = 16
_HOLD_INTERVAL = 0.02
#: Seconds between two looks at overdue connections.
_WATCH_INTERVAL = 1.0
#: The addresses that stand for all interfaces.
WILDCARDS = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
#: Connections as they are.
PLAIN = Plain()


def serve(
    renderer: Renderer,
    host: str,
    port: int,
    *,
    listeners: Sequence[socket.socket] | None = None,
    site: Site = NO_SITE,
    gate: Gate | None = None,
    transport: Transport = PLAIN,
) -> Server:
    """Serve a reader's metrics on daemon threads until the server is closed.

    Args:
        renderer: The reader.
        host: A name or an address, IPv4 or IPv6; empty for all interfaces. A name is served
            on every address it has.
        port: A port; 0 takes a free one.
        listeners: Listening sockets to serve instead of opening that address; the server closes
            them. Duplicates of them elsewhere go on.
        site: What is served beside the metrics.
        gate: Refuses who may not have an answer.
        transport: Makes streams of connections, by TLS for instance.

    Raises:
        OSError: When the host is unknown, or the port is taken, forbidden or no port.
    """
    return Server(
        renderer, host, port, listeners=listeners, site=site, gate=gate, transport=transport
    )


def url_of(host: str, port: int, transport: Transport = PLAIN) -> str:
    """Return where the metrics are that are served on an address."""
    host = "localhost" if host in WILDCARDS else host
    address = f"[{host}]" if ":" in host else host
    return f"{transport.scheme}://{address}:{port}{METRICS_PATH}"


class Server:
    """A running server; made by :func:`serve`. Thread-safe, also a context manager.

    Attributes:
        host: The host it was started with.
        port: The port it listens on.
    """

    def __init__(
        self,
        renderer: Renderer,
        host: str,
        port: int,
        *,
        listeners: Sequence[socket.socket] | None = None,
        site: Site = NO_SITE,
        gate: Gate | None = None,
        transport: Transport = PLAIN,
    ) -> None:
        self._listeners = listen(host, port) if listeners is None else list(listeners)
        self.host = host
        self.port: int = self._listeners[0].getsockname()[1]
        self._respond = partial(respond, renderer, site=site, gate=gate)
        self._transport = transport
        self._connections = Connections(_CONNECTIONS)
        self._closing = threads.Event()
        # Connections for which there is no room yet, until when each may wait for it, and whose
        # it is.
        self._held: dict[socket.socket, tuple[float, str]] = {}
        # Whether the last connection was refused, which is said once.
        self._full = False
        self._wake, self._awake = sockets.pair()
        self._thread = threads.Thread(self._accept_all, name="butterfly-otel-http")
        # Not waited for: under gevent that would let the parent's greenlets go on in a child.
        self._thread.begin()
        call_in_child(self._abandon)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return url_of(self.host, self.port, self._transport)

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
        self._thread.join(timeout)
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
        with sockets.selector() as selector:
            selector.register(self._awake, selectors.EVENT_READ)
            for each in self._listeners:
                selector.register(each, selectors.EVENT_READ, each)
            while not self._closing.is_set():
                self._admit_held()
                for key, _ in selector.select(self._pause()):
                    if key.data is not None:
                        self._accept(key.data)
        for each in (*self._held, *self._listeners, self._awake, self._wake):
            each.close()

    def _pause(self) -> float | None:
        """Return for how many seconds nothing has to be done unless somebody connects."""
        busy = self._connections.end_overdue()
        if self._held:
            return _HOLD_INTERVAL
        return _WATCH_INTERVAL if busy else None

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, (client, *_) = sockets.accept(listener)
        except OSError:
            # Gone again, or this process is out of files: not to be tried without a pause.
            self._closing.wait(0.05)
            return
        connection.setblocking(True)  # noqa: FBT003 - the socket's own signature
        # Those that are held were here before.
        if self._held or not self._add(connection, client):
            self._hold(connection, client)
        else:
            self._begin(connection, client)

    def _add(self, connection: socket.socket, client: str) -> bool:
        return self._connections.add(connection, _REQUEST_TIMEOUT, source_of(client))

    def _hold(self, connection: socket.socket, client: str) -> None:
        if len(self._held) < _MOST_HELD:
            self._held[connection] = monotonic() + _HOLD, client
        else:
            self._refuse(connection)

    def _admit_held(self) -> None:
        """Give those that are held the places that have become free, in order."""
        for connection, (until, client) in tuple(self._held.items()):
            if self._add(connection, client):
                del self._held[connection]
                self._begin(connection, client)
            elif monotonic() >= until:
                del self._held[connection]
                self._refuse(connection)

    def _refuse(self, connection: socket.socket) -> None:
        connection.close()
        if not self._full:
            self._full = True
            _logger.warning("Scrapes are refused: %d are being answered", _CONNECTIONS)

    def _begin(self, connection: socket.socket, client: str) -> None:
        self._full = False
        try:
            threads.start(self._serve, connection, client)
        except RuntimeError:
            _logger.warning("A scrape was refused: no thread could be started")
            self._connections.end(connection)

    def _serve(self, connection: socket.socket, client: str) -> None:
        try:
            # Answers are written whole, so nothing is gained by waiting for more.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A client that stalls in its handshake waits as one does that sends no request.
            stream = self._transport.open(connection, client)
            Exchange(
                connection, stream, client, self._respond, self._connections, _REQUEST_TIMEOUT
            ).run()
        except OSError:
            _logger.debug("A client went away", exc_info=True)
        except BaseException:  # SystemExit ends a thread without a word
            _logger.exception("A request failed")
        finally:
            self._connections.end(connection)

    def _abandon(self) -> None:
        """Let go of the parent's sockets in a forked child, which has none of its threads."""
        # A new one: a thread that is not here may be inside the other's lock.
        self._closing = threads.Event()
        self._closing.set()
        self._thread.abandon()
        self._connections.abandon()
        for each in (*self._held, *self._listeners, self._awake, self._wake):
            each.close()
