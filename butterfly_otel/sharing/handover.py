"""Handing the listening sockets from member to member, so that no connection is refused.

A duplicate shares the queue of those who wait to be accepted: it is there until the last of them
is closed.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import sockets
from butterfly_otel.sharing.asking import LISTENERS
from butterfly_otel.sharing.slots import slots_with, socket_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.sharing.directory import Directory

#: Addresses that one name stands for at most.
_MOST: Final = 16
#: Seconds that one member gets.
_PATIENCE: Final = 0.5


def answer(listeners: Sequence[socket.socket]) -> tuple[bytes, list[int]]:
    """Return what to send who asks for the sockets: a byte that says how many, and they."""
    descriptors = [each.fileno() for each in listeners[:_MOST]]
    return bytes([len(descriptors)]), descriptors


def ask_for_listeners(
    directory: Directory, own: int | None, deadline: float
) -> list[socket.socket]:
    """Return duplicates of the listening sockets that another member has; none where none has."""
    for slot in sorted(slots_with(directory.names(), "sock") - {own}):
        left = deadline - monotonic()
        if left <= 0:
            break
        with suppress(OSError):
            if found := _ask(directory.socket_address(socket_name(slot)), min(left, _PATIENCE)):
                return found
    return []


def close_all(listeners: Sequence[socket.socket]) -> None:
    """Close one's own duplicates; those of others stay as they are."""
    for each in listeners:
        with suppress(OSError):
            each.close()


def _ask(address: str, timeout: float) -> list[socket.socket]:
    with sockets.new(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        connection.send(LISTENERS)
        said, descriptors, _, _ = socket.recv_fds(
            connection, 1, _MOST, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
    made: list[socket.socket] = []
    for each in descriptors:
        os.set_inheritable(each, False)  # noqa: FBT003 - the function's own signature
        made.append(sockets.opened(each))
    if not said or len(made) != said[0]:
        # Out of descriptors: some is not all.
        close_all(made)
        return []
    return made
