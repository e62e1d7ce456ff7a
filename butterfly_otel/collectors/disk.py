"""Disk space of checkpoints, found by walking their directories."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

from butterfly_otel.collectors.source import Reading, UnavailableError
from butterfly_otel.disk import count_io_errors
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CHECKPOINTS = "butterfly_disk_checkpoint_bytes"
_NONE: Mapping[str, str] = {}
#: A walk asks for every file; more often it would be a load of its own.
_LEAST_INTERVAL = 30.0
#: POSIX leaves the unit of st_blocks open; it is this on every system that has it.
_BLOCK = 512

_logger = logging.getLogger("butterfly_otel")


class DiskSource:
    """Adds up the disk space below the directories that hold checkpoints.

    The sum is what ``du`` says: blocks in use, not lengths; each file once, however many links
    it has and however often directories overlap; symbolic links are not followed, except
    that a directory given may be one. What vanishes meanwhile does not count. What may not be
    read makes the whole sum unknown.

    Args:
        directories: Where checkpoints are. One that is not there has none, as long as
            another is.
        interval: Seconds between two walks, 30 or more.

    Raises:
        ConfigurationError: When the interval is shorter.
    """

    name = "disk"
    metrics = (_CHECKPOINTS,)
    #: However often other collectors are to read.
    minimum_interval = _LEAST_INTERVAL

    def __init__(
        self, directories: Sequence[str | os.PathLike[str]], *, interval: float = 60.0
    ) -> None:
        if not interval >= _LEAST_INTERVAL:
            raise ConfigurationError(
                f"the interval of the collector disk is {interval!r}; it must be"
                f" {_LEAST_INTERVAL:g} seconds or more"
            )
        self.interval = interval
        # A walk over millions of files may take its time.
        self.deadline = interval
        self._directories = [os.fspath(each) for each in directories]
        self._missing: set[str] = set()

    def open(self) -> None:
        """See whether there is anything to walk.

        Raises:
            UnavailableError: When no directory is configured, or none is there.
        """
        self._present()

    def read(self) -> Sequence[Reading]:
        """Walk the directories.

        Raises:
            UnavailableError: When none is there, or something in them may not be read.
            OSError: When the disk fails, which is counted as an error in reading it.
        """
        try:
            with count_io_errors("read"):
                return [Reading(_CHECKPOINTS, disk_bytes(self._present()), _NONE)]
        except PermissionError as error:
            raise UnavailableError(f"{error.filename!r} may not be read: {error}") from error

    def close(self) -> None:
        """Do nothing: nothing is held between two walks."""

    def _present(self) -> list[str]:
        if not self._directories:
            raise UnavailableError("no directory of checkpoints is configured (checkpoint_dir)")
        present = [each for each in self._directories if os.path.isdir(each)]  # noqa: PTH112 - never raises
        if not present:
            names = ", ".join(self._directories)
            raise UnavailableError(f"there is no directory of checkpoints: {names}")
        for each in set(self._directories).difference(present, self._missing):
            _logger.warning("the checkpoint_dir %s is not there; it counts as empty", each)
            self._missing.add(each)
        return present


def disk_bytes(directories: Sequence[str]) -> int:
    """Return the disk space of directories and all that is in them.

    Raises:
        OSError: When something in them can't be read.
    """
    walk = _Walk()
    for directory in directories:
        # Resolved, because the walk itself follows no link.
        walk.meet(os.path.realpath(directory))
    while walk.waiting:
        for path in _entries(walk.waiting.pop()):
            walk.meet(path)
    return walk.total


class _Walk:
    """What a walk has met so far.

    Attributes:
        total: Bytes of disk space.
        waiting: Directories yet to be looked into.
    """

    def __init__(self) -> None:
        self.total = 0
        self.waiting: list[str] = []
        self._seen: set[tuple[int, int]] = set()

    def meet(self, path: str) -> None:
        """Add what is at ``path``, unless it was met before or has vanished."""
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        is_directory = stat.S_ISDIR(status.st_mode)
        # Only what can be met again needs to be remembered.
        if is_directory or status.st_nlink != 1:
            identity = status.st_dev, status.st_ino
            if identity in self._seen:
                return
            self._seen.add(identity)
        blocks = getattr(status, "st_blocks", None)  # Windows has no such thing
        self.total += status.st_size if blocks is None else blocks * _BLOCK
        if is_directory:
            self.waiting.append(path)


def _entries(directory: str) -> Iterator[str]:
    """Yield the paths of what is in a directory; nothing when it has vanished."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                yield entry.path
    except (FileNotFoundError, NotADirectoryError):
        return
