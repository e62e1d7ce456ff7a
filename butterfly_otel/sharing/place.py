"""Where a group's files are: a directory of its owner's alone, on this machine.

``<base>/butterfly-otel-<uid>/<key>/``: a group is found by its key alone, so nothing has to be
handed from process to process.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.sharing.directory import Directory
from butterfly_otel.sharing.locks import HAS_LOCKS, RecordLock
from butterfly_otel.sharing.mounts import network_file_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.sharing.family import Family

#: The file that tells other groups whose directory it is.
META: Final = "meta"
_VERSION: Final = 1
_BASES: Final = ("$XDG_RUNTIME_DIR", "$TMPDIR", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
#: Bytes that must fit at the start: about what a small process has to say.
_PROBE: Final = 16_384
_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group's files are; made by :func:`find_place`.

    Attributes:
        family: Whose group it is.
        key: The name of its directory.
        address: Where the group serves, as host and port; None where it does not.
        home: The directory of all groups of this user.
    """

    family: Family
    key: str
    address: tuple[str, int] | None
    home: Path

    @property
    def path(self) -> Path:
        """The group's directory."""
        return self.home / self.key

    def open(self) -> Directory:
        """Return the group's directory, made where it is missing.

        Raises:
            OSError: When it can't be made, or is not ours alone.
        """
        _own(self.home)
        _own(self.path)
        return Directory(self.path)

    def describe(self) -> bytes:
        """Return what other groups may want to know: the content of ``meta``."""
        root = self.family.root
        return json.dumps(
            {
                "version": _VERSION,
                "root": None if root is None else [root.pid, root.started],
                "name": self.family.name,
                "boot": self.family.boot,
                "namespace": self.family.namespace,
                "address": self.address,
            }
        ).encode()


def find_place(
    family: Family,
    identity: Sequence[object],
    address: tuple[str, int] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Place:
    """Return where the processes of a family with the same identity have their files.

    Args:
        family: The family of this process.
        identity: What must be the same besides, such as the node's name and its role.
        address: Host and port that the group serves on; part of the identity.
        directory: In which directory; by default in the first of those for temporary files.

    Raises:
        ConfigurationError: When no directory can be used, or the one that was named can't.
    """
    if not HAS_LOCKS:
        raise ConfigurationError(
            "processes='shared' was set by processes or BUTTERFLY_OTEL_PROCESSES, and this system"
            " can't hand a port from process to process; leave it out and give each process a port"
        )
    key = family.key(*identity, address)
    bases = _bases() if directory is None else [Path(directory)]
    # The application may change its directory afterwards, as a daemon does.
    bases = [base.absolute() for base in bases]
    places = [Place(family, key, address, base / f"butterfly-otel-{family.uid}") for base in bases]
    reasons: list[str] = []
    # Where the others are already, be it full or read-only by now.
    for place in sorted(places, key=lambda each: not (each.path / META).exists()):
        try:
            _try(place)
        except OSError as error:  # noqa: PERF203 - there are five at most
            reasons.append(f"{place.home.parent}: {error.strerror or error}")
        else:
            return place
    raise ConfigurationError(
        "processes='shared' needs a directory on this machine that its processes can write to,"
        f" and there is none ({'; '.join(reasons)}); name one by processes_directory or"
        " BUTTERFLY_OTEL_PROCESSES_DIRECTORY"
    )


def read_meta(directory: Directory) -> dict[str, Any] | None:
    """Return what a group told of itself; None where it is not to be read."""
    with suppress(OSError, ValueError):
        told = json.loads(directory.read(META) or b"")
        if isinstance(told, dict):
            return told  # pyright: ignore[reportUnknownVariableType]
    return None


def _bases() -> list[Path]:
    found = (os.environ.get(base[1:], "") if base[0] == "$" else base for base in _BASES)
    return [Path(each) for each in dict.fromkeys(found) if each and Path(each).is_dir()]


def _try(place: Place) -> None:
    """Try all that a group does in its directory, where it is the first one there."""
    base = place.home.parent
    if (kind := network_file_system(base)) is not None:
        raise OSError(f"it is on a network file system ({kind})")
    if not base.is_dir():
        raise OSError("there is no such directory")
    directory = place.open()
    try:
        if directory.has(META):
            return
        name = f"probe-{os.getpid()}"
        try:
            directory.write(name, b"\0" * _PROBE)
            _try_lock(directory, name)
            directory.remove(name)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.bind(directory.socket_address(name))
        finally:
            directory.remove(name)
    finally:
        directory.close()


def _try_lock(directory: Directory, name: str) -> None:
    lock = RecordLock(directory, name)
    try:
        lock.take()
    finally:
        lock.close()


def _own(path: Path) -> None:
    """Make a directory that only its owner can enter, or find it as such."""
    with suppress(FileExistsError):
        path.mkdir(_PRIVATE)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(f"{path} is not a directory")
    if found.st_uid != os.geteuid():
        raise OSError(f"{path} is another user's")
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        # A strange umask, or somebody has opened it.
        path.chmod(_PRIVATE)
