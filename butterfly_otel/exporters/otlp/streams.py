"""A connection on which nothing takes longer than until a deadline.

A socket's own timeout begins anew with each byte, so a receiver that sends one a second is
never too late. Here each step gets what is left, name resolution and the handshake too.
"""

from __future__ import annotations

import io
import os
import socket
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

Address = tuple[str, int]


def left(deadline: float) -> float:
    """Return the seconds until a deadline.

    Raises:
        TimeoutError: When there are none.
    """
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def connect(address: Address, deadline: float) -> socket.socket:
    """Return a socket that is connected to the first address that answers.

    Raises:
        OSError: When none does, or the name is not known, or it takes too long.
    """
    problem: OSError = ConnectionError(f"no address of {address[0]} is known")
    for family, kind, protocol, _, place in _resolve(address, deadline):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left(deadline))
            made.connect(place)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            problem = error
        else:
            return made
    raise problem


def _resolve(address: Address, deadline: float) -> list[Any]:
    """Resolve a name on a thread of its own: nothing else can end that in time."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)
        done.set()

    # Not joined: gevent, where it replaces threads later, does not wake who waits for one.
    done = Event()
    Thread(target=ask, name="butterfly-otel-resolve", daemon=True).start()
    done.wait(left(deadline))
    if not found:
        raise TimeoutError(f"resolving {address[0]} timed out")
    if isinstance(found[0], OSError):
        raise found[0]
    if isinstance(found[0], UnicodeError):
        raise ConnectionError(f"{address[0]} is not the name of a host")
    return list(found[0])


class Stream:
    """A connected socket as ``http.client`` uses one, with a deadline.

    Attributes:
        deadline: When whatever is done with it ends at the latest, by ``time.monotonic()``.
    """

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self.deadline = deadline
        self._readers = 0
        self._closed = False

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS."""
        self._socket.settimeout(left(self.deadline))
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def sendall(self, data: Buffer) -> None:
        """Send all of it."""
        rest = memoryview(data).cast("B")
        while rest:
            self._socket.settimeout(left(self.deadline))
            rest = rest[self._socket.send(rest) :]

    def receive_into(self, buffer: Buffer) -> int:
        """Receive something; return how many bytes."""
        self._socket.settimeout(left(self.deadline))
        return self._socket.recv_into(buffer)

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:  # noqa: ANN401
        """Return what reads from it, which keeps it open."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def release(self) -> None:
        """Note that a reader has ended."""
        self._readers -= 1
        if self._closed and not self._readers:
            self._socket.close()

    def close(self) -> None:
        """Close it once nobody reads from it any more."""
        self._closed = True
        if not self._readers:
            self._socket.close()

    def interrupt(self) -> None:
        """End whatever another thread waits for on it."""
        with suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Close the descriptor of a forked child, and nothing of the parent's.

        At once: later the number may be somebody else's. Nothing is sent.
        """
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)


class _Reader(io.RawIOBase):
    """The bytes that come from a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._stream.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.release()
