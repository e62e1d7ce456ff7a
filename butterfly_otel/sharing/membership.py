"""One stay of a process in its group: from taking a slot to giving it back."""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.sharing import handover
from butterfly_otel.sharing.asking import LISTENERS, ask
from butterfly_otel.sharing.content import Gathered
from butterfly_otel.sharing.doorbell import Doorbell
from butterfly_otel.sharing.family import is_alive
from butterfly_otel.sharing.folding import (
    added,
    fold_dead,
    fold_into,
    read_ended,
    read_snapshot,
    write_ended,
)
from butterfly_otel.sharing.locks import GroupLock
from butterfly_otel.sharing.place import META
from butterfly_otel.sharing.records import Ended, Record
from butterfly_otel.sharing.slots import is_taken, lock_name, slots_with, take_slot
from butterfly_otel.sharing.store import Store
from butterfly_otel.sharing.sweep import discard, has_other_members

if TYPE_CHECKING:
    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.place import Place
    from butterfly_otel.sharing.port import Port
    from butterfly_otel.sharing.slots import Slot

#: Seconds that a scrape waits for the group's lock: without it, it adds the dead by itself.
_FOLDING: Final = 0.2
#: How often a directory is begun that somebody removes at the same time.
_ATTEMPTS: Final = 20


class Membership:
    """A member of a group; made by :func:`enter`. Thread-safe.

    Attributes:
        directory: The group's.
        slot: The member's place.
        store: Its snapshots.
    """

    def __init__(
        self, place: Place, content: Content, port: Port, directory: Directory, lock: GroupLock
    ) -> None:
        self.directory = directory
        self.slot: Slot
        self.store: Store
        self._place = place
        self._content = content
        self._port = port
        self._lock = lock
        self._doorbell: Doorbell
        # The last that was seen of it, for when it can't be read.
        self.ended = Ended()

    def is_current(self) -> bool:
        """Tell whether its files are where the others look for them."""
        held = os.fstat(self.slot.lock.fd)
        return (
            self.directory.identity(lock_name(self.slot.number)) == (held.st_dev, held.st_ino)
            and self.directory.has(self.slot.socket)
            and self.directory.is_linked()
        )

    def touch(self) -> None:
        """Show that the files are in use, to who removes old ones."""
        for name in (META, "ended", "group.lock", "leader.lock", ".", self.slot.socket):
            self.directory.touch(name)
        self.directory.touch(lock_name(self.slot.number))
        self.directory.touch(self.slot.data)

    def gather(self, deadline: float) -> Gathered:
        """Return what all members say now; see :meth:`Group.gather`.

        What the ended have left is read last: it tells which of the others are in it by then.
        """
        number = self.slot.number
        own = self.store.refresh()
        names = self.directory.names()
        answers = ask(self.directory, slots_with(names, "sock") - {number}, deadline)
        living = dict(answers.given)
        dead: dict[int, Record] = {}
        late: list[int] = []
        unanswered = slots_with(names, "sock") | slots_with(names, "data")
        for slot in sorted(unanswered - {number, *living}):
            # Asked first: what is read of a dead one afterwards is its last word.
            taken = is_taken(self.directory, slot)
            if taken and slot in answers.silent:
                late.append(slot)
            if (record := read_snapshot(self.directory, slot)) is not None:
                (living if taken else dead)[slot] = record
        ended = self._fold(deadline) if dead else read_ended(self.directory)
        left = {slot: each for slot, each in dead.items() if not ended.has(slot, each.member)}
        self.ended = ended
        if left:
            ended = added(ended, left, self._content)
        living = {s: each for s, each in living.items() if not ended.has(s, each.member)}
        said = {number: own, **{slot: each.body for slot, each in living.items()}}
        # Who has nothing to say could not collect what it has measured, ever.
        members = {slot: body for slot, body in sorted(said.items()) if body}
        return Gathered(ended.body, members, tuple(late))

    def leave(self, timeout: float) -> None:
        """Give the slot back, and the totals to the group, within so many seconds; only once."""
        deadline = monotonic() + timeout
        # From when it answers no more until it is stored again, this is what is told of it.
        self.store.refresh()
        self._doorbell.close(timeout / 2)
        last = self.store.refresh()
        self.store.close()
        with self._lock.held(deadline) as held:
            if held:
                # Else it is stored, and the next one to look adds it.
                with suppress(OSError):
                    record = Record(self.slot.member, last)
                    fold_into(self.directory, self._content, {self.slot.number: record})
                    self.directory.remove(self.slot.socket)
                    if self._is_last():
                        discard(self.directory)
        self.close()

    def close(self) -> None:
        """Let go of all files; only once."""
        self.slot.lock.close()
        self._lock.close()
        self.directory.close()

    def abandon(self) -> None:
        """Let go, in a forked child, of what is its parent's."""
        self._doorbell.abandon()
        self.close()

    def withdraw(self) -> None:
        """Give up a slot whose files somebody has touched, to take another one; only once."""
        self._doorbell.close(_FOLDING)
        self.store.close()
        with self._lock.held(monotonic() + _FOLDING):
            # What is in there will be in the new one; unless it is another's, who was there first.
            if self.store.owns_file():
                self.directory.remove(self.slot.data)
        self.close()

    def count(self) -> int:
        """Return how many members can be asked, this one among them."""
        try:
            return len(slots_with(self.directory.names(), "sock"))
        except OSError:
            return 0

    def take_over(self, before: Membership) -> None:
        """Put what is known of the ended where it is missing, for a directory that was removed."""
        with self._lock.held(monotonic() + _FOLDING) as held, suppress(OSError):
            ended = read_ended(self.directory)
            if held and before.ended.generation > ended.generation:
                # Slots begin anew, so none is in it.
                write_ended(
                    self.directory, Ended(before.ended.generation, ended.folded, before.ended.body)
                )

    def _fold(self, deadline: float) -> Ended:
        with self._lock.held(min(deadline, monotonic() + _FOLDING)) as held:
            if held:
                return fold_dead(self.directory, self._content, self.slot.number)
        return read_ended(self.directory)

    def _is_last(self) -> bool:
        root = self._place.family.root
        if root is None or has_other_members(self.directory, self.slot.number):
            return False
        return root.pid == os.getpid() or not is_alive(root)

    def settle(self, *, held: bool) -> None:
        """Take a place and answer there.

        Raises:
            OSError: When that can't be done.
        """
        if not self.directory.has(META):
            self.directory.write("meta.tmp", self._place.describe())
            self.directory.rename("meta.tmp", META)
        self.ended = (
            fold_dead(self.directory, self._content, None) if held else read_ended(self.directory)
        )
        self.slot = take_slot(self.directory, self.ended)
        try:
            self.store = Store(self.directory, self.slot, self._content)
            self._doorbell = Doorbell(self.directory, self.slot.socket, self._answer)
        except BaseException:
            self.slot.lock.close()
            raise

    def _answer(self, question: bytes) -> tuple[bytes, list[int]]:
        if question == LISTENERS:
            return handover.answer(self._port.listeners)
        return Record(self.slot.member, self.store.refresh()).packed(), []


def enter(place: Place, content: Content, port: Port, deadline: float) -> Membership:
    """Become a member of the group that has a place.

    Args:
        place: Where its files are.
        content: What this process has to say.
        port: The sockets that it may be asked for.
        deadline: Until when, by the monotonic clock, the group's lock is waited for.

    Raises:
        OSError: When that can't be done.
    """
    for _ in range(_ATTEMPTS):
        directory = place.open()
        try:
            lock = GroupLock(directory)
        except BaseException:
            directory.close()
            raise
        member = Membership(place, content, port, directory, lock)
        try:
            with lock.held(deadline) as held:
                if directory.is_linked():
                    member.settle(held=held)
                    return member
        except BaseException:
            lock.close()
            directory.close()
            raise
        # Whoever was the last one of the group has removed it at this moment.
        lock.close()
        directory.close()
    raise OSError(f"{place.path} is removed again and again")
