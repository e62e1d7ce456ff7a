"""Cells of histograms: buckets and a sum, with or without the extremes."""

from __future__ import annotations

from bisect import bisect_left
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from butterfly_otel.engine import cells
from butterfly_otel.engine.cells import Cell
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
        # rendered from quick.py: histogram any cell=self
        kind = type(amount)
        if (
            (kind is float or kind is int)
            and 0.0 <= amount <= HIGHEST
            and self.ready
            and trace._TRACER_PROVIDER is None  # noqa: SLF001
        ):
            if amount < self.low or amount > self.high:
                self.widen(amount)
            index = bisect_left(self.bounds, amount)
            counts = self.counts
            counts[index], self.total = counts[index] + 1, self.total + amount
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
        if cells.ATOMIC:
            return self.state()
        with self.table.locked():
            return self.state()

    def state(self) -> HistogramState:
        """Return counts and sum; of one instant also without the lock where there is a GIL."""
        # A slice is no call.
        counts, total = self.counts[:], self.total
        return tuple(counts), total, NOTHING, -NOTHING


class MinMaxHistogramCell(HistogramCell):
    """Bucket counts, a sum, minimum and maximum.

    The extremes are written under the lock: comparing and setting is more than a statement.
    """

    __slots__ = ("extremes",)

    def __init__(
        self,
        table: Home,
        key: Any,  # noqa: ANN401
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self.extremes = RLock()
        super().__init__(table, key, attributes)

    def renew_lock(self) -> None:
        """Forget who held the lock, in a forked child."""
        self.extremes = RLock()

    def reset(self) -> None:
        """Start from nothing."""
        super().reset()
        self.low, self.high = NOTHING, -NOTHING

    def widen(self, amount: float) -> None:
        """Take a value into the extremes."""
        with self.extremes:
            self.low = min(self.low, amount)
            self.high = max(self.high, amount)

    def state(self) -> HistogramState:
        """Return counts, sum and extremes."""
        counts, total, _, _ = super().state()
        return counts, total, self.low, self.high
