"""Opening listening sockets."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from butterfly_otel.process import sockets

_LAST_PORT = 65_535
_BACKLOG = 128
#: As bytes these do not go through the codec of international names, which is a lot to import.
_USUAL = {"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"}  # noqa: S104 - nobody binds here
#: What an address family that this machine merely lacks answers.
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that ``host`` stands for, all on the same port.

    ``localhost`` is 127.0.0.1 and ::1 at once, so that scrapers reach it by either; an
    address family that this machine lacks is left out as long as there is another one.

    Args:
        host: A name or an address; empty for all interfaces.
        port: A port; 0 takes a free one.

    Raises:
        OSError: When the host is unknown, the port is taken, forbidden or no port at all.
    """
    if not 0 <= port <= _LAST_PORT:
        raise OSError(errno.EINVAL, f"a port is a number from 0 to {_LAST_PORT}")
    name = host.encode() if host in _USUAL else host or None
    found = sockets.lookup()(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    listeners: list[socket.socket] = []
    failures: list[OSError] = []
    chosen = port
    for family, address in addresses:
        try:
            listener = _open(family, (address[0], chosen, *address[2:]), alone=len(addresses) == 1)
        except OSError as error:
            failures.append(error)
            continue
        listeners.append(listener)
        chosen = listener.getsockname()[1]
    serious = [error for error in failures if error.errno not in _ABSENT]
    # A port that was picked freely may be taken in the other family; that is nobody's fault.
    if not listeners or (serious and port != 0):
        for listener in listeners:
            listener.close()
        raise (serious or failures)[0]
    return listeners


def _open(family: int, address: tuple[Any, ...], *, alone: bool) -> socket.socket:
    listener = sockets.new(family)
    try:
        if os.name != "nt":
            # On Windows this option would let two servers share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" by itself means IPv4 as well; beside an IPv4 socket it must not.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if alone else 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except BaseException:
        listener.close()
        raise
    return listener
