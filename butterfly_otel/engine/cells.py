"""Cells: the values of one series, updated without building anything.

A cell is *live* while its series is in its stream's table, and otherwise *dormant*: it may
still be referred to by a bound instrument or a cache, and comes to life again when it is
measured. ``lowest`` is both the smallest value the instrument takes and the state: a dormant
cell has ``lowest = inf``, so that the one comparison every measurement needs anyway sends it
the slow way.

Why there is no lock in :class:`SumCell` and its kin: in CPython with the GIL, threads switch
only at calls and backward jumps, so a statement such as ``self.value += amount``, with plain
numbers, cannot be interrupted, and neither can one that assigns to two places. Where that
does not hold (free-threaded builds, other interpreters), and for streams that start from nothing
at each collection, every measurement goes the slow way, under the stream's lock.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.engine.streams import CellStream

#: The largest finite float; whatever is beyond it goes the slow way, NaN included.
HIGHEST = sys.float_info.max
DORMANT = float("inf")

PLAIN = frozenset({int, float})


def gil_enabled() -> bool:
    """Tell whether a statement of plain numbers is atomic in this interpreter."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return sys.implementation.name == "cpython" and (enabled is None or bool(enabled()))


#: Whether cells do without locks; decided once.
ATOMIC = gil_enabled()


class Cell:
    """One series of one stream.

    Attributes:
        stream: The stream it belongs to.
        key: Its identity in the stream's table.
        attributes: What is exported, after the View's filter.
        start: When the series began, in nanoseconds since the epoch.
        live: Whether it is in its stream's table.
        lowest: The smallest value ``record`` takes by itself; ``inf`` sends it the slow way.
        reservoir: Holds exemplars once one has been sampled.
    """

    __slots__ = ("attributes", "key", "live", "lowest", "reservoir", "start", "stream")

    def __init__(self, stream: CellStream, key: Any, attributes: Mapping[str, Any]) -> None:  # noqa: ANN401
        self.stream = stream
        self.key = key
        self.attributes = attributes
        self.start = 0
        self.live = False
        self.lowest = DORMANT
        self.reservoir: Any = None
        self.reset()

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

    def take(self) -> Any:  # noqa: ANN401
        """Return the state and start from nothing; under the stream's lock."""
        state = self.read()
        self.reset()
        return state


class SumCell(Cell):
    """A running sum."""

    __slots__ = ("value",)

    value: float

    def reset(self) -> None:
        """Start from nothing."""
        self.value = 0

    def record(self, amount: float = 1) -> None:
        """Add a value."""
        try:
            if (
                self.lowest <= amount <= HIGHEST
                and amount.__class__ in PLAIN
                and trace._TRACER_PROVIDER is None  # noqa: SLF001 - the cheapest question there is
            ):
                self.value += amount
                return
        except Exception:  # noqa: BLE001, S110 - an amount's own comparison may do anything
            pass
        self.stream.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        self.value += amount

    def read(self) -> float:
        """Return the sum."""
        return self.value


class LastValueCell(Cell):
    """The last value."""

    __slots__ = ("value",)

    value: float | None

    def reset(self) -> None:
        """Start from nothing."""
        self.value = None

    def record(self, amount: float) -> None:
        """Set the value."""
        try:
            if (
                self.lowest <= amount <= HIGHEST
                and amount.__class__ in PLAIN
                and trace._TRACER_PROVIDER is None  # noqa: SLF001
            ):
                self.value = amount
                return
        except Exception:  # noqa: BLE001, S110 - an amount's own comparison may do anything
            pass
        self.stream.slow(self, amount)

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

    __slots__ = ("bounds", "counts", "total")

    counts: list[int]
    total: float

    def __init__(self, stream: CellStream, key: Any, attributes: Mapping[str, Any]) -> None:  # noqa: ANN401
        self.bounds: tuple[float, ...] = stream.bounds
        super().__init__(stream, key, attributes)

    def reset(self) -> None:
        """Start from nothing."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0

    def record(self, amount: float) -> None:
        """Count a value in its bucket."""
        try:
            if (
                self.lowest <= amount <= HIGHEST
                and amount.__class__ in PLAIN
                and trace._TRACER_PROVIDER is None  # noqa: SLF001
            ):
                index = bisect_left(self.bounds, amount)
                counts = self.counts
                counts[index], self.total = counts[index] + 1, self.total + amount
                return
        except Exception:  # noqa: BLE001, S110 - an amount's own comparison may do anything
            pass
        self.stream.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        # The call comes first: after it, count and sum change in one statement.
        index = bisect_left(self.bounds, amount)
        counts = self.counts
        counts[index], self.total = counts[index] + 1, self.total + amount

    def read(self) -> HistogramState:
        """Return counts and sum, of one instant: a slice is no call."""
        counts, total = self.counts[:], self.total
        return tuple(counts), total, DORMANT, -DORMANT


class MinMaxHistogramCell(HistogramCell):
    """Bucket counts, a sum, minimum and maximum.

    The extremes are written under the lock: comparing and setting is more than a statement.
    """

    __slots__ = ("extremes", "high", "low")

    low: float
    high: float

    def __init__(self, stream: CellStream, key: Any, attributes: Mapping[str, Any]) -> None:  # noqa: ANN401
        self.extremes = Lock()
        super().__init__(stream, key, attributes)

    def renew_lock(self) -> None:
        """Forget who held the lock, in a forked child."""
        self.extremes = Lock()

    def reset(self) -> None:
        """Start from nothing."""
        super().reset()
        self.low, self.high = DORMANT, -DORMANT

    def record(self, amount: float) -> None:
        """Count a value in its bucket."""
        try:
            if (
                self.lowest <= amount <= HIGHEST
                and amount.__class__ in PLAIN
                and trace._TRACER_PROVIDER is None  # noqa: SLF001
            ):
                self.update(amount)
                return
        except Exception:  # noqa: BLE001, S110 - an amount's own comparison may do anything
            pass
        self.stream.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        if amount < self.low or amount > self.high:
            with self.extremes:
                self.low = min(self.low, amount)
                self.high = max(self.high, amount)
        super().update(amount)

    def read(self) -> HistogramState:
        """Return counts, sum and extremes."""
        counts, total, _, _ = super().read()
        return counts, total, self.low, self.high
