"""POSIX record locks: the kernel frees them when their process dies, however it does.

A forked child has none of its parent's. A process that closes *any* descriptor of a file loses the
locks it has on it, so none of ours opens a file that it has a lock on a second time.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import forks, threads

if TYPE_CHECKING:
    import fcntl
    from collections.abc import Generator

    from butterfly_otel.sharing.directory import Directory
else:
    try:
        import fcntl
    except ImportError:  # Windows, where nothing of this room is used
        fcntl = None

#: Whether this system has what this room is built on.
HAS_LOCKS: Final = sys.platform != "win32"
_TAKEN: Final = {errno.EACCES, errno.EAGAIN}
#: ``struct flock`` of the C library: type, whence, start, length and process, in its order.
_LINUX: Final = sys.platform == "linux"
_FLOCK: Final = "@hhqqi4x" if _LINUX else "@qqihhi"
#: Seconds between two attempts, at first and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02


class RecordLock:
    """A lock on a file, for the life of the process or shorter. Not for two threads at once.

    Raises:
        OSError: When the file can't be opened or made.
    """

    def __init__(self, directory: Directory, name: str) -> None:
        self.fd = directory.open(name, write=True)

    def take(self) -> bool:
        """Take the lock, unless another process has it.

        Raises:
            OSError: When the file system has no locks.
        """
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def drop(self) -> None:
        """Give the lock back."""
        fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock back, if it is ours, and close the file; only once."""
        os.close(self.fd)

    def note(self, text: str) -> None:
        """Write down a short line in the file; harmless where that fails."""
        with suppress(OSError):
            # Over what was there: it needs no room that isn't taken already.
            os.pwrite(self.fd, f"{text:<31}\n".encode(), 0)

    def noted(self) -> list[str]:
        """Return the words written down last, by whomever."""
        try:
            return os.pread(self.fd, 256, 0).decode("ascii", "replace").split()
        except OSError:
            return []


def is_held(directory: Directory, name: str) -> bool:
    """Tell whether another process has the lock on a file.

    Asks and takes nothing. Not for a file that this process has a lock on: it would lose it.
    Where that can't be found out now, such as without a free descriptor, it counts as held.

    Raises:
        FileNotFoundError: When there is no such file.
    """
    try:
        own = directory.open(name)
    except FileNotFoundError:
        raise
    except OSError:
        return True
    try:
        return _holder(own)
    except OSError:
        return True
    finally:
        os.close(own)


def _holder(fd: int) -> bool:
    asked = (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    if not _LINUX:
        asked = (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET, 0)  # type: ignore[assignment]
    told = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_FLOCK, *asked)))
    return bool(told[0 if _LINUX else 3] != fcntl.F_UNLCK)


class GroupLock:
    """The lock of a whole directory: one thread of one process has it. Thread-safe.

    It is waited for, never longer than said: who has it may have been stopped.
    """

    def __init__(self, directory: Directory) -> None:
        self._file = RecordLock(directory, "group.lock")
        self._threads = forks.lock()
        self._entered = False

    def close(self) -> None:
        """Close its file; only once, and not while it is held."""
        self._file.close()

    @contextmanager
    def held(self, deadline: float) -> Generator[bool]:
        """Hold it, if it can be had before a time of the monotonic clock; tells whether so."""
        if not self._threads.acquire(timeout=max(0.0, deadline - monotonic())):
            yield False
            return
        try:
            # A signal handler came while this very thread has it: what it does is half done.
            if self._entered or not self._wait(deadline):
                yield False
                return
            self._entered = True
            try:
                yield True
            finally:
                self._entered = False
                self._file.drop()
        finally:
            self._threads.release()

    def _wait(self, deadline: float) -> bool:
        pause = _FIRST_PAUSE
        while not self._file.take():
            left = deadline - monotonic()
            if left <= 0:
                return False
            threads.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
        return True
