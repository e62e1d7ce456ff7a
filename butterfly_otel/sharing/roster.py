"""Who the members of a group are, for people."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from butterfly_otel.sharing.slots import lock_name

if TYPE_CHECKING:
    from butterfly_otel.sharing.content import Gathered
    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.life import Life


class Member(NamedTuple):
    """A process of a group, as far as another one knows.

    Attributes:
        slot: Its place.
        pid: Its number, where that is known.
        late: Whether it did not answer in time when it was asked last.
        leads: Whether it serves, reads the hardware and pushes for all; None where that is not
            known.
    """

    slot: int
    pid: int | None
    late: bool
    leads: bool | None


def roster(last: Gathered, life: Life | None) -> tuple[Member, ...]:
    """Return who told something last.

    Args:
        last: What was told.
        life: This process' own part, which must not change meanwhile; None where that can't be
            promised.
    """
    if life is None:
        return tuple(Member(each, None, each in last.late, None) for each in sorted(last.members))
    own, leading = life.membership.slot.number, life.leader.leading
    return tuple(
        Member(
            each,
            os.getpid() if each == own else _pid(life.membership.directory, each),
            each in last.late,
            # Where this one does not lead, nothing here tells which of the others does.
            leading if each == own else False if leading else None,
        )
        for each in sorted(last.members)
    )


def _pid(directory: Directory, slot: int) -> int | None:
    """Return what another member has written down; not for the own slot, which it would lose."""
    with suppress(OSError):
        noted = (directory.read(lock_name(slot)) or b"").split()
        if len(noted) > 1 and noted[1].isdigit():
            return int(noted[1])
    return None
