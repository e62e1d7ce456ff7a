"""Cells of histograms: buckets and a sum, with or without the extremes."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.engine.cells import Cell
from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.engine.cells import Home

NOTHING: Final = float("inf")

#: Bucket counts, sum, smallest and largest value.
HistogramState = tuple["Sequence[int]", float, float, float]


class HistogramCell(Cell):
    """Bucket counts and a sum, without minimum and maximum."""

    __slots__ = ("bounds", "counts", "high", "low", "total")

    counts: list[int]
    total: float
    low: float
    high: float

    def __init__(
        self,
        table: Home,
        key: Any,  # noqa: ANN401
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self.bounds: tuple[float, ...] = table.bounds
        super().__init__(table, key, attributes)

    def reset(self) -> None:
        """Start from nothing."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0
        # Nothing is beyond these.
        self.low, self.high = -NOTHING, NOTHING

    def record(self, amount: float) -> None:
        """Count a value in its bucket."""
        # rendered from quick.py: histogram cell cell=self
        kind = type(amount)
        if (kind is float or kind is int) and 0.0 <= amount <= HIGHEST:
            parent = None if tracing.quiet else tracing.parent()
            if self.ready:
                if amount < self.low or amount > self.high:
                    self.widen(amount)
                index = bisect_left(self.bounds, amount)
                counts = self.counts
                counts[index], self.total = counts[index] + 1, self.total + amount
                if parent is not None:
                    self.table.exemplify(self, amount, parent)
                return
            if self.guarded:
                with self.lock:
                    if self.guarded:
                        if amount < self.low or amount > self.high:
                            self.widen(amount)
                        index = bisect_left(self.bounds, amount)
                        counts = self.counts
                        counts[index], self.total = counts[index] + 1, self.total + amount
                        if parent is not None:
                            self.table.exemplify(self, amount, parent)
                        return
        # rendered until here
        self.table.slow(self, amount)

    def widen(self, amount: float) -> None:
        """Take a value into the extremes, where they are kept."""

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        # rendered from quick.py: histogram checked cell=self
        if amount < self.low or amount > self.high:
            self.widen(amount)
        index = bisect_left(self.bounds, amount)
        counts = self.counts
        counts[index], self.total = counts[index] + 1, self.total + amount
        # rendered until here

    def read(self) -> HistogramState:
        """Return the state of one instant."""
        if self.lock is None:
            return self.state()
        with self.lock:
            return self.state()

    def state(self) -> HistogramState:
        """Return counts and sum; of one instant also without the lock where there is a GIL."""
        # A slice is no call.
        counts, total = self.counts[:], self.total
        return tuple(counts), total, NOTHING, -NOTHING


class MinMaxHistogramCell(HistogramCell):
    """Bucket counts, a sum, minimum and maximum."""

    __slots__ = ()

    def reset(self) -> None:
        """Start from nothing."""
        super().reset()
        self.low, self.high = NOTHING, -NOTHING

    def widen(self, amount: float) -> None:
        """Take a value into the extremes."""
        # Without a call, so that neither can be interrupted: see `cells`.
        if amount < self.low:  # noqa: PLR1730 - see above
            self.low = amount
        if amount > self.high:  # noqa: PLR1730
            self.high = amount

    def state(self) -> HistogramState:
        """Return counts, sum and extremes."""
        counts, total, _, _ = super().state()
        return counts, total, self.low, self.high
