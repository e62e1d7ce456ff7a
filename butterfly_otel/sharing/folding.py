"""What outlives a member: its totals, added to those of all that have ended before.

``ended`` tells of each slot which member is in it last, so a process that is killed between writing
it and removing the member's file makes nobody count twice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.records import CorruptError, Ended, Record
from butterfly_otel.sharing.slots import data_name, is_taken, slots_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.directory import Directory

_NAME = "ended"
#: One name is enough: who has the group's lock writes.
_TEMPORARY = "ended.tmp"


def read_ended(directory: Directory) -> Ended:
    """Return what those that have ended leave behind; damage is told once.

    Raises:
        OSError: When it can't be read now.
    """
    found = directory.read(_NAME)
    try:
        return Ended() if found is None else Ended.unpacked(found)
    except CorruptError as error:
        log_once(f"the totals of ended processes in {directory.path} are lost: {error}")
        return Ended()


def read_snapshot(directory: Directory, slot: int) -> Record | None:
    """Return what is stored in a slot; None where there is nothing, or damage, told once.

    Raises:
        OSError: When it can't be read now.
    """
    name = data_name(slot)
    found = directory.read(name)
    try:
        return None if found is None else Record.unpacked(found)
    except CorruptError as error:
        log_once(f"what a process has left in {directory.path / name} is lost: {error}")
        return None


def fold_dead(directory: Directory, content: Content, own: int | None) -> Ended:
    """Add what dead members have left to ``ended`` and remove it; return what is there now.

    Only under the group's lock. Where it can't be read or written, everything stays as it is.

    Args:
        directory: The group's.
        content: What adds.
        own: The slot of this process, which is not dead.

    Raises:
        OSError: When nothing can be read now.
    """
    dead: dict[int, Record | None] = {}
    for slot in slots_with(directory.names(), "data") - {own}:
        if not is_taken(directory, slot):
            with suppress(OSError):
                # Read now, when nobody writes it any more.
                dead[slot] = read_snapshot(directory, slot)
    return fold_into(directory, content, dead)


def fold_into(directory: Directory, content: Content, dead: Mapping[int, Record | None]) -> Ended:
    """Add some snapshots to ``ended`` and remove their files. Only under the group's lock.

    Args:
        directory: The group's.
        content: What adds.
        dead: Snapshots by slot; None for one that is damaged, whose file is removed only.

    Raises:
        OSError: When ``ended`` can't be read now.
    """
    ended = read_ended(directory)
    new = {
        slot: record
        for slot, record in dead.items()
        if record is not None and record.body and not ended.has(slot, record.member)
    }
    if new:
        more = added(ended, new, content)
        try:
            write_ended(directory, more)
        except OSError as error:
            log_once(f"the totals of ended processes can't be kept in {directory.path}: {error}")
            return ended
        ended = more
    for slot in dead:
        directory.remove(data_name(slot))
    return ended


def write_ended(directory: Directory, ended: Ended) -> None:
    """Put it in the place of what was there. Only under the group's lock.

    Raises:
        OSError: When it can't be written; what was there still is.
    """
    directory.write(_TEMPORARY, ended.packed())
    directory.rename(_TEMPORARY, _NAME)


def added(ended: Ended, dead: Mapping[int, Record], content: Content) -> Ended:
    """Return what those that have ended leave behind together with some more."""
    return replace(
        ended,
        generation=ended.generation + 1,
        folded={**ended.folded, **{slot: record.member for slot, record in dead.items()}},
        body=_folded(ended.body, [record.body for record in dead.values()], content),
    )


def _folded(ended: bytes | None, dead: list[bytes], content: Content) -> bytes | None:
    try:
        return content.fold(ended, dead)
    except Exception as error:  # noqa: BLE001 - one that can't be added must not stop the rest
        log_once("what an ended process has measured could not be added", error=error)
    if len(dead) > 1:
        for each in dead:
            ended = _folded(ended, [each], content)
    return ended
