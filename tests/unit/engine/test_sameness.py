"""The engine against its oracle: any sequence of operations gives the stock SDK's MetricsData."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    Meter,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    TraceBasedExemplarFilter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics import _Gauge as Gauge
from opentelemetry.sdk.metrics._internal.aggregation import _SumAggregation
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

from butterfly_otel.engine import MeterProvider
from tests.collected import points
from tests.unit.engine.conftest import Clock, Lots, facts, mended_exemplars, silence, standing_clock
from tests.unit.engine.releases import MeterConfig, StockProvider

KINDS: dict[str, type] = {
    "counter": Counter,
    "up_down_counter": UpDownCounter,
    "histogram": Histogram,
    "gauge": Gauge,
    "observable_counter": ObservableCounter,
    "observable_up_down_counter": ObservableUpDownCounter,
    "observable_gauge": ObservableGauge,
}
MEASURE = {
    "counter": "add",
    "up_down_counter": "add",
    "histogram": "record",
    "gauge": "set",
}
SIGNED = ("up_down_counter", "gauge")
# The SDK loses the casing of names (test_meter: casing).
NAMES = ("a", "b", "c")
#: What the SDK raises where it has lost a collection's measurements.
LOST = "Incorrect merge scale"
METERS = ("m", "n")


@dataclass(frozen=True)
class Instrument:
    """What to create, and for an observable what its callback says, collection by collection."""

    kind: str
    name: str
    meter: str
    unit: str
    bounds: tuple[float, ...] | None
    rounds: tuple[tuple[tuple[Any, Any], ...], ...]


@dataclass(frozen=True)
class ReaderSpec:
    """A reader's preferences, by kind of instrument."""

    deltas: frozenset[str]
    aggregations: Mapping[str, Any]
    limits: Mapping[str, int]

    def make(self) -> InMemoryMetricReader:
        """Return such a reader."""
        return InMemoryMetricReader(
            {KINDS[kind]: AggregationTemporality.DELTA for kind in self.deltas},
            {KINDS[kind]: each for kind, each in self.aggregations.items()},
            {KINDS[kind]: each for kind, each in self.limits.items()},
        )


@dataclass(frozen=True)
class Plan:
    """A configuration and what is done with it."""

    instruments: tuple[Instrument, ...]
    views: tuple[View, ...]
    exemplars: Any
    readers: tuple[ReaderSpec, ...]
    registered: int
    operations: tuple[tuple[Any, ...], ...]


@dataclass
class Side:
    """One provider, driven through a plan."""

    provider: StockProvider
    plan: Plan
    readers: list[InMemoryMetricReader]
    made: dict[int, Any] = field(default_factory=dict)
    bound: dict[str, Any] = field(default_factory=dict)
    asked: set[tuple[str, ...]] = field(default_factory=set)

    @classmethod
    def start(cls, provider_class: type[StockProvider], plan: Plan) -> Side:
        """Return a new provider with the readers it has from the beginning."""
        readers = [spec.make() for spec in plan.readers]
        provider = provider_class(
            readers[: plan.registered],
            Resource({"service.name": "s"}),
            plan.exemplars,
            shutdown_on_exit=False,
            views=plan.views,
        )
        return cls(provider, plan, readers)

    def do(self, operation: tuple[Any, ...]) -> Any:
        """Carry one operation out; a collection returns its facts."""
        name, *arguments = operation
        return getattr(self, name)(*arguments)

    def instrument(self, index: int) -> Any:
        """Return an instrument, created when it is first mentioned."""
        if index not in self.made:
            self.made[index] = self._create(self.plan.instruments[index])
        return self.made[index]

    def create(self, index: int) -> None:
        """Create an instrument."""
        self.instrument(index)

    def measure(self, index: int, amount: Any, attributes: Any, context: Any) -> None:
        """Measure by the OpenTelemetry API."""
        instrument = self.instrument(index)
        method = getattr(instrument, MEASURE[self.plan.instruments[index].kind])
        method(amount, attributes, context)

    def measure_bound(self, index: int, amount: Any, attributes: Any) -> None:
        """Measure by a bound target that is kept, where there is such a thing."""
        instrument = self.instrument(index)
        key = f"{index} {attributes!r}"
        # Binding makes the instrument known to the readers, which a refused value does not.
        kind = self.plan.instruments[index].kind
        valid = math.isfinite(amount) and (amount >= 0 or kind in SIGNED)
        if valid and isinstance(self.provider, MeterProvider):
            self.bound[key] = self.bound.get(key) or instrument.bind(attributes)
        if key in self.bound:
            self.bound[key].record(amount)
        else:
            self.measure(index, amount, attributes, None)

    def measure_current(self, index: int, amount: Any, attributes: Any, current: Any) -> None:
        """Measure by both where a context is the current one."""
        token = attach(current)
        try:
            self.measure(index, amount, attributes, None)
            self.measure_bound(index, amount, attributes)
        finally:
            detach(token)

    def collect(self, index: int) -> Any:
        """Collect by one reader, if it is registered."""
        try:
            data = self.readers[index].get_metrics_data()
        except Exception as error:
            # The SDK's exponential histogram can fail to merge its buckets.
            if str(error) != LOST or isinstance(self.provider, MeterProvider):
                raise
            return LOST
        return facts(data, times=True)

    def add_reader(self, index: int) -> None:
        """Register a reader."""
        self.provider.add_metric_reader(self.readers[index])

    def remove_reader(self, index: int) -> None:
        """Remove a reader."""
        self.provider.remove_metric_reader(self.readers[index])

    def enable(self, meters: frozenset[str]) -> None:
        """Disable all meters but these."""
        if MeterConfig is None:
            return

        def configure(scope: InstrumentationScope) -> Any:
            return MeterConfig(is_enabled=scope.name in meters)

        self.provider._set_meter_configurator(meter_configurator=configure)

    def end(self) -> None:
        """Let the readers go, so that nothing is left registered."""
        for reader in self.readers:
            self.provider.remove_metric_reader(reader)

    def _create(self, spec: Instrument) -> Any:
        meter: Any = self.provider.get_meter(spec.meter, "1", "https://schema", {"scope": 1})
        assert isinstance(meter, Meter)
        settings: dict[str, Any] = {"unit": spec.unit, "description": "d"}
        if spec.kind == "histogram":
            settings["explicit_bucket_boundaries_advisory"] = spec.bounds
        if spec.kind not in MEASURE:
            # Of an observable that is created twice the stock SDK asks the first callbacks alone;
            # ours asks all (test_rounds).
            identity = (spec.meter, spec.kind, spec.name.lower(), spec.unit)
            settings["callbacks"] = [] if identity in self.asked else [_callback(spec.rounds)]
            self.asked.add(identity)
        return getattr(meter, f"create_{spec.kind}")(spec.name, **settings)


def _callback(rounds: Any) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return a callback that observes one round after the other, over and over."""
    calls = 0

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        nonlocal calls
        observations = rounds[calls % len(rounds)]
        calls += 1
        for amount, attributes in observations:
            if amount == "raise":
                raise ValueError(amount)
            yield Observation(amount, attributes)

    return observe


def drive(plan: Plan) -> None:
    """Drive both providers through a plan and compare after each collection."""
    clock: Clock
    lots = Lots()
    with silence(), mended_exemplars(), lots.fixed(), standing_clock() as clock:
        stock, ours = (Side.start(each, plan) for each in (StockProvider, MeterProvider))
        try:
            for number, operation in enumerate(plan.operations):
                clock.tick()
                lots.drawn = number // 2 % 2
                expected, got = stock.do(operation), ours.do(operation)
                if expected == LOST:
                    # From here on it is not what was measured (test_exponential).
                    return
                assert got == expected, operation
        finally:
            stock.end()
            ours.end()


def _span(sampled: int) -> Context:
    flags = TraceFlags(sampled)
    span = NonRecordingSpan(SpanContext(5, 7, is_remote=False, trace_flags=flags))
    return set_span_in_context(span, Context())


CONTEXTS = st.sampled_from([None, None, None, Context(), _span(0), _span(1)])

# Few different ones, so that they meet again; multiples of 1/8, so that sums are exact in any
# order (test_differences: the last bit of a cumulative sum).
AMOUNTS = st.one_of(
    st.integers(-2, 12),
    st.sampled_from([0.0, -0.0, 0.125, 2.5, -1.5, 5.0, 1e300, 5e-324, True, False, 2**70]),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
)
SCALARS = st.sampled_from(
    ["x", "y", "z", "", 0, 1, 1.0, True, False, 0.0, -0.0, None, b"x", "1", float("inf")]
)
VALUES = st.one_of(
    st.sampled_from(["x", "y", "z"]),
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["p", "q", ""]), SCALARS, max_size=2),
    st.just({1, 2}),
    st.just([["nested", {"k": [1]}]]),
)
KEYS = st.one_of(
    st.sampled_from(["k", "j", "l"]),
    st.sampled_from(["k", "", None, 1, "1", True, 1.5, ("t",), "otel.metric.overflow"]),
)
ATTRIBUTES = st.one_of(
    st.dictionaries(st.sampled_from(["k", "j"]), st.sampled_from(["x", "y", "z"]), max_size=2),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.sampled_from([None, {}, {"otel.metric.overflow": True}, [("k", "x")], "k", 5, {"k"}]),
)
AGGREGATIONS = st.sampled_from(
    [
        DefaultAggregation(),
        SumAggregation(),
        LastValueAggregation(),
        DropAggregation(),
        ExplicitBucketHistogramAggregation((1, 2.5, 5)),
        ExplicitBucketHistogramAggregation((0, 5), record_min_max=False),
        ExplicitBucketHistogramAggregation(()),
        ExplicitBucketHistogramAggregation(),
        ExponentialBucketHistogramAggregation(4, 3),
    ]
)
KEY_LISTS = st.none() | st.sets(st.sampled_from(["k", "j", "1", "absent"]), max_size=2)
LIMITS = st.none() | st.integers(1, 5)
EXEMPLAR_FILTERS = st.sampled_from(
    [AlwaysOnExemplarFilter(), AlwaysOffExemplarFilter(), TraceBasedExemplarFilter()]
)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Draw a View."""
    name = draw(st.sampled_from([*NAMES, "*", "?", None]))
    criteria: dict[str, Any] = {"instrument_name": name}
    if name is None or draw(st.booleans()):
        criteria["instrument_type"] = draw(st.sampled_from(list(KINDS.values())))
    if draw(st.booleans()):
        criteria["meter_name"] = draw(st.sampled_from(METERS))
    return View(
        **criteria,
        name=None if name in ("*", "?") else draw(st.sampled_from([None, "renamed"])),
        description=draw(st.sampled_from([None, "other"])),
        attribute_keys=draw(KEY_LISTS),
        aggregation=draw(AGGREGATIONS),
        aggregation_cardinality_limit=draw(LIMITS),
    )


@st.composite
def readers(draw: st.DrawFn) -> ReaderSpec:
    """Draw a reader's preferences."""
    kinds = st.sampled_from(list(KINDS))
    deltas = st.just(frozenset[str]()) | st.just(frozenset(KINDS)) | st.frozensets(kinds)
    return ReaderSpec(
        draw(deltas),
        draw(st.just({}) | st.dictionaries(kinds, AGGREGATIONS, max_size=2)),
        draw(st.just({}) | st.dictionaries(kinds, st.integers(1, 5), max_size=2)),
    )


def churns(rounds: tuple[tuple[tuple[Any, Any], ...], ...], *, interrupted: bool) -> bool:
    """Tell whether an observable's attribute sets come and go (test_differences: churn).

    A set is not observed either where its value is refused or its meter disabled.
    """
    seen = {
        frozenset(repr(attributes) for amount, attributes in each if _counts(amount))
        for each in rounds
    }
    return len(seen) > 1 or (interrupted and len(rounds) > 1)


def _counts(amount: Any) -> bool:
    return amount != "raise" and math.isfinite(amount)


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    """Draw an instrument; an observable's attribute sets come in any order."""
    kind = draw(st.sampled_from(list(KINDS)))
    rounds: tuple[Any, ...] = ((),)
    if kind not in MEASURE:
        observations = st.lists(st.tuples(AMOUNTS, ATTRIBUTES), max_size=4)
        first = draw(observations)
        orders = draw(st.lists(st.permutations(first), max_size=2))
        fresh = [[(draw(AMOUNTS), attributes) for _, attributes in each] for each in orders]
        rounds = tuple(tuple(each) for each in [first, *fresh])
        if draw(st.booleans()) and len(first) > 1:
            rounds = (*rounds, (*rounds[0], ("raise", first[0][1])))
    return Instrument(
        kind,
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(METERS)),
        draw(st.sampled_from(["", "By"])),
        draw(st.sampled_from([None, (), (1.0, 2.5, 8)])),
        rounds,
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a configuration and a sequence of operations."""
    made = draw(st.lists(instruments(), min_size=1, max_size=4))
    specs = draw(st.lists(readers(), min_size=1, max_size=3))
    index = st.integers(0, len(made) - 1)
    direct = [i for i, each in enumerate(made) if each.kind in MEASURE]
    reader = st.integers(0, len(specs) - 1)
    # A small pool of attributes: what is interesting is meeting them again.
    pool = st.sampled_from(draw(st.lists(ATTRIBUTES, min_size=1, max_size=6)))
    choices = [
        st.tuples(st.just("collect"), reader),
        st.tuples(st.just("collect"), reader),
        st.tuples(st.just("create"), index),
        st.tuples(st.sampled_from(["add_reader", "remove_reader"]), reader),
        st.tuples(st.just("enable"), st.frozensets(st.sampled_from(METERS))),
    ]
    if direct:
        which = st.sampled_from(direct)
        choices += 4 * [st.tuples(st.just("measure"), which, AMOUNTS, pool, CONTEXTS)]
        choices += 2 * [st.tuples(st.just("measure_bound"), which, AMOUNTS, pool)]
        spans = st.sampled_from([Context(), _span(0), _span(1), _span(1)])
        choices += 2 * [st.tuples(st.just("measure_current"), which, AMOUNTS, pool, spans)]
    operations = draw(st.lists(st.one_of(choices), min_size=1, max_size=30))
    interrupted = any(name == "enable" for name, *_ in operations)
    return Plan(
        tuple(
            replace(each, rounds=each.rounds[:1])
            if churns(each.rounds, interrupted=interrupted)
            else each
            for each in made
        ),
        tuple(draw(st.lists(views(), max_size=3))),
        draw(EXEMPLAR_FILTERS),
        tuple(specs),
        draw(st.integers(0, len(specs))),
        (*operations, *(("collect", i) for i in range(len(specs)))),
    )


_NEGATIVE_ZERO = Plan(
    (Instrument("observable_counter", "a", "m", "", None, (((-0.0, {}),),)),),
    (),
    AlwaysOffExemplarFilter(),
    (ReaderSpec(frozenset(), {}, {}),),
    1,
    (("create", 0), ("collect", 0)),
)


@settings(suppress_health_check=list(HealthCheck))
@given(plans())
@example(_NEGATIVE_ZERO)
def test_the_engine_exports_what_the_stock_sdk_exports(plan: Plan) -> None:
    """Whatever is created, measured, collected and switched, MetricsData is the stock SDK's."""
    drive(plan)


class _TwiceState(_SumAggregation):
    def aggregate(self, measurement: Any, should_sample_exemplar: bool = True) -> None:  # noqa: FBT001, FBT002 - the SDK's signature
        super().aggregate(measurement, should_sample_exemplar)
        super().aggregate(measurement, should_sample_exemplar)


class Twice(SumAggregation):
    """An aggregation of a user's own, built on one of the SDK's."""

    def _create_aggregation(self, *args: Any) -> Any:
        made = super()._create_aggregation(*args)
        made.__class__ = _TwiceState
        return made


def test_an_aggregation_of_the_users_own_goes_the_stock_way() -> None:
    """Cells stand for the SDK's aggregations exactly, not for what extends them."""
    for provider_class in (StockProvider, MeterProvider):
        reader = InMemoryMetricReader()
        views = [View(instrument_name="c", aggregation=Twice())]
        provider = provider_class([reader], views=views, shutdown_on_exit=False)
        provider.get_meter("m").create_counter("c").add(1)
        assert [point.value for point in points(reader, "c")] == [2]


@pytest.mark.parametrize("kind", list(MEASURE))
@pytest.mark.parametrize(
    "aggregation",
    [
        SumAggregation(),
        LastValueAggregation(),
        ExplicitBucketHistogramAggregation((1, 5)),
        ExplicitBucketHistogramAggregation((1, 5), record_min_max=False),
        ExponentialBucketHistogramAggregation(),
    ],
)
@pytest.mark.parametrize("by_view", [True, False])
def test_any_instrument_may_be_aggregated_in_any_way(
    kind: str, aggregation: Any, *, by_view: bool
) -> None:
    """What an instrument measures in line are its usual cells, never those of another way."""
    collected: list[Any] = []
    for provider_class in (StockProvider, MeterProvider):
        reader = InMemoryMetricReader(
            preferred_aggregation={} if by_view else {KINDS[kind]: aggregation}
        )
        views = [View(instrument_name="i", aggregation=aggregation)] if by_view else []
        provider = provider_class([reader], views=views, shutdown_on_exit=False)
        instrument = getattr(provider.get_meter("m"), f"create_{kind}")("i")
        for amount in (1, 0.5, 3, 2.5):
            for _ in range(2):
                getattr(instrument, MEASURE[kind])(amount, {"k": "x"})
        collected.append(facts(reader.get_metrics_data()))
    assert collected[0] == collected[1]
