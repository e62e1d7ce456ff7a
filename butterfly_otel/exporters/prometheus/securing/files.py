"""Files of keys, users and tokens: read within limits, and looked at for changes."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from time import time
from typing import TYPE_CHECKING, Final, TypeAlias

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

#: When and where a file was last changed; None where there is none.
Mark: TypeAlias = "tuple[int, ...] | None"

_MOST_BYTES: Final = 1 << 20
#: What only the owner may do with a secret.
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
#: What a group may do with a secret of root's.
_GROUP: Final = stat.S_IRGRP
#: Seconds after a change in which another one may have left no trace in a file's times.
_SETTLED: Final = 1.0


class Files:
    """Reads files and remembers what was in them, also of those that could not be read.

    Attributes:
        found: What was in each; nothing of those that could not be read.
        marks: What each looked like before it was read.
    """

    def __init__(self) -> None:
        self.found: dict[Path, bytes] = {}
        self.marks: dict[Path, Mark] = {}

    def read(self, path: Path, setting: str, *, secret: bool = False) -> bytes:
        """Return what is in a file.

        Args:
            path: The file.
            setting: What names it, for errors.
            secret: Whether nobody else may read it.

        Raises:
            ConfigurationError: When it can't be read, is very large, or others may read it.
        """
        # Before it is read: what changes meanwhile is seen the next time.
        self.found[path], self.marks[path] = b"", _mark(path)
        where = f"{setting} is {printable(str(path))!r}"
        try:
            with path.open("rb") as file:
                if secret:
                    _check_private(os.fstat(file.fileno()), where)
                data = file.read(_MOST_BYTES + 1)
        except ConfigurationError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"{where}, which can't be read: {reason}") from error
        if len(data) > _MOST_BYTES:
            raise ConfigurationError(f"{where}, which is larger than {_MOST_BYTES >> 20} MiB")
        self.found[path] = data
        return data


def check_private(path: Path, setting: str) -> None:
    """Raise ConfigurationError where others than the owner may read or change a file."""
    with suppress(OSError):
        _check_private(path.stat(), f"{setting} is {printable(str(path))!r}")


def _check_private(found: os.stat_result, where: str) -> None:
    """Refuse what others may read or change; root's may be read by the group that we are in."""
    if os.name != "posix":
        return
    ours_by_group = found.st_uid == 0 and os.geteuid() != 0
    allowed = _GROUP if ours_by_group else 0
    if found.st_mode & _OTHERS & ~allowed:
        raise ConfigurationError(
            f"{where}, which others may read or change (its mode is"
            f" {stat.S_IMODE(found.st_mode):04o}): let its owner alone read it, by chmod 600"
        )


class Watch:
    """Tells when files may have changed.

    Args:
        marks: What each looked like before it was read.
    """

    def __init__(self, marks: Mapping[Path, Mark]) -> None:
        self._marks = tuple(marks.items())
        newest = max((mark[0] for mark in marks.values() if mark), default=0)
        # A change in the same tick of the file system's clock would go unseen.
        self._settled = newest < (time() - _SETTLED) * 1e9

    def changed(self) -> bool:
        """Whether the files are not for certain what they were."""
        return not self._settled or any(_mark(path) != mark for path, mark in self._marks)


def _mark(path: Path) -> Mark:
    try:
        # Through links: Kubernetes changes a secret by another target of one.
        found = os.stat(path)  # noqa: PTH116 - a third of the time, at each request
    except (OSError, ValueError):
        return None
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


@contextmanager
def as_file(data: bytes) -> Generator[str, None, None]:
    """Yield the path of a file that holds ``data`` meanwhile, and that nobody else can read.

    The ssl module reads keys from files alone; so what it reads is what was checked.
    """
    create = getattr(os, "memfd_create", None)
    descriptor = -1 if create is None else create("butterfly-otel")
    path = f"/proc/self/fd/{descriptor}"
    try:
        if descriptor >= 0 and os.access(path, os.R_OK):
            _write(descriptor, data)
            yield path
            return
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    descriptor, path = tempfile.mkstemp(prefix="butterfly-otel-")
    try:
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)
        yield path
    finally:
        os.unlink(path)  # noqa: PTH108 - as mkstemp() gives it


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
