"""The places of the members in their directory.

A member has the lowest number that nobody has: ``n.lock``, which it holds for life, ``n.sock``,
where it answers, and ``n.data``, its last snapshot. So there are as many files as there were
members at once, however many there have been.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from butterfly_otel.sharing.locks import RecordLock, is_held

if TYPE_CHECKING:
    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.records import Ended

#: Seconds between two times at which a living member shows that its files are in use.
TOUCH_INTERVAL: Final = 3600.0
_LATELY: Final = 2 * TOUCH_INTERVAL


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a member of this process, held while its lock is open.

    Attributes:
        number: Which one.
        member: Which process it is that has this place, counted from 1.
        lock: What holds it.
    """

    number: int
    member: int
    lock: RecordLock

    @property
    def data(self) -> str:
        """The name of the file with its last snapshot."""
        return data_name(self.number)

    @property
    def socket(self) -> str:
        """The name of the socket where it answers."""
        return socket_name(self.number)


def lock_name(slot: int) -> str:
    """Return the name of the file whose lock says that a slot is taken."""
    return f"{slot}.lock"


def data_name(slot: int) -> str:
    """Return the name of the file with the last snapshot of a slot's member."""
    return f"{slot}.data"


def socket_name(slot: int) -> str:
    """Return the name of the socket where a slot's member answers."""
    return f"{slot}.sock"


def slots_with(names: list[str], ending: str) -> set[int]:
    """Return the slots that have a file with such an ending."""
    found = (name.partition(".") for name in names)
    return {int(number) for number, _, rest in found if rest == ending and number.isdecimal()}


def is_taken(directory: Directory, slot: int) -> bool:
    """Tell whether another process lives that has a slot; not for the own one.

    Where something has removed old files, such as a cleaner of temporary ones, and the lock is
    gone, who has written lately counts as living: it will notice, and take another slot.
    """
    try:
        return is_held(directory, lock_name(slot))
    except FileNotFoundError:
        age = directory.age(data_name(slot))
        return age is not None and age < _LATELY


def take_slot(directory: Directory, ended: Ended) -> Slot:
    """Take the lowest place that is free and has nothing left in it of the one before.

    Raises:
        OSError: When no file can be made.
    """
    number, lock = _lowest_free(directory)
    noted = lock.noted()
    last = int(noted[0]) if noted and noted[0].isdecimal() else 0
    member = max(last, ended.folded.get(number, 0)) + 1
    lock.note(f"{member} {os.getpid()}")
    # What a killed one was writing, and where it answered.
    for name in directory.names():
        head, _, rest = name.partition(".")
        if head == str(number) and rest not in ("lock", "data"):
            directory.remove(name)
    return Slot(number, member, lock)


def _lowest_free(directory: Directory) -> tuple[int, RecordLock]:
    filled = slots_with(directory.names(), "data")
    number = 0
    while True:
        if number not in filled:
            lock = RecordLock(directory, lock_name(number))
            try:
                # Without the group's lock another may have come, gone and left something meanwhile.
                if lock.take() and not directory.has(data_name(number)):
                    return number, lock
            except OSError:
                lock.close()
                raise
            lock.close()
        number += 1
