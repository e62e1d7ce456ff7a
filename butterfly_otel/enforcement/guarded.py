"""OpenTelemetry instruments whose measurements are checked before the SDK sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from opentelemetry.metrics import Counter, Histogram, UpDownCounter

from butterfly_otel.enforcement.stock import Stock
from butterfly_otel.engine.sdk_internals import ApiGauge
from butterfly_otel.handles.targets import Reporting
from butterfly_otel.process import forks
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.process.remembered import Memory, Remembering
from butterfly_otel.process.values import accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.util.types import Attributes

    from butterfly_otel.enforcement.guard import LabelGuard, Verdict
    from butterfly_otel.enforcement.rule import Texts
    from butterfly_otel.enforcement.stock import ApiTarget, Series
    from butterfly_otel.enforcement.violations import Violations
    from butterfly_otel.handles.targets import LabelValues, Target
    from butterfly_otel.views.streams import Stream


class RemoveSeries(Protocol):
    """Ends series of an SDK instrument."""

    def __call__(
        self, instrument: object, attributes: Mapping[str, object], *, exactly: bool
    ) -> None:
        """End the series that has exactly these attributes, or those that have these and others."""
        ...


#: How many attributes that break the contract, say, an instrument remembers.
_MOST_ODD: Final = 1024


class Gate(NamedTuple):
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

    def remove_matching(self, attributes: Mapping[str, object]) -> None:
        """End every series that has these attributes."""
        self._gate.remove_series(self._inner, attributes, exactly=False)

    def accepted(self, value: object) -> float | None:
        """Return a value the metric can hold; ``None`` after reporting any other."""
        return accepted(value, negative_allowed=self._negative_allowed, refuse=self._refuse)


class Follower(Protocol):
    """Remembers where label values lead: a handle."""

    def forget(self, spellings: Sequence[LabelValues]) -> None:
        """Forget one series, by the label values that lead to it."""
        ...

    def invalidate(self) -> None:
        """Forget every series."""
        ...


class Synchronous(Guarded, Remembering["ApiTarget"]):
    """A guarded instrument that is measured by calls.

    Whether by a handle or by OpenTelemetry's API: labels are checked here, by the guard; the
    target that they lead to checks the value. What is remembered of a series, here and by the
    handle, is forgotten when it ends, and nothing else is.

    Args:
        gate: What is enforced.
        inner: The instrument behind it.
        measure: The inner instrument's own method.
    """

    def __init__(self, gate: Gate, inner: Any, measure: Callable[..., None]) -> None:  # noqa: ANN401
        super().__init__(gate, inner)
        self._series: Series = Stock(measure, self.accepted)
        if hasattr(inner, "on_invalid"):
            inner.on_invalid = self._refuse
            self._series = inner
        self._followers: tuple[Follower, ...] = ()
        self._lock = forks.rlock()
        # Replaced whenever a series ends.
        self._version = object()
        # The targets of series that have a place, by their texts.
        self._targets: dict[Texts, ApiTarget] = {}
        self._forget(self._guard.most, _MOST_ODD)
        self._guard.follow(self._ended)

    def follow(self, follower: Follower) -> None:
        """Tell a handle which series end."""
        self._followers = (*self._followers, follower)

    def target(self, values: Sequence[object]) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept."""
        version = self._version
        return self._target(version, self._guard.judge(values))

    def _target(self, version: object, verdict: Verdict) -> tuple[ApiTarget, bool]:
        texts, notes, _, held = verdict
        target = self._targets.get(texts)
        if target is None:
            attributes = self._guard.attributes(texts)
            if held:
                target = self._series.lead(attributes)
                with self._lock:
                    if version is self._version:
                        self._targets[texts] = target
            else:
                target = self._series.lead(attributes, passing=True)
        return (Reporting(target, notes) if notes else target), held

    def remove(self, values: Sequence[object]) -> None:
        """End the series with these label values, given in the contract's order.

        Label values that no series has any more give their places in the budgets back.
        """
        self._guard.release(self._guard.resolve(values))

    def remove_matching(self, attributes: Mapping[str, object]) -> None:
        """End every series that has these attributes, and forget all there is."""
        with self._lock:
            self._version = object()
            self._targets = {}
            self._forget(self._most, _MOST_ODD)
        for follower in self._followers:
            follower.invalidate()
        super().remove_matching(attributes)

    def _ended(self, texts: Texts) -> None:
        """End a series that has no place any more, and forget it wherever it is known."""
        with self._lock:
            self._version = object()
            self._targets.pop(texts, None)
            self._forget_one(texts)
        spellings = self._guard.spellings(texts)
        for follower in self._followers:
            if spellings is None:
                follower.invalidate()
            else:
                follower.forget(spellings)
        self._gate.remove_series(self._inner, self._guard.attributes(texts), exactly=True)

    def _forget_one(self, texts: Texts) -> None:
        """Forget where attributes lead to one series, and what may find a place now."""
        attributes = dict(zip(self._guard.keys, texts, strict=True))
        shape = self._shape
        if self._guard.is_typed or (shape is not None and not attributes.keys() >= set(shape.keys)):
            # A label that is dropped may have been given anything, and one of another type in
            # several spellings.
            self._forget(self._most, _MOST_ODD)
            return
        self._memory = Memory(_MOST_ODD)
        if hasattr(self, "_bare"):
            del self._bare
        if shape is not None:
            self._lookup[2].pop(shape.values(attributes), None)

    def _find_anew(self, attributes: Any) -> ApiTarget:  # noqa: ANN401 - of the caller's
        version = self._version
        target, held = self._target(version, self._guard.judge_mapping(attributes))
        if held and (attributes is None or type(attributes) is dict):
            with self._lock:
                if version is self._version:
                    self._remember(cast("dict[str, Any] | None", attributes), target)
        return target

    def _look_up(self, attributes: dict[str, Any], found: ApiTarget) -> bool:
        return type(found) is not Reporting and super()._look_up(attributes, found)

    def _measure(self, amount: float, attributes: Any, context: Context | None) -> None:  # noqa: ANN401
        try:
            width, values, table = self._lookup
            if type(attributes) is dict and len(cast("dict[str, Any]", attributes)) == width:
                target: ApiTarget = table[values(attributes)]
            else:
                target = self.recall(attributes)
        except Exception:  # noqa: BLE001 - what the caller passes may do anything
            target = self.recall(attributes)
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
