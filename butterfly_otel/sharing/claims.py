"""Noticing that two processes of one family serve the same node, each with its own measurements.

A claim is a name that one process at a time can have, and that goes when it dies.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.process import forks
from butterfly_otel.sharing.directory import Directory
from butterfly_otel.sharing.locks import HAS_LOCKS, RecordLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.sharing.family import Family


class Claim:
    """What one process has and no other; made by :func:`claim`. Not inherited by its children."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close: Callable[[], None] | None = close
        forks.call_in_child(self.release)

    def release(self) -> None:
        """Let another process have it; harmless when done twice."""
        close, self._close = self._close, None
        if close is not None:
            with suppress(OSError):
                close()


def claim(family: Family, *identity: object) -> Claim | None:
    """Claim what the processes of a family serve, such as a node; None where another one has it.

    Where it can't be known, the claim is granted. Takes no file on Linux.

    Args:
        family: The family of this process.
        identity: What is served: one process at a time can claim it.
    """
    key = family.key("claim", *identity)
    with suppress(OSError):
        if sys.platform == "linux":
            return _by_name(f"\0butterfly-otel-{family.uid}-{key}")
        if HAS_LOCKS:
            return _by_file(Path(tempfile.gettempdir()) / f"butterfly-otel-{family.uid}", key)
    return Claim(lambda: None)


def _by_name(name: str) -> Claim | None:
    """Take a name that only sockets have; the kernel forgets it with them."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        own.bind(name)
    except OSError as error:
        own.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return Claim(own.close)


def _by_file(home: Path, key: str) -> Claim | None:
    home.mkdir(0o700, exist_ok=True)
    directory = Directory(home)
    try:
        if os.fstat(directory.fd).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it is another user's")
        lock = RecordLock(directory, f"{key}.claim")
    finally:
        directory.close()
    if lock.take():
        return Claim(lock.close)
    lock.close()
    return None
