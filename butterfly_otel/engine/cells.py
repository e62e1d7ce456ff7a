"""Cells: the values of one series, updated without building anything.

A cell is *live* while its series is in its table, and otherwise *dormant*: it may
still be referred to by a bound instrument or a cache, and comes to life again when it is
measured. It is *ready* while it may be measured by the one statement that its ``record``
ends in; else ``record`` goes the slow way, under the table's lock.

Why that statement needs no lock: in CPython with the GIL, threads switch only at calls and
backward jumps, so a statement such as ``self.value += amount``, with plain numbers, cannot be
interrupted, and neither can one that assigns to two places. Where that does not hold
(free-threaded builds, other interpreters), and for streams that start from nothing at each
collection, no cell is ever ready.

The order of the checks is the cheapest CPython 3.11 has: exact types first, then comparisons
of an int with ints and a float with floats, which the interpreter specialises. The same
statements stand in line in the instruments, in bound instruments and in the rendered handles,
because a call costs more than all they do.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from butterfly_otel.process.values import HIGHEST, SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.engine.table import Table

NOTHING: Final = float("inf")


def gil_enabled() -> bool:
    """Tell whether a statement of plain numbers is atomic in this interpreter."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return sys.implementation.name == "cpython" and (enabled is None or bool(enabled()))


#: Whether cells do without locks; decided once.
ATOMIC = gil_enabled()


class Cell:
    """One series.

    Attributes:
        table: The table it belongs to.
        key: Its identity in the table.
        start: When the series began, in nanoseconds since the epoch.
        live: Whether it is in its table.
        ready: Whether it may be measured without a lock.
    """

    __slots__ = ("__weakref__", "_attributes", "key", "live", "ready", "start", "table")

    def __init__(
        self,
        table: Table,
        key: Any,  # noqa: ANN401 - whatever the table tells series apart by
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self.table = table
        self.key = key
        # None where the key and the table's shape say it all.
        self._attributes = attributes
        self.start = 0
        self.live = False
        self.ready = False
        self.reset()

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is exported, after the View's filter; the same mapping each time."""
        made = self._attributes
        if made is None:
            made = self._attributes = self.labels()
        return made

    def labels(self) -> Mapping[str, Any]:
        """Return the attributes without keeping them."""
        made = self._attributes
        return self.table.attributes_of(self.key) if made is None else made

    def reset(self) -> None:
        """Start from nothing."""
        raise NotImplementedError

    def record(self, amount: float) -> None:
        """Measure a value; the hot path."""
        raise NotImplementedError

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        raise NotImplementedError

    def renew_lock(self) -> None:
        """Forget who held a lock, in a forked child."""

    def read(self) -> Any:  # noqa: ANN401
        """Return the state, None where there is none yet; the next one continues from it."""
        raise NotImplementedError

    def state(self) -> Any:  # noqa: ANN401
        """Return the same to whoever holds the table's lock."""
        return self.read()

    def take(self) -> Any:  # noqa: ANN401
        """Return the state and start from nothing; under the table's lock."""
        state = self.state()
        self.reset()
        return state


class SumCell(Cell):
    """A running sum of what may be negative."""

    __slots__ = ("value",)

    value: float

    def reset(self) -> None:
        """Start from nothing."""
        self.value = 0

    def record(self, amount: float = 1) -> None:
        """Add a value."""
        kind = type(amount)
        if (
            (kind is int or kind is float)
            and self.ready
            and -HIGHEST <= amount <= HIGHEST
            and trace._TRACER_PROVIDER is None  # noqa: SLF001 - the cheapest question there is
        ):
            self.value += amount
            return
        self.table.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        self.value += amount

    def read(self) -> float:
        """Return the sum."""
        return self.value


class CounterCell(SumCell):
    """A running sum that only grows."""

    __slots__ = ()

    def record(self, amount: float = 1) -> None:
        """Add a value."""
        kind = type(amount)
        if (
            (
                (kind is int and (0 <= amount <= SMALL or 0 <= amount <= HIGHEST))
                or (kind is float and 0.0 <= amount <= HIGHEST)
            )
            and self.ready
            and trace._TRACER_PROVIDER is None  # noqa: SLF001
        ):
            self.value += amount
            return
        self.table.slow(self, amount)


class LastValueCell(Cell):
    """The last value."""

    __slots__ = ("value",)

    value: float | None

    def reset(self) -> None:
        """Start from nothing."""
        self.value = None

    def record(self, amount: float) -> None:
        """Set the value."""
        kind = type(amount)
        if (
            (kind is int or kind is float)
            and self.ready
            and -HIGHEST <= amount <= HIGHEST
            and trace._TRACER_PROVIDER is None  # noqa: SLF001
        ):
            self.value = amount
            return
        self.table.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        self.value = amount

    def read(self) -> float | None:
        """Return the value."""
        return self.value


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
        table: Table,
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
        self.table.slow(self, amount)

    def widen(self, amount: float) -> None:
        """Take a value into the extremes, where they are kept."""

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        # The call comes first: after it, count and sum change in one statement.
        index = bisect_left(self.bounds, amount)
        counts = self.counts
        counts[index], self.total = counts[index] + 1, self.total + amount

    def read(self) -> HistogramState:
        """Return the state of one instant."""
        if ATOMIC:
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
        table: Table,
        key: Any,  # noqa: ANN401
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self.extremes = Lock()
        super().__init__(table, key, attributes)

    def renew_lock(self) -> None:
        """Forget who held the lock, in a forked child."""
        self.extremes = Lock()

    def reset(self) -> None:
        """Start from nothing."""
        super().reset()
        self.low, self.high = NOTHING, -NOTHING

    def widen(self, amount: float) -> None:
        """Take a value into the extremes."""
        with self.extremes:
            self.low = min(self.low, amount)
            self.high = max(self.high, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        if amount < self.low or amount > self.high:
            self.widen(amount)
        super().update(amount)

    def state(self) -> HistogramState:
        """Return counts, sum and extremes."""
        counts, total, _, _ = super().state()
        return counts, total, self.low, self.high
