"""Cells: the values of one series, updated without building anything.

A cell is *live* while its series is in its table, and otherwise *dormant*: it may
still be referred to by a bound instrument or a cache, and comes to life again when it is
measured. It is *ready* while it may be measured by one statement and nothing else. Where that
takes a lock, it is *guarded* instead: the statement stands under the cell's own lock, so that
two threads that measure two series don't wait for each other. All else goes the slow way, under
the table's lock.

Why that statement needs no lock: in CPython with the GIL, threads switch only at calls and
backward jumps, so a statement such as ``self.value += amount``, with plain numbers, cannot be
interrupted, and neither can one that assigns to two places. Where that does not hold
(free-threaded builds, other interpreters), and for streams that start from nothing at each
collection, cells are guarded. Their locks are reentrant: a finalizer or a signal's handler that
measures the same series may run in the thread that holds one, but never amid the statement.

The same statements stand in line in the instruments, in bound instruments and in the rendered
handles, because a call costs more than all they do. All of them are rendered from
``render/quick.py``: what is between two comments that say so is edited there.
"""

from __future__ import annotations

from contextlib import nullcontext
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.trace import SpanContext

    #: The value, when it was measured (nanoseconds since the epoch), what its span says of
    #: itself, and its attributes, None where these are the cell's.
    Sample = tuple[float, int, SpanContext | None, Mapping[str, Any] | None]
    #: Samples of our own reservoirs by bucket, 0 of a number; exemplars of any other.
    Taken = dict[int, Sample] | Sequence[Exemplar]


class Home(Protocol):
    """What a cell needs of the table it belongs to."""

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bucket boundaries of a histogram."""
        ...

    def attributes_of(self, key: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Return the attributes that a key stands for."""
        ...

    def slow(self, cell: Cell, amount: float, context: Context | None = None) -> None:
        """Take a measurement that is not for the quick way."""
        ...

    def update(self, cell: Cell, amount: float) -> Cell:
        """Take a checked value; return the cell that has it."""
        ...

    def offer(self, cell: Cell, measurement: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Offer a measurement to the exemplar reservoirs."""
        ...

    def exemplify(
        self, cell: Cell, amount: float, parent: SpanContext, its: Mapping[str, Any] | None = None
    ) -> None:
        """Offer a value that a cell took in a sampled span to the exemplar reservoirs."""
        ...


class Cell:
    """One series.

    Attributes:
        table: The table it belongs to.
        key: Its identity in the table.
        start: When the series began, in nanoseconds since the epoch.
        live: Whether it is in its table.
        ready: Whether it may be measured without a lock.
        guarded: Whether it may be measured under its own lock.
        lock: That lock; None where the statement needs none.
        keepers: What keeps a sample of it for each reader, once there was one.
    """

    __slots__ = (
        *("__weakref__", "_attributes", "guarded", "keepers", "key"),
        *("live", "lock", "ready", "start", "table"),
    )

    # Of threading.RLock, which is no class to a type checker.
    lock: Any

    def __init__(
        self,
        table: Home,
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
        self.guarded = False
        self.lock = None
        self.keepers: tuple[Callable[[Sample], None], ...] | None = None
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

    def record_within(self, amount: float, context: Context) -> None:
        """Measure a value with a context of the caller's, which may have a span."""
        self.table.slow(self, amount, context)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        raise NotImplementedError

    def apply(self, amount: float) -> None:
        """Take it, under the lock where there is one."""
        if self.lock is None:
            self.update(amount)
        else:
            with self.lock:
                self.update(amount)

    def renew_lock(self) -> None:
        """Forget who held a lock, in a forked child."""
        if self.lock is not None:
            self.lock = RLock()

    def end(self) -> None:
        """Let whatever measures it ask the table first; needs the table's lock."""
        with self.lock or nullcontext():
            self.live = self.ready = self.guarded = False
            self.keepers = None

    def read(self) -> Any:  # noqa: ANN401
        """Return the state, None where there is none yet; the next one continues from it."""
        raise NotImplementedError

    def state(self) -> Any:  # noqa: ANN401
        """Return the same to whoever holds the table's lock."""
        return self.read()

    def take(self) -> Any:  # noqa: ANN401
        """Return the state and start from nothing; after :meth:`end`."""
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
        # rendered from quick.py: sum cell cell=self
        kind = type(amount)
        if (kind is int or kind is float) and -HIGHEST <= amount <= HIGHEST:
            parent = None if tracing.quiet else tracing.parent()
            if self.ready:
                self.value += amount
                if parent is not None:
                    self.table.exemplify(self, amount, parent)
                return
            if self.guarded:
                with self.lock:
                    if self.guarded:
                        self.value += amount
                        if parent is not None:
                            self.table.exemplify(self, amount, parent)
                        return
        # rendered until here
        self.table.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        # rendered from quick.py: sum checked cell=self
        self.value += amount
        # rendered until here

    def read(self) -> float:
        """Return the sum."""
        return self.value


class CounterCell(SumCell):
    """A running sum that only grows."""

    __slots__ = ()

    def record(self, amount: float = 1) -> None:
        """Add a value."""
        # rendered from quick.py: counter cell cell=self
        kind = type(amount)
        if (kind is int and (0 <= amount <= SMALL or 0 <= amount <= HIGHEST)) or (
            kind is float and 0.0 <= amount <= HIGHEST
        ):
            parent = None if tracing.quiet else tracing.parent()
            if self.ready:
                self.value += amount
                if parent is not None:
                    self.table.exemplify(self, amount, parent)
                return
            if self.guarded:
                with self.lock:
                    if self.guarded:
                        self.value += amount
                        if parent is not None:
                            self.table.exemplify(self, amount, parent)
                        return
        # rendered until here
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
        # rendered from quick.py: last_value cell cell=self
        kind = type(amount)
        if (kind is int or kind is float) and -HIGHEST <= amount <= HIGHEST:
            parent = None if tracing.quiet else tracing.parent()
            if self.ready:
                self.value = amount
                if parent is not None:
                    self.table.exemplify(self, amount, parent)
                return
            if self.guarded:
                with self.lock:
                    if self.guarded:
                        self.value = amount
                        if parent is not None:
                            self.table.exemplify(self, amount, parent)
                        return
        # rendered until here
        self.table.slow(self, amount)

    def update(self, amount: float) -> None:
        """Take a value that has been checked already."""
        # rendered from quick.py: last_value checked cell=self
        self.value = amount
        # rendered until here

    def read(self) -> float | None:
        """Return the value."""
        return self.value
