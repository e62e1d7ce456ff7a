"""Bound instruments, whose labels are given once, and timers."""

from __future__ import annotations

import functools
import inspect
from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from butterfly_otel.process import timing, tracing
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    #: Takes one measured value for one series.
    Recorder = Callable[[float], None]
    #: Label values in the contract's order; ``None`` where the caller gave none.
    LabelValues = tuple[object, ...]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class Target(Protocol):
    """Where measurements of one series go.

    Attributes:
        ready: Whether it is a cell that may be measured in line: see ``engine/cells.py``.
    """

    @property
    def ready(self) -> bool:
        """Whether it may be measured in line."""
        ...

    def record(self, amount: float) -> None:
        """Measure a value."""
        ...


class Dependent(Protocol):
    """Keeps something that it has looked up in a handle."""

    def unsettle(self) -> None:
        """Look it up again at the next occasion. Called by the handle."""
        ...


class Binder(Protocol):
    """What a bound instrument needs of its handle."""

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

    def unsettle(self) -> None:
        """Look the series up again at the next measurement. Called by the handle."""
        self._cell = _Unsettled(self)

    def target(self) -> Target:
        """Return where measurements go now, whatever is configured later."""
        cell = self._cell
        return self.settle() if type(cell) is _Unsettled else cell

    def settle(self) -> Target:
        """Look the series up, and keep it where it may be kept."""
        before = self._cell
        target, keep = self._handle.settle(self._values)
        # Not when this was unsettled meanwhile: what was found is stale, and would stay for ever.
        if keep and self._cell is before:
            self._cell = target
        return target


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
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and cell.ready
            and tracing.api._TRACER_PROVIDER is None  # noqa: SLF001 - the cheapest question there is
        ):
            cell.value += amount
        else:
            cell.record(amount)

    def inc(self) -> None:
        """Add one."""
        cell = self._cell
        if cell.ready and tracing.api._TRACER_PROVIDER is None:  # noqa: SLF001
            cell.value += 1
        else:
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
        if amount is ONE and cell.ready and tracing.api._TRACER_PROVIDER is None:  # noqa: SLF001
            cell.value += 1
        else:
            cell.record(amount)

    def dec(self, amount: float = 1) -> None:
        """Subtract ``amount``, by default one."""
        cell = self._cell
        if amount is ONE and cell.ready and tracing.api._TRACER_PROVIDER is None:  # noqa: SLF001
            cell.value -= 1
        else:
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
        if (
            type(amount) is float
            and 0.0 <= amount <= HIGHEST
            and cell.ready
            and tracing.api._TRACER_PROVIDER is None  # noqa: SLF001
        ):
            if amount < cell.low or amount > cell.high:
                cell.widen(amount)
            index = bisect_left(cell.bounds, amount)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + amount
        else:
            cell.record(amount)

    def time(self) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return Timer(self.record)


class Timer:
    """Records elapsed seconds: a context manager, and a decorator for functions and coroutines.

    A generator is timed from its first item to its end. For anything else, such as methods of
    a class or async generators, there is :func:`butterfly_otel.timed`.

    Time is measured by ``time.perf_counter`` and recorded however the block ends. One timer
    may decorate any number of functions and be entered again, also within itself, but not
    by several threads at once; ``time()`` makes a new one each time.
    """

    __slots__ = ("_record", "_starts")

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._starts: list[float] = []

    def __enter__(self) -> Self:
        self._starts.append(timing.perf_counter())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._record(timing.perf_counter() - self._starts.pop())

    def __call__(self, function: _Function) -> _Function:
        """Decorate ``function`` so that each call is timed."""
        record = self._record
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                start = timing.perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    record(timing.perf_counter() - start)

            return cast("_Function", timed_coroutine)

        if inspect.isgeneratorfunction(function):
            generate = cast("Callable[..., Generator[Any, Any, Any]]", function)

            @functools.wraps(function)
            def timed_generator(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                start = timing.perf_counter()
                try:
                    return (yield from generate(*args, **kwargs))
                finally:
                    record(timing.perf_counter() - start)

            return cast("_Function", timed_generator)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            start = timing.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                record(timing.perf_counter() - start)

        return cast("_Function", timed)
