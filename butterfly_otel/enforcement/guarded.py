"""OpenTelemetry instruments whose measurements are checked before the SDK sees them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    Observation,
    UpDownCounter,
    _Gauge,
)

from butterfly_otel.process.values import clean_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackT, Meter
    from opentelemetry.util.types import Attributes

    from butterfly_otel.enforcement.guard import LabelGuard
    from butterfly_otel.enforcement.violations import Violations
    from butterfly_otel.handles.bound import Target
    from butterfly_otel.views.streams import Stream

    #: Removes an instrument's series whose attributes contain these.
    RemoveSeries = Callable[[object, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Gate:
    """What is enforced on one metric, and where violations go.

    Attributes:
        stream: The metric as it leaves this process.
        guard: Checks its labels.
        violations: Told of values that can't be measured and callbacks that raise.
        remove_series: Ends series of an SDK instrument.
    """

    stream: Stream
    guard: LabelGuard
    violations: Violations
    remove_series: RemoveSeries


class _Guarded:
    """What all guarded instruments share."""

    def __init__(self, gate: Gate, inner: object) -> None:
        self.stream = gate.stream
        self._gate = gate
        self._guard = gate.guard
        self._inner = inner
        self._negative_allowed = not (
            gate.stream.metric.monotonic or gate.stream.metric.type == "histogram"
        )

    def remove(self, values: Sequence[object]) -> None:
        """End the series with these label values, given in the contract's order.

        Label values that no series has any more give their places in the budgets back.
        """
        attributes = self._guard.resolve(values)
        self._gate.remove_series(self._inner, attributes)
        series: Callable[[], Iterable[Mapping[str, str]]] | None
        series = getattr(self._inner, "series", None)
        if series is not None:
            self._guard.release(attributes, series())

    def remove_matching(self, attributes: Mapping[str, str]) -> None:
        """End every series that has these attributes."""
        self._gate.remove_series(self._inner, attributes)

    def _clean(self, value: object) -> float | None:
        """Return a value the metric can hold; ``None`` after reporting any other."""
        # The two classes nearly every value has need no further look.
        if (type(value) is int or type(value) is float) and 0 <= value < _HUGE:
            return value
        cleaned = clean_value(value, negative_allowed=self._negative_allowed)
        if isinstance(cleaned, str):
            self._gate.violations.value(self.stream.metric, cleaned, value)
            return None
        return cleaned


#: Anything below is finite and goes the fast way.
_HUGE = 1e300


class _Checked:
    """One series of an instrument that can't be bound."""

    __slots__ = ("_attributes", "_clean", "_measure")

    ready = False

    def __init__(
        self,
        clean: Callable[[object], float | None],
        measure: Callable[..., None],
        attributes: Mapping[str, str],
    ) -> None:
        self._clean = clean
        self._measure = measure
        self._attributes = attributes

    def record(self, amount: float) -> None:
        """Check a value and measure it."""
        cleaned = self._clean(amount)
        if cleaned is not None:
            self._measure(cleaned, self._attributes)


class _Synchronous(_Guarded):
    """A guarded instrument that is measured by calls.

    Args:
        gate: What is enforced.
        inner: The instrument behind it. One of our engine's can be bound to its series and
            checks values itself; any other gets each measurement with its attributes.
        measure: The inner instrument's own method.
    """

    def __init__(self, gate: Gate, inner: Any, measure: Callable[..., None]) -> None:  # noqa: ANN401
        super().__init__(gate, inner)
        self._measure = measure
        self._bind: Callable[[Mapping[str, str]], Any] | None = getattr(inner, "bind", None)
        if self._bind is not None:
            inner.on_invalid = partial(gate.violations.value, gate.stream.metric)

    def target(self, values: Sequence[object]) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept."""
        attributes, clean = self._guard.admit(values)
        if self._bind is not None:
            return self._bind(attributes), clean
        return _Checked(self._clean, self._measure, attributes), clean

    def _checked_measure(
        self, amount: float, attributes: Attributes, context: Context | None
    ) -> None:
        cleaned = self._clean(amount)
        if cleaned is not None:
            self._measure(cleaned, self._guard.admit_mapping(attributes)[0], context)


class GuardedCounter(_Synchronous, Counter):
    """The catalogue's counter of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_counter(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.add)

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add ``amount`` after checking it and its attributes."""
        self._checked_measure(amount, attributes, context)


class GuardedUpDownCounter(_Synchronous, UpDownCounter):
    """The catalogue's up-down counter of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_up_down_counter(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.add)

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add ``amount`` after checking it and its attributes."""
        self._checked_measure(amount, attributes, context)


class GuardedGauge(_Synchronous, _Gauge):
    """The catalogue's gauge of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_gauge(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.set)

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Set the value after checking it and its attributes."""
        self._checked_measure(amount, attributes, context)


class GuardedHistogram(_Synchronous, Histogram):
    """The catalogue's histogram of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_histogram(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.record)

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Record ``amount`` after checking it and its attributes."""
        self._checked_measure(amount, attributes, context)


class GuardedObservable(_Guarded):
    """The catalogue's observable instrument of one name, of any of the three kinds.

    The SDK knows one callback, which asks ours in turn: so callbacks can be added and
    undone at any time, and one that raises costs only its own observations.
    """

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        create = getattr(meter, f"create_{metric.instrument}")
        super().__init__(gate, create(metric.name, [self._collect], metric.unit, metric.help))
        self._callbacks: tuple[Callable[[CallbackOptions], Any], ...] = ()
        # What was admitted unchanged: callbacks report the same series again and again.
        self._admitted: dict[tuple[Any, ...], Mapping[str, str]] = {}
        self._source: Callable[[], Iterable[Callable[[], Any]]] = tuple

    def add_callback(self, callback: CallbackT) -> None:
        """Ask ``callback`` at each collection, as OpenTelemetry's own API calls it."""
        if isinstance(callback, Generator):
            generator = cast("Generator[Any, CallbackOptions, None]", callback)
            next(generator)
            self._callbacks = (*self._callbacks, generator.send)
        else:
            self._callbacks = (*self._callbacks, callback)

    def listen(self, source: Callable[[], Iterable[Callable[[], Any]]]) -> None:
        """Ask, at each collection, whatever callbacks ``source()`` returns by then."""
        self._source = source

    def _collect(self, options: CallbackOptions) -> list[Observation]:
        observed: list[Observation] = []
        for callback in self._callbacks:
            observed.extend(self._observe(partial(callback, options)))
        for current in self._source():
            observed.extend(self._observe(current))
        # A series ends by not being observed: GPUs and peers come and go for years.
        if self._guard.keep([cast("Mapping[str, str]", each.attributes) for each in observed]):
            self._admitted.clear()
        return observed

    def _observe(self, callback: Callable[[], Any]) -> Sequence[Observation]:
        try:
            result = callback()
            # A NumPy array or a tensor of one number says it could be iterated, but can't.
            if hasattr(result, "__float__") or not hasattr(result, "__iter__"):
                result = (Observation(result),)
            return self._checked(result)
        except StopIteration:
            return ()
        except Exception as error:  # noqa: BLE001 - a callback may raise anything
            self._gate.violations.callback(self.stream.metric, error)
            return ()

    def _checked(self, observations: Iterable[Observation]) -> Sequence[Observation]:
        checked: list[Observation] = []
        for observation in observations:
            cleaned = self._clean(observation.value)
            if cleaned is not None:
                attributes = self._admit(observation.attributes)
                checked.append(Observation(cleaned, attributes, observation.context))
        return checked

    def _admit(self, attributes: Mapping[str, object] | None) -> Mapping[str, str]:
        key = tuple((attributes or {}).items())
        try:
            admitted = self._admitted.get(key)
        except TypeError:  # an unhashable value
            return self._guard.admit_mapping(attributes)[0]
        if admitted is None:
            admitted, clean = self._guard.admit_mapping(attributes)
            if clean and len(self._admitted) < self.stream.metric.stream_limit:
                self._admitted[key] = admitted
        return admitted


class GuardedObservableCounter(GuardedObservable, ObservableCounter):
    """The catalogue's observable counter of one name."""


class GuardedObservableUpDownCounter(GuardedObservable, ObservableUpDownCounter):
    """The catalogue's observable up-down counter of one name."""


class GuardedObservableGauge(GuardedObservable, ObservableGauge):
    """The catalogue's observable gauge of one name."""


SynchronousGuarded = GuardedCounter | GuardedUpDownCounter | GuardedGauge | GuardedHistogram
Guarded = SynchronousGuarded | GuardedObservable
