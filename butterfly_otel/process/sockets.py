"""Sockets and selectors for the thread that asks for them; see :mod:`.threads`."""

from __future__ import annotations

import _socket
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.process import threads

if TYPE_CHECKING:
    from collections.abc import Callable

_Socket: Final = socket.socket
_Selector: Final = selectors.DefaultSelector
_getaddrinfo: Final = socket.getaddrinfo


def new(family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a new socket.

    Raises:
        OSError: When there can be none.
    """
    return (_Socket if threads.keeps() else socket.socket)(family, kind)


def opened(descriptor: int, like: socket.socket | None = None) -> socket.socket:
    """Return the socket that a descriptor is; of the family, kind and protocol of another."""
    made = _Socket if threads.keeps() else socket.socket
    if like is None:
        return made(fileno=descriptor)
    return made(like.family, like.type, like.proto, fileno=descriptor)


def duplicate(of: socket.socket) -> socket.socket:
    """Return a duplicate of a socket, whatever thread it was made for.

    Raises:
        OSError: When there can be none.
    """
    descriptor = os.dup(of.fileno()) if threads.keeps() else -1
    return of.dup() if descriptor < 0 else opened(descriptor, of)


def accept(listener: Any) -> tuple[socket.socket, Any]:  # noqa: ANN401 - a socket
    """Accept a connection, which may block or not; return it and where it comes from.

    Raises:
        OSError: When there is none.
    """
    if not threads.keeps():
        connection, address = listener.accept()
        return connection, address
    # What socket.accept() does, but for the class that it looks up at this moment.
    descriptor, address = listener._accept()  # noqa: SLF001
    return opened(descriptor, listener), address


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected.

    Raises:
        OSError: When there can be none.
    """
    if not threads.keeps() or not hasattr(_socket, "socketpair"):
        return socket.socketpair()
    one, other = _socket.socketpair()
    return opened(one.detach()), opened(other.detach())


def selector() -> selectors.BaseSelector:
    """Return a selector of the best kind there is."""
    return (_Selector if threads.keeps() else selectors.DefaultSelector)()


def lookup() -> Callable[..., list[Any]]:
    """Return what finds the addresses of a name: :func:`socket.getaddrinfo`."""
    return _getaddrinfo if threads.keeps() else socket.getaddrinfo
