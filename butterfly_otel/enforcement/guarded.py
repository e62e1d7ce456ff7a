"""OpenTelemetry instruments whose measurements are checked before the SDK sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.metrics import Counter, Histogram, UpDownCounter

from butterfly_otel.engine.sdk_internals import ApiGauge
from butterfly_otel.handles.targets import Target
from butterfly_otel.process.values import accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.util.types import Attributes

    from butterfly_otel.enforcement.guard import LabelGuard
    from butterfly_otel.enforcement.violations import Violations
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


class Guarded:
    """What all guarded instruments share."""

    def __init__(self, gate: Gate, inner: object) -> None:
        self.stream = gate.stream
        self._gate = gate
        self._guard = gate.guard
        self._inner = inner
        metric = gate.stream.metric
        self._refuse = partial(gate.violations.value, metric)
        self._negative_allowed = not (metric.monotonic or metric.type == "histogram")

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

    def accepted(self, value: object) -> float | None:
        """Return a value the metric can hold; ``None`` after reporting any other."""
        return accepted(value, negative_allowed=self._negative_allowed, refuse=self._refuse)


class ApiTarget(Target, Protocol):
    """A target of OpenTelemetry's API, whose callers may have a context of their own."""

    def record_within(self, amount: float, context: Context) -> None:
        """Check a value and measure it with a context of the caller's."""
        ...


class Series(Protocol):
    """What finds the target of a series: an instrument of our engine, or :class:`_Stock`."""

    def bind(self, attributes: Mapping[str, str]) -> ApiTarget:
        """Return the target for who keeps it."""
        ...

    def find(self, attributes: Mapping[str, str]) -> ApiTarget:
        """Return the target for one measurement."""
        ...


class _Stock:
    """The series of an instrument of the stock SDK, which finds and checks nothing itself."""

    def __init__(
        self, measure: Callable[..., None], check: Callable[[object], float | None]
    ) -> None:
        self._measure = measure
        self._check = check

    def bind(self, attributes: Mapping[str, str]) -> ApiTarget:
        """Return what measures with these attributes."""
        return _StockTarget(self._measure, self._check, attributes)

    find = bind


class _StockTarget:
    """One series of an instrument of the stock SDK."""

    __slots__ = ("_attributes", "_check", "_measure")

    ready = False

    def __init__(
        self,
        measure: Callable[..., None],
        check: Callable[[object], float | None],
        attributes: Mapping[str, str],
    ) -> None:
        self._measure = measure
        self._check = check
        self._attributes = attributes

    def record(self, amount: float, context: Context | None = None) -> None:
        """Check a value and measure it."""
        checked = self._check(amount)
        if checked is not None:
            self._measure(checked, self._attributes, context)

    record_within = record


class Synchronous(Guarded):
    """A guarded instrument that is measured by calls.

    Whether by a handle or by OpenTelemetry's API: labels are checked here, by the guard; the
    target that they lead to checks the value.

    Args:
        gate: What is enforced.
        inner: The instrument behind it.
        measure: The inner instrument's own method.
    """

    def __init__(self, gate: Gate, inner: Any, measure: Callable[..., None]) -> None:  # noqa: ANN401
        super().__init__(gate, inner)
        self._series: Series = _Stock(measure, self.accepted)
        if hasattr(inner, "on_invalid"):
            inner.on_invalid = self._refuse
            self._series = inner

    def target(self, values: Sequence[object]) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept."""
        attributes, clean = self._guard.admit(values)
        return self._series.bind(attributes), clean

    def _measure(self, amount: float, attributes: Attributes, context: Context | None) -> None:
        target = self._series.find(self._guard.admit_mapping(attributes))
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)


class GuardedCounter(Synchronous, Counter):
    """The catalogue's counter of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_counter(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.add)

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add ``amount`` after checking it and its attributes."""
        self._measure(amount, attributes, context)


class GuardedUpDownCounter(Synchronous, UpDownCounter):
    """The catalogue's up-down counter of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_up_down_counter(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.add)

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add ``amount`` after checking it and its attributes."""
        self._measure(amount, attributes, context)


class GuardedGauge(Synchronous, ApiGauge):
    """The catalogue's gauge of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_gauge(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.set)

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Set the value after checking it and its attributes."""
        self._measure(amount, attributes, context)


class GuardedHistogram(Synchronous, Histogram):
    """The catalogue's histogram of one name."""

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        inner = meter.create_histogram(metric.name, metric.unit, metric.help)
        super().__init__(gate, inner, inner.record)

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Record ``amount`` after checking it and its attributes."""
        self._measure(amount, attributes, context)
