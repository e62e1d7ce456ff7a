"""Where the cgroup of this process is, in either version of cgroups.

Sources: cgroups(7) for ``/proc/self/cgroup``, proc_pid_mountinfo(5) for the mounts.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT = Path("/")
_OCTAL = re.compile(r"\\([0-7]{3})")
#: Before the optional fields of a line of mountinfo, and after the ``-`` that ends them.
_FIELDS_BEFORE = 6
_FIELDS_AFTER = 3


class Cgroup(NamedTuple):
    """The cgroup this process is in, as far as this process can see it.

    Attributes:
        directory: Where its files are.
        mount: Top of the hierarchy that can be seen; ``directory`` is in it, or is it.
        version: Version of cgroups, by which the names of the files go.
    """

    directory: Path
    mount: Path
    version: Literal[1, 2]

    def lineage(self) -> Iterator[Path]:
        """Yield the directory and those it is in, up to the mount: limits of all of them hold."""
        directory = self.directory
        yield directory
        while directory != self.mount and self.mount in directory.parents:
            directory = directory.parent
            yield directory


class Mount(NamedTuple):
    """A mounted cgroup hierarchy.

    Attributes:
        root: The cgroup that is seen at ``point``, as ``/proc/self/cgroup`` names it.
        point: Where it is mounted.
        controllers: What a hierarchy of version 1 controls; empty for version 2.
    """

    root: str
    point: str
    controllers: frozenset[str]


def resolve(controller: str, root: Path = _ROOT) -> Cgroup | None:
    """Return the cgroup of this process that has a controller.

    A container may see its own cgroup at the mount, under a name it can't see, or (without a
    namespace of its own) under its full path: each is found.

    Args:
        controller: ``cpu``, ``memory``, …
        root: Directory to read instead of ``/``: ``proc`` and the mounts are looked up in it.

    Returns:
        None where there are no cgroups, or where the controller's are not mounted. With
        version 2 the directory may lack the controller's files: the top has no limits, and
        a controller may be switched off.
    """
    try:
        membership = parse_membership(_read(root / "proc/self/cgroup"))
        mounts = parse_mounts(_read(root / "proc/self/mountinfo"))
    except OSError:
        return None
    # A controller that version 1 has can't be used by version 2 at the same time.
    version: Literal[1, 2] = 1 if controller in membership else 2
    path = membership.get(controller if version == 1 else "")
    if path is None:
        return None
    found = [
        _locate(mount, path, root)
        for mount in mounts
        if (controller in mount.controllers if version == 1 else not mount.controllers)
    ]
    # What is mounted later hides what was mounted before.
    for directory, point in reversed(found):
        if directory is not None:
            return Cgroup(directory, point, version)
    return Cgroup(found[-1][1], found[-1][1], version) if found else None


def parse_membership(text: str) -> Mapping[str, str]:
    """Return the cgroup's path by controller from ``/proc/self/cgroup``; version 2's by ``""``."""
    membership: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - hierarchy, controllers, path
            for controller in parts[1].split(","):
                membership[controller] = parts[2]
    return membership


def parse_mounts(text: str) -> list[Mount]:
    """Return the cgroup hierarchies in ``/proc/self/mountinfo``."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if not separator or len(fields) < _FIELDS_BEFORE or len(source) < _FIELDS_AFTER:
            continue
        root, point = (_unescape(field) for field in fields[3:5])
        if source[0] == "cgroup":
            mounts.append(Mount(root, point, frozenset(source[2].split(","))))
        elif source[0] == "cgroup2":
            mounts.append(Mount(root, point, frozenset()))
    return mounts


def _locate(mount: Mount, path: str, root: Path) -> tuple[Path | None, Path]:
    """Return the directory of the cgroup ``path`` in a mount, if it is there, and the mount."""
    point = root / mount.point.lstrip("/")
    try:
        directory = point / PurePosixPath(path).relative_to(mount.root)
    except ValueError:  # seen from outside its namespace
        return None, point
    # Path.is_dir() may raise where the way there is forbidden.
    there = ".." not in directory.parts and os.path.isdir(directory)  # noqa: PTH112
    return (directory if there else None), point


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _unescape(field: str) -> str:
    """Undo the octal escapes of blanks in mountinfo."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
