"""Handles: what an application measures with, before and after ``configure()``.

A handle belongs to one metric of the catalogue. It measures nothing until a :class:`Sink`
is attached to it, and again nothing once the sink is detached, so instrumented code never
has to ask whether metrics are on. ``butterfly_otel/metrics.py`` renders one typed subclass
and one handle a metric on top of these classes.

Everything here is thread-safe. In production mode no method raises because of what it is
passed; in strict mode :class:`~butterfly_otel.LabelError` and
:class:`~butterfly_otel.MeasurementError` say what was wrong.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from weakref import WeakSet

from butterfly_otel import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

    from opentelemetry.metrics import Observation
    from typing_extensions import Self

    from butterfly_otel.catalog.model import Metric

    #: Takes one measured value for one series.
    Recorder = Callable[[float], None]
    #: Label values in the contract's order; ``None`` where the caller gave none.
    LabelValues = tuple[object, ...]
    #: Called at each collection; returns the one value, or an observation a series.
    ObserveCallback = Callable[[], float | Iterable[Observation]]

_registering = Lock()
_Function = TypeVar("_Function", bound="Callable[..., Any]")


class Sink(Protocol):
    """Where the measurements of one metric go while the SDK is configured."""

    def recorder(self, values: LabelValues) -> tuple[Recorder, bool]:
        """Return what records for these label values, and whether it may be kept."""
        ...

    def remove(self, values: LabelValues) -> None:
        """End the series with these label values."""
        ...


def node_pair(first: str, second: str) -> str:
    """Name a pair of nodes, whichever order they come in.

    The value of the labels ``node_pair`` and ``node_id_pair``: both ids, sorted, joined by
    ``_`` (decisions, section 2).

    >>> node_pair("compute-node-2", "compute-node-1")
    'compute-node-1_compute-node-2'
    """
    return "_".join(sorted((first, second)))


class Handle:
    """Base of all handles: one metric of the catalogue."""

    __slots__ = ("metric",)

    def __init__(self, name: str) -> None:
        #: The catalogue's entry of this metric.
        self.metric: Metric = catalog.BY_NAME[name]

    def __repr__(self) -> str:
        """Name the metric."""
        return f"<{type(self).__name__} {self.metric.name}>"


class Recorders(dict["LabelValues", "Recorder"]):
    """Label values in the contract's order, to what records for them.

    A look-up of something new asks the sink, so measuring is one subscription.
    """

    __slots__ = ("_limit", "_sink")

    def __init__(self, sink: Sink | None, limit: int) -> None:
        super().__init__()
        self._sink = sink
        self._limit = limit

    def __missing__(self, values: LabelValues) -> Recorder:
        """Return what records for label values that are not remembered."""
        sink = self._sink
        if sink is None:
            return _ignore
        recorder, keep = sink.recorder(values)
        # Beyond the stream's limit everything is the overflow point: nothing to gain.
        if keep and len(self) < self._limit:
            self[values] = recorder
        return recorder


class SynchronousHandle(Handle):
    """A handle that is measured by calls, which go to the sink attached to it."""

    __slots__ = ("_bounds", "_recorders", "_sink")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._sink: Sink | None = None
        self._bounds: WeakSet[Bound] = WeakSet()
        self._recorders = Recorders(None, 0)

    def attach(self, sink: Sink | None) -> None:
        """Send measurements to ``sink`` from now on, or nowhere. Called by the runtime."""
        self._sink = sink
        self.invalidate()

    def invalidate(self) -> None:
        """Forget every recorder looked up so far. Called by the runtime."""
        self._recorders = Recorders(self._sink, self.metric.stream_limit)
        for bound in tuple(self._bounds):
            bound.unsettle()

    def record_values(self, values: LabelValues, amount: float) -> None:
        """Record for label values in the contract's order. Called by the runtime."""
        self._recorder(values)(amount)

    def _recorder(self, values: LabelValues) -> Recorder:
        try:
            return self._recorders[values]
        except TypeError:  # an unhashable label value
            return self._recorders.__missing__(values)

    def _remove(self, values: LabelValues) -> None:
        if self._sink is not None:
            self._sink.remove(values)


def _ignore(_value: float) -> None:
    """Record nothing: the SDK is not configured."""


def int_text(value: object) -> object:
    """Return an int as label text and anything else as it is, for the guard to judge."""
    return str(value) if type(value) is int else value


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

    def __init__(self, handle: SynchronousHandle, values: LabelValues) -> None:
        self._handle = handle
        self._values = values
        handle._bounds.add(self)  # noqa: SLF001 - the two classes are one mechanism
        self.unsettle()

    def unsettle(self) -> None:
        """Look the series up again at the next measurement. Called by the handle."""
        self._install(self._first)

    def _install(self, recorder: Recorder) -> None:
        raise NotImplementedError

    def _first(self, amount: float) -> None:
        handle = self._handle
        recorder = handle._recorder(self._values)  # noqa: SLF001
        # A recorder that may not be kept reports its violation at every measurement.
        if handle._recorders.get(self._values) is recorder:  # noqa: SLF001
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


class CounterHandle(SynchronousHandle):
    """A value that only grows."""

    __slots__ = ()


class UpDownCounterHandle(SynchronousHandle):
    """A value that calls move up and down."""

    __slots__ = ()


class GaugeHandle(SynchronousHandle):
    """A value that is set."""

    __slots__ = ()


class HistogramHandle(SynchronousHandle):
    """A distribution of values."""

    __slots__ = ()


class ObservableHandle(Handle):
    """A value that callbacks read at each collection.

    Callbacks must return at once: read slow sources in the background and return the last
    reading. What a callback does not report is not exported, so a series ends by itself
    when its source is gone. A callback that raises is counted, logged once, and loses
    nothing but its own observations.
    """

    __slots__ = ("_registrations",)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Replaced at each change, so that a collection may iterate without a lock.
        self._registrations: tuple[Registration, ...] = ()

    def callbacks(self) -> tuple[ObserveCallback, ...]:
        """Return the callbacks that are registered now. Called by the runtime."""
        return tuple(registration.callback for registration in self._registrations)

    def observe(self, callback: ObserveCallback) -> Registration:
        """Call ``callback`` at each collection, until the registration is undone.

        Args:
            callback: Takes nothing; returns the current value (for a metric whose labels
                all have a default) or an iterable of ``observation(...)``, one a series.

        Returns:
            A registration; ``unregister()`` it, or use it as a context manager.
        """
        registration = Registration(self, callback)
        with _registering:
            self._registrations = (*self._registrations, registration)
        return registration

    def _unregister(self, registration: Registration) -> None:
        with _registering:
            kept = tuple(each for each in self._registrations if each is not registration)
            self._registrations = kept

    def _observation(self, value: float, values: LabelValues) -> Observation:
        from opentelemetry.metrics import Observation  # noqa: PLC0415 - keeps import light

        given = zip(self.metric.label_keys, values, strict=True)
        # Label values of any type: the guard turns them into strings at collection.
        attributes = cast("dict[str, str]", {k: v for k, v in given if v is not None})
        return Observation(value, attributes)


class Registration:
    """A registered observation callback; undone by ``unregister()`` or at the end of a ``with``."""

    __slots__ = ("_handle", "callback")

    def __init__(self, handle: ObservableHandle, callback: ObserveCallback) -> None:
        self._handle = handle
        self.callback = callback

    def unregister(self) -> None:
        """Stop calling the callback; harmless when done twice."""
        self._handle._unregister(self)  # noqa: SLF001 - the two classes are one mechanism

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.unregister()


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
