"""Time-to-live: series that nobody has measured for so long are left out.

Looked at when metrics are collected, so that measuring costs nothing more: a series whose
state is that of the collection before has not been measured since. Only a gauge may be set to
what it was already; its cells keep a mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.cells import Cell, LastValueCell

if TYPE_CHECKING:
    from collections.abc import Iterable


class MarkedLastValueCell(LastValueCell):
    """A last value that knows whether it was set since it was last asked."""

    __slots__ = ("marked",)

    marked: bool

    def reset(self) -> None:
        """Start from nothing."""
        super().reset()
        self.marked = False

    def record(self, amount: float) -> None:
        """Set the value."""
        self.marked = True
        super().record(amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        self.marked = True
        super().update(amount)


class Expiry:
    """Finds the cells of one stream that have not been measured for a time. Not thread-safe.

    Args:
        time_to_live: Seconds.
    """

    def __init__(self, time_to_live: float) -> None:
        self._time_to_live = time_to_live
        # The state a cell was last seen to change to, and when.
        self._seen: dict[Cell, tuple[Any, float]] = {}

    def expired(self, cells: Iterable[Cell], now: float) -> list[Cell]:
        """Return the cells that have not been measured for longer than the time-to-live.

        Args:
            cells: All live cells.
            now: Monotonic seconds: a clock that is set must end no series.
        """
        seen: dict[Cell, tuple[Any, float]] = {}
        gone: list[Cell] = []
        for cell in cells:
            state = cell.state()
            known = self._seen.get(cell)
            # Asked in any case: it forgets.
            if _marked(cell) or known is None or known[0] != state:
                seen[cell] = state, now
            elif now - known[1] > self._time_to_live:
                gone.append(cell)
            else:
                seen[cell] = known
        self._seen = seen
        return gone


def _marked(cell: Cell) -> bool:
    if not isinstance(cell, MarkedLastValueCell):
        return False
    marked, cell.marked = cell.marked, False
    return marked
