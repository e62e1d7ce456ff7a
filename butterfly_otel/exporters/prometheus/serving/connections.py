"""The open connections of a server, and until when each may stay open."""

from __future__ import annotations

import socket
from collections import Counter
from time import monotonic

from butterfly_otel.process.threads import Condition

#: Seconds in which a scraper takes in what it asked for; a slower one may lose its place.
_PATIENCE = 1.0
#: Seconds in which the first request of a new connection is on its way: nobody sends it again, as
#: clients do where a connection that was answered before has ended.
_GRACE = 0.25


class Connections:
    """Connections with deadlines, so that no client can hold a thread for ever.

    A connection waits for a request, or its answer is being made, or sent. Where there are too
    many, a new one takes the place of the one that waits the longest, of those from where the
    most come: HTTP lets a server end an idle connection at any time (RFC 9112, section 9.5),
    and so idle clients can't keep a scraper out, and a crowd ends none but its own. Nor can
    those that don't take in their answers: where nobody waits, the place of the one that has
    been at it the longest is taken, and who has just been answered gives his up.

    Args:
        limit: How many may be open at once.

    Thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._deadlines: dict[socket.socket, float] = {}
        # Where each comes from.
        self._sources: dict[socket.socket, str] = {}
        # Since when those are here that have not been answered yet.
        self._fresh: dict[socket.socket, float] = {}
        # In the order in which they began to wait.
        self._waiting: dict[socket.socket, None] = {}
        # Since when each answer is being sent, in that order.
        self._sending: dict[socket.socket, float] = {}
        # Whether somebody found no room since one was last made.
        self._wanted = False
        self._changed = Condition()
        #: Whether no more requests are to be answered.
        self.closed = False

    def add(self, connection: socket.socket, seconds: float, source: str = "") -> bool:
        """Let a connection wait for so many seconds; False where too many are being answered.

        To be tried again: room is made as soon as one of these is answered.
        """
        with self._changed:
            if self.closed or not self._make_room():
                self._wanted = True
                return False
            self._wanted = False
            self._deadlines[connection] = monotonic() + seconds
            self._sources[connection] = source
            self._fresh[connection] = monotonic()
            self._waiting[connection] = None
            return True

    def _make_room(self) -> bool:
        if len(self._deadlines) < self._limit:
            return True
        longest = self._dispensable()
        if longest is None:
            longest, since = next(iter(self._sending.items()), (None, 0.0))
            if longest is None or monotonic() - since < _PATIENCE:
                return False
        self._forget(longest)
        # Wakes its thread, which ends it.
        _shut(longest, socket.SHUT_RDWR)
        return True

    def _dispensable(self) -> socket.socket | None:
        """Return the one that waits the longest, of those from where the most come."""
        crowd = Counter(self._sources.values())
        # The first of equals.
        return max(self._waiting, key=lambda each: crowd[self._sources[each]], default=None)

    def receive(self, connection: socket.socket, seconds: float) -> None:
        """Give a request that has begun so many seconds to arrive; it waits as long as before."""
        with self._changed:
            self._allow(connection, seconds)

    def answer(self, connection: socket.socket, seconds: float) -> None:
        """Keep a connection open for the answer, for so many seconds."""
        with self._changed:
            self._fresh.pop(connection, None)
            if self._allow(connection, seconds):
                self._waiting.pop(connection, None)
            self._changed.notify_all()

    def is_heard(self, connection: socket.socket) -> bool:
        """Tell whether a request that has begun to arrive is to be answered."""
        return not self.closed or connection in self._fresh

    def send(self, connection: socket.socket) -> None:
        """Begin to send an answer."""
        with self._changed:
            if connection in self._deadlines:
                self._sending[connection] = monotonic()

    def wait(self, connection: socket.socket, seconds: float) -> bool:
        """Let a connection that was answered wait for so many seconds; False where it may not."""
        with self._changed:
            self._sending.pop(connection, None)
            if self._wanted or not self._allow(connection, seconds):
                self._wanted = False
                return False
            self._waiting[connection] = None
            return True

    def _allow(self, connection: socket.socket, seconds: float) -> bool:
        """Let a connection stay open for so long; False where it has made room already."""
        open_still = connection in self._deadlines
        if open_still:
            self._deadlines[connection] = monotonic() + seconds
        return open_still

    def end(self, connection: socket.socket) -> None:
        """Close a connection."""
        # shutdown() as well: a forked child may hold a copy of the socket.
        _shut(connection, socket.SHUT_RDWR)
        connection.close()
        with self._changed:
            self._forget(connection)
            self._changed.notify_all()

    def _forget(self, connection: socket.socket) -> None:
        self._deadlines.pop(connection, None)
        self._sources.pop(connection, None)
        self._fresh.pop(connection, None)
        self._waiting.pop(connection, None)
        self._sending.pop(connection, None)

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
        until = monotonic() + timeout
        with self._changed:
            self.closed = True
            for connection in self._deadlines.keys() - self._fresh.keys():
                # Wakes who waits for a request, and lets an answer go out.
                _shut(connection, socket.SHUT_RD)
            newest = max(self._fresh.values(), default=0.0)
            grace = min(newest + _GRACE, until) - monotonic()
            self._changed.wait_for(lambda: not self._fresh, max(0.0, grace))
            for connection in self._fresh:
                _shut(connection, socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._deadlines, max(0.0, until - monotonic()))
            for connection in self._deadlines:
                _shut(connection, socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Forget everything without a word to the clients, in a forked child."""
        self._changed = Condition()
        self.closed = True
        for connection in self._deadlines:
            connection.close()
        self._deadlines = {}
        self._sources = {}
        self._fresh = {}
        self._waiting = {}
        self._sending = {}


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        # Closed by the other side already.
        return
