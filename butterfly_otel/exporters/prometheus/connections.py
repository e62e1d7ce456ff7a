"""The open connections of a server, and until when each may stay open."""

from __future__ import annotations

import socket
from threading import Condition
from time import monotonic


class Connections:
    """Connections with deadlines, so that no client can hold a thread for ever.

    Args:
        limit: How many may be open at once.

    Thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._deadlines: dict[socket.socket, float] = {}
        self._changed = Condition()
        #: Whether no more requests are to be answered.
        self.closed = False

    def add(self, connection: socket.socket, seconds: float) -> bool:
        """Take in a connection for so many seconds; False where there are too many."""
        with self._changed:
            if self.closed or len(self._deadlines) >= self._limit:
                return False
            self._deadlines[connection] = monotonic() + seconds
            return True

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """Let a connection stay open for so many seconds from now on."""
        with self._changed:
            if connection in self._deadlines:
                self._deadlines[connection] = monotonic() + seconds

    def end(self, connection: socket.socket) -> None:
        """Close a connection."""
        # shutdown() as well: a forked child may hold a copy of the socket.
        _shut(connection, socket.SHUT_RDWR)
        connection.close()
        with self._changed:
            self._deadlines.pop(connection, None)
            self._changed.notify_all()

    def end_overdue(self) -> bool:
        """Interrupt every connection past its deadline; tell whether any is open."""
        now = monotonic()
        with self._changed:
            for connection, deadline in self._deadlines.items():
                if deadline < now:
                    _shut(connection, socket.SHUT_RDWR)
            return bool(self._deadlines)

    def close(self, timeout: float) -> None:
        """Let running answers finish within so many seconds, then interrupt them."""
        with self._changed:
            self.closed = True
            for connection in self._deadlines:
                # Wakes who waits for a request, and lets an answer go out.
                _shut(connection, socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._deadlines, timeout)
            for connection in self._deadlines:
                _shut(connection, socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Forget everything without a word to the clients, in a forked child."""
        self._changed = Condition()
        self.closed = True
        for connection in self._deadlines:
            connection.close()
        self._deadlines = {}


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        # Closed by the other side already.
        return
