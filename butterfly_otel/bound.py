"""Bound instruments, whose labels are given once, and timers."""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    #: Takes one measured value for one series.
    Recorder = Callable[[float], None]
    #: Label values in the contract's order; ``None`` where the caller gave none.
    LabelValues = tuple[object, ...]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


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

    def settle(self, values: LabelValues) -> tuple[Recorder, bool]:
        """Return what records for label values, and whether it may be kept."""
        ...


def negated(amount: float) -> float:
    """Return ``-amount``, or what is no number as it is, to be refused where values are checked."""
    try:
        return -amount
    except Exception:  # noqa: BLE001 - a measurement never raises because of its value
        return amount


class Bound:
    """A handle with its labels already given; created by a handle's ``bind()``.

    It may be created before ``configure()`` and starts to work when that is called. What
    measures is an attribute, not a method, so that it can be the series' own: a call costs
    what the series costs and nothing more.
    """

    __slots__ = ("__weakref__", "_handle", "_values")

    def __init__(self, handle: Binder, values: LabelValues) -> None:
        self._handle = handle
        self._values = values
        handle.adopt(self)
        self.unsettle()

    def unsettle(self) -> None:
        """Look the series up again at the next measurement. Called by the handle."""
        self._install(self._first)

    def _install(self, recorder: Recorder) -> None:
        raise NotImplementedError

    def _first(self, amount: float) -> None:
        recorder, keep = self._handle.settle(self._values)
        if keep:
            self._install(recorder)
        recorder(amount)


class BoundCounter(Bound):
    """A counter with its labels given.

    Attributes:
        add: Adds an amount, 0 or more.
    """

    __slots__ = ("add",)

    add: Recorder

    def _install(self, recorder: Recorder) -> None:
        self.add = recorder

    def inc(self) -> None:
        """Add one."""
        self.add(1)


class BoundUpDownCounter(Bound):
    """An up-down counter with its labels given.

    Attributes:
        add: Adds an amount, which may be negative.
    """

    __slots__ = ("add",)

    add: Recorder

    def _install(self, recorder: Recorder) -> None:
        self.add = recorder

    def inc(self, amount: float = 1) -> None:
        """Add ``amount``, by default one."""
        self.add(amount)

    def dec(self, amount: float = 1) -> None:
        """Subtract ``amount``, by default one."""
        self.add(negated(amount))

    @contextmanager
    def track(self) -> Generator[None, None, None]:
        """Count one more for as long as the block runs, however it ends."""
        self.inc()
        try:
            yield
        finally:
            self.dec()


class BoundGauge(Bound):
    """A gauge with its labels given.

    Attributes:
        set: Sets the current value.
    """

    __slots__ = ("set",)

    set: Recorder

    def _install(self, recorder: Recorder) -> None:
        self.set = recorder


class BoundHistogram(Bound):
    """A histogram with its labels given.

    Attributes:
        record: Records one value, 0 or more, in the metric's unit.
    """

    __slots__ = ("record",)

    record: Recorder

    def _install(self, recorder: Recorder) -> None:
        self.record = recorder

    def time(self) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        # Not self.record itself, which is another after configure().
        return Timer(lambda seconds: self.record(seconds))  # noqa: PLW0108 - looked up late


class Timer:
    """Records elapsed seconds: a context manager, and a decorator for functions and coroutines.

    Time is measured by ``time.perf_counter`` and recorded however the block ends. One timer
    may decorate any number of functions and be entered again, also within itself, but not
    by several threads at once; ``time()`` makes a new one each time.
    """

    __slots__ = ("_record", "_starts")

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._starts: list[float] = []

    def __enter__(self) -> Self:
        self._starts.append(perf_counter())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._record(perf_counter() - self._starts.pop())

    def __call__(self, function: _Function) -> _Function:
        """Decorate ``function`` so that each call is timed."""
        record = self._record
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                start = perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    record(perf_counter() - start)

            return cast("_Function", timed_coroutine)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            start = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                record(perf_counter() - start)

        return cast("_Function", timed)
