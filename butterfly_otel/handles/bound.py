"""Bound instruments, whose labels are given once.

Their quick ways are rendered from ``render/quick.py``; what they leave goes to the target.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from butterfly_otel.handles.dependents import Dependent
from butterfly_otel.handles.hints import give_hints
from butterfly_otel.handles.targets import NOWHERE, Reporting
from butterfly_otel.handles.timer import Timer
from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Self

    from butterfly_otel.handles.targets import LabelValues, Target

__all__ = [
    "Bound",
    "BoundCounter",
    "BoundGauge",
    "BoundHistogram",
    "BoundUpDownCounter",
    "Dependent",
    "Timer",
]


class Binder(Protocol):
    """What a bound instrument needs of its handle."""

    @property
    def attached(self) -> bool:
        """Whether measurements go anywhere now."""
        ...

    def adopt(self, dependent: Dependent) -> None:
        """Tell ``dependent`` whenever what it has looked up is stale."""
        ...

    def settle(self, values: LabelValues) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept."""
        ...


def negated(amount: float) -> float:
    """Return ``-amount``, or what is no number as it is, to be refused where values are checked."""
    try:
        return -amount
    except Exception:  # noqa: BLE001 - a measurement never raises because of its value
        return amount


class Bound:
    """A handle with its labels already given; created by a handle's ``bind()``.

    It may be created before ``configure()`` and starts to work when that is called.
    """

    __slots__ = ("__weakref__", "_cell", "_handle", "_values")

    # A cell where it is ready, about which a type checker need not know more.
    _cell: Any

    def __init__(self, handle: Binder, values: LabelValues) -> None:
        self._handle = handle
        self._values = values
        handle.adopt(self)
        self.unsettle()

    def __repr__(self) -> str:
        """Name the handle, and the labels in the contract's order."""
        return f"<{type(self).__name__} of {self._handle!r} with {self._values}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[Binder, LabelValues]]:
        """Be pickled as a handle and label values, which stand for the same series anywhere."""
        return type(self), (self._handle, self._values)

    @property
    def values(self) -> LabelValues:
        """The label values, in the contract's order, whose series this stands for."""
        return self._values

    def unsettle(self) -> None:
        """Look the series up again at the next measurement. Called by the handle."""
        self._cell = NOWHERE
        # In this order: a handle that was attached meanwhile has called this before, or will.
        if self._handle.attached:
            self._cell = _Unsettled(self)

    def target(self) -> Target:
        """Return where measurements go now, whatever is configured later."""
        cell = self._cell
        target = self.settle() if type(cell) is _Unsettled else cell
        if type(target) is Reporting:
            # Told here, for all that is measured by it.
            target.tell()
            target = target.target
        return target

    def settle(self) -> Target:
        """Look the series up, and keep it where it may be kept."""
        before = self._cell
        target, keep = self._handle.settle(self._values)
        # Not when this was unsettled meanwhile: what was found is stale, and would stay for ever.
        if keep and self._cell is before:
            self._cell = target
        return target


give_hints(Bound)


class _Unsettled:
    """Stands for a bound instrument's series until that is looked up."""

    __slots__ = ("_bound",)

    ready = False

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    def record(self, amount: float) -> None:
        """Look the series up and measure."""
        self._bound.settle().record(amount)


class BoundCounter(Bound):
    """A counter with its labels given."""

    __slots__ = ()

    def add(self, amount: float) -> None:
        """Add ``amount``, 0 or more."""
        cell = self._cell
        # rendered from quick.py: counter small
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        # rendered until here
        cell.record(amount)

    def inc(self) -> None:
        """Add one."""
        cell = self._cell
        # rendered from quick.py: counter one amount=1
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        # rendered until here
        cell.record(1)


class BoundUpDownCounter(Bound):
    """An up-down counter with its labels given."""

    __slots__ = ()

    def add(self, amount: float) -> None:
        """Add ``amount``, which may be negative."""
        self._cell.record(amount)

    def inc(self, amount: float = 1) -> None:
        """Add ``amount``, by default one."""
        cell = self._cell
        # rendered from quick.py: sum one
        if amount is ONE and (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += amount
            return
        # rendered until here
        cell.record(amount)

    def dec(self, amount: float = 1) -> None:
        """Subtract ``amount``, by default one."""
        cell = self._cell
        # rendered from quick.py: difference one
        if amount is ONE and (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value -= amount
            return
        # rendered until here
        cell.record(negated(amount))

    @contextmanager
    def track(self) -> Generator[None, None, None]:
        """Count one more for as long as the block runs, however it ends."""
        self.inc()
        try:
            yield
        finally:
            self.dec()


class BoundGauge(Bound):
    """A gauge with its labels given."""

    __slots__ = ()

    def set(self, amount: float) -> None:
        """Set the current value."""
        self._cell.record(amount)


class BoundHistogram(Bound):
    """A histogram with its labels given."""

    __slots__ = ()

    def record(self, amount: float) -> None:
        """Record one value, 0 or more, in the metric's unit."""
        cell = self._cell
        # rendered from quick.py: histogram plain
        if (
            (type(amount) is float or type(amount) is int)
            and 0.0 <= amount <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if amount < cell.low or amount > cell.high:
                cell.widen(amount)
            index = bisect_left(cell.bounds, amount)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + amount
            return
        # rendered until here
        cell.record(amount)

    def time(self) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return Timer(self.record)
