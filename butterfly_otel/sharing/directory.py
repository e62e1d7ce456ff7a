"""A directory that is held open: what is done in it is done there, whatever becomes of its path."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes that the path of a unix socket may have; 104 with its end on BSDs, 108 on Linux.
_LONGEST: Final = 100
#: What no descriptor is, nor a special one.
_CLOSED: Final = -1
_READ_ONLY: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_WRITE: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Directory:
    """An open directory. Thread-safe; a forked child may use it as well.

    Args:
        path: Where it is; no symbolic link.

    Raises:
        OSError: When there is no such directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, _READ_ONLY | getattr(os, "O_DIRECTORY", 0))

    def close(self) -> None:
        """Let go of it; what is done afterwards raises OSError. Harmless when done twice."""
        # The number may be that of another file at once.
        fd, self.fd = self.fd, _CLOSED
        if fd != _CLOSED:
            os.close(fd)

    def is_linked(self) -> bool:
        """Tell whether its path still leads to it."""
        try:
            found, held = self.path.lstat(), os.fstat(self.fd)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def names(self) -> list[str]:
        """Return what is in it.

        Raises:
            OSError: When it can't be read.
        """
        # Not by `fd`: the place where a listing has got to belongs to all that share one.
        own = os.open(".", _READ_ONLY, dir_fd=self.fd)
        try:
            return os.listdir(own)  # noqa: PTH208 - it is no path
        finally:
            os.close(own)

    def open(self, name: str, *, write: bool = False) -> int:
        """Open a file, and make it where it is to be written.

        Raises:
            OSError: When it can't be opened.
        """
        return os.open(name, _WRITE if write else _READ_ONLY, 0o600, dir_fd=self.fd)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none.

        Raises:
            OSError: When it can't be read.
        """
        try:
            own = self.open(name)
        except FileNotFoundError:
            return None
        with open(own, "rb") as file:  # noqa: PTH123 - it is open already
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a new file.

        Raises:
            OSError: When it can't be written; what there is of it is gone again.
        """
        own = os.open(name, _WRITE | os.O_TRUNC, 0o600, dir_fd=self.fd)
        try:
            with open(own, "wb") as file:  # noqa: PTH123 - it is open already
                file.write(content)
        except OSError:
            self.remove(name)
            raise

    def rename(self, name: str, to: str) -> None:
        """Put a file in the place of another.

        Raises:
            OSError: When that can't be done.
        """
        os.replace(name, to, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there and can be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.fd)

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return self.identity(name) is not None

    def identity(self, name: str) -> tuple[int, int] | None:
        """Return what no other file has while it is there; None where it isn't."""
        try:
            found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def age(self, name: str) -> float | None:
        """Return the seconds since a file was written; None where it isn't there."""
        try:
            found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return None
        return time.time() - found.st_mtime

    def touch(self, name: str) -> None:
        """Show that a file is in use, to who removes old ones."""
        with suppress(OSError):
            os.utime(name, dir_fd=self.fd, follow_symlinks=False)

    def socket_address(self, name: str) -> str:
        """Return the address of a unix socket in it, short enough for one."""
        plain = str(self.path / name)
        if len(os.fsencode(plain)) <= _LONGEST:
            return plain
        return f"/proc/self/fd/{self.fd}/{name}"
