"""How many of the packets sent lately were lost."""

from __future__ import annotations

from typing import NamedTuple

#: Seconds a packet counts: a share over a connection's whole life would hide today's losses.
WINDOW = 60.0
_PART = 10.0


class Losses(NamedTuple):
    """Packets sent within the window, and those of them that were declared lost."""

    sent: int
    lost: int


class LossWindow:
    """Counts packets by when they were sent, so that a loss counts where its packet does.

    The share is exact and never above 1, however late losses are found. Times are seconds of
    any clock that only moves forward. Not thread-safe.
    """

    def __init__(self) -> None:
        self._parts: dict[int, list[int]] = {}

    def sent(self, at: float) -> None:
        """Count a packet sent at this time."""
        part = self._parts.get(int(at // _PART))
        if part is None:
            self._drop_before(at - WINDOW)
            part = self._parts[int(at // _PART)] = [0, 0]
        part[0] += 1

    def lost(self, at: float) -> None:
        """Count the loss of a packet that was sent at this time."""
        part = self._parts.get(int(at // _PART))
        if part is not None:
            part[1] += 1

    def losses(self, now: float) -> Losses:
        """Return the sums over the window, which is between 60 and 70 seconds long."""
        self._drop_before(now - WINDOW)
        parts = self._parts.values()
        return Losses(sum(part[0] for part in parts), sum(part[1] for part in parts))

    def _drop_before(self, time: float) -> None:
        oldest = int(time // _PART)
        for part in [each for each in self._parts if each < oldest]:
            del self._parts[part]
