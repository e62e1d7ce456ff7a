"""What requests arrive by and answers leave by: a connection as it is, or with TLS around it."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from io import BufferedReader

#: Seconds in which a client that is not read to the end may still send the rest: closing before
#: that could cost it what it was told.
_LINGER: Final = 0.5
#: Bytes of that.
_LONGEST: Final = 65_536


class Stream(Protocol):
    """One connection, both ways; used by one thread at a time."""

    def reader(self) -> BufferedReader:
        """Return what the client sends; to be asked for once."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        ...

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        ...


class Transport(Protocol):
    """Makes streams of connections. Thread-safe."""

    @property
    def scheme(self) -> str:
        """How URLs begin: ``http`` or ``https``."""
        ...

    def open(self, connection: socket.socket, client: str) -> Stream:
        """Return the stream of a new connection, after the handshake where there is one.

        It takes as long as the client takes: whoever calls ends the connection when that is
        too long.

        Args:
            connection: The connection, which stays the caller's to close.
            client: The address of who has connected.

        Raises:
            OSError: When the client goes away, or is refused.
        """
        ...


class PlainStream:
    """A connection as it is."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def reader(self) -> BufferedReader:
        """Return what the client sends."""
        return self._connection.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._connection.sendall(data)

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self._connection.shutdown(socket.SHUT_WR)


class Plain:
    """Connections as they are."""

    scheme = "http"

    def open(self, connection: socket.socket, client: str) -> PlainStream:  # noqa: ARG002
        """Return the stream of a connection."""
        return PlainStream(connection)


def source_of(client: str) -> str:
    """Return what counts as one client: an address; of IPv6 the network, which one host has."""
    if ":" not in client:
        return client
    with suppress(OSError, ValueError):
        address = socket.inet_pton(socket.AF_INET6, client.partition("%")[0])
        if address[:12] == b"\0" * 10 + b"\xff\xff":
            # An IPv4 client of a socket for both.
            return socket.inet_ntop(socket.AF_INET, address[12:])
        return socket.inet_ntop(socket.AF_INET6, address[:8] + b"\0" * 8) + "/64"
    return client


def linger(connection: socket.socket) -> None:
    """Take in what a client is still sending, for a moment, so that it reads what it was told.

    Raises:
        OSError: When the client goes away, or takes too long.
    """
    connection.settimeout(_LINGER)
    left = _LONGEST
    while left > 0 and (found := connection.recv(left)):
        left -= len(found)
