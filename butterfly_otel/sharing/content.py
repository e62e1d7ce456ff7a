"""What the group carries, of which it knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Content(Protocol):
    """What a member has to say. Called from several threads.

    Only one :meth:`snapshot` is made at a time; :meth:`fold` goes by its arguments alone.
    """

    def snapshot(self) -> bytes:
        """Return all that this process has measured, from its start on."""
        ...

    def fold(self, ended: bytes | None, dead: Sequence[bytes]) -> bytes:
        """Return what outlives some members: totals, and nothing that was true only of them.

        Args:
            ended: What it returned last, if anything.
            dead: The last snapshots of members that have ended since.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """What all members of a group have to say together.

    Attributes:
        ended: What :meth:`Content.fold` made of those that have ended; None where none has.
        members: The snapshots of those that live, the own one among them, by slot.
        late: The slots of those that live and did not answer in time: what is here of them is
            what they stored last.
    """

    ended: bytes | None
    members: dict[int, bytes]
    late: tuple[int, ...] = ()
