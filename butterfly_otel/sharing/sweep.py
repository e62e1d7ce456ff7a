"""Removing what is left of groups of which nobody will come back."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.sharing.directory import Directory
from butterfly_otel.sharing.family import Process, is_alive
from butterfly_otel.sharing.locks import RecordLock
from butterfly_otel.sharing.place import META, read_meta
from butterfly_otel.sharing.slots import is_taken, slots_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from butterfly_otel.sharing.family import Family
    from butterfly_otel.sharing.place import Place

#: Directories that are looked at in one go.
_MOST: Final = 200
#: Seconds for which nothing may have happened in one that was only begun, or is of another boot.
_BRIEF: Final = 60.0
#: The same where it can't be known whether its root lives.
_LONG: Final = 3600.0
#: What a directory is called while it is removed.
_GOING: Final = ".gone"


def sweep(place: Place) -> None:
    """Remove the directories of groups of this user that have ended, other than this one's."""
    for directory in _siblings(place.home, place.key):
        with suppress(OSError):
            if directory.path.suffix == _GOING or _is_over(directory, place.family):
                _discard_locked(directory)
        directory.close()


def is_served_by_another(place: Place) -> bool:
    """Tell whether another group of this user has a living member and the same port."""
    if place.address is None:
        return False
    found = False
    for directory in _siblings(place.home, place.key):
        with suppress(OSError):
            told = read_meta(directory) or {}
            address = told.get("address")
            same = isinstance(address, list) and address[1:] == [place.address[1]]
            found = found or (same and _has_members(directory))
        directory.close()
    return found


def discard(directory: Directory) -> None:
    """Remove a group's directory; only under its lock. Who comes meanwhile begins a new one."""
    path = directory.path
    if path.suffix != _GOING:
        going = path.with_name(f"{path.name}-{os.getpid()}{_GOING}")
        # From here on nobody comes to it any more who doesn't look where he is.
        path.rename(going)
        path = going
    for name in directory.names():
        directory.remove(name)
    with suppress(OSError):
        path.rmdir()


def has_other_members(directory: Directory, own: int) -> bool:
    """Tell whether anybody but this process is in a group."""
    return any(is_taken(directory, slot) for slot in _slots(directory) - {own})


def _discard_locked(directory: Directory) -> None:
    lock = RecordLock(directory, "group.lock")
    try:
        # Asked again: somebody may just have come.
        if lock.take() and directory.is_linked() and not _has_members(directory):
            discard(directory)
    finally:
        lock.close()


def _is_over(directory: Directory, family: Family) -> bool:
    if _has_members(directory):
        return False
    told = read_meta(directory)
    idle = _idle(directory)
    if told is None or told.get("boot") != family.boot:
        return idle > _BRIEF
    root = _process(told.get("root"))
    if root is None or told.get("namespace") != family.namespace:
        return idle > _LONG
    return not is_alive(root)


def _process(told: Any) -> Process | None:  # noqa: ANN401 - it was read from a file
    try:
        pid, started = told
        return Process(int(pid), int(started))
    except (TypeError, ValueError):
        return None


def _has_members(directory: Directory) -> bool:
    return any(is_taken(directory, slot) for slot in _slots(directory))


def _slots(directory: Directory) -> set[int]:
    names = directory.names()
    return slots_with(names, "lock") | slots_with(names, "data")


def _idle(directory: Directory) -> float:
    """Return the seconds since anything was written, made or removed in it."""
    ages = [directory.age(name) for name in (".", META)]
    return min((age for age in ages if age is not None), default=0.0)


def _siblings(home: Path, own: str) -> Iterator[Directory]:
    with suppress(OSError):
        for path in sorted(home.iterdir())[:_MOST]:
            if path.name != own:
                with suppress(OSError):
                    yield Directory(path)
