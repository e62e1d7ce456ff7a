"""Exemplars: for each filter, temporality and instrument the ones of the stock SDK."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import (
    AlignedHistogramBucketExemplarReservoir,
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    ObservableCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics import _Gauge as Gauge
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from butterfly_otel.engine import MeterProvider
from tests.collected import points
from tests.unit.engine.conftest import facts, standing_clock
from tests.unit.engine.releases import StockProvider

DELTA = dict.fromkeys((Counter, UpDownCounter, Histogram, Gauge), AggregationTemporality.DELTA)
PREFERENCES: dict[str, tuple[Any, ...]] = {
    "cumulative": (None,),
    "delta": (DELTA,),
    "both": (None, DELTA),
}
METHODS = {"counter": "add", "up_down_counter": "add", "histogram": "record", "gauge": "set"}
FILTERS = ("always_on", "always_off", "trace_based")
SAMPLED, DROPPED = TraceIdRatioBased(1), TraceIdRatioBased(0)


class Numbered(RandomIdGenerator):
    """Gives the same ids in each run."""

    def __init__(self) -> None:
        self.given = 0

    def generate_span_id(self) -> int:
        """Return the next number."""
        self.given += 1
        return self.given

    def generate_trace_id(self) -> int:
        """Return a number no span has."""
        return 1000 + self.generate_span_id()


class Switch(Sampler):
    """Samples a span or not, as it is named."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Ask the sampler for spans of that name."""
        chosen = SAMPLED if name == "sampled" else DROPPED
        return chosen.should_sample(parent_context, trace_id, name, *args, **kwargs)

    def get_description(self) -> str:
        """Return how it decides."""
        return "by name"


@pytest.fixture(name="_tracing")
def fixture_tracing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a global tracer provider during the test."""
    provider = TracerProvider(
        ParentBased(Switch()), id_generator=Numbered(), shutdown_on_exit=False
    )
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield
    provider.shutdown()


class Session:
    """A provider with one instrument, measured in and out of spans."""

    def __init__(self, provider_class: type[StockProvider], kind: str, preferences: Any) -> None:
        self.readers = [InMemoryMetricReader(each) for each in preferences]
        views = [View(instrument_name="i", attribute_keys={"k"})]
        self.provider = provider_class(self.readers, views=views, shutdown_on_exit=False)
        self.instrument = getattr(self.provider.get_meter("m"), f"create_{kind}")("i")
        self.method = getattr(self.instrument, METHODS[kind])

    def measure(self, amount: float, value: str, *, bound: bool = False) -> None:
        """Measure, by a bound target where there are any and one is asked for."""
        attributes = {"k": value, "request": f"{amount}"}
        if bound and isinstance(self.provider, MeterProvider):
            self.instrument.bind(attributes).record(amount)
        else:
            self.method(amount, attributes)

    def collect(self) -> list[Any]:
        """Return what each reader collects, but for the resource."""
        collected = [facts(reader.get_metrics_data(), times=True) for reader in self.readers]
        return [each and each[0][2] for each in collected]


def _run(
    provider_class: type[StockProvider], kind: str, preferences: Any, *, bound: bool
) -> list[Any]:
    random.seed(0)  # reservoirs draw lots
    tracer = trace.get_tracer("t")
    collected = []
    with standing_clock() as clock:
        clock.now = 10**18
        session = Session(provider_class, kind, preferences)
        for number in range(3):
            clock.tick()
            session.measure(1 + number, "a", bound=bound)
            with tracer.start_as_current_span("sampled"):
                session.measure(2 + number, "a", bound=bound)
                session.measure(60 + number, "a", bound=bound)
                session.measure(2 + number, "b", bound=bound)
                with tracer.start_as_current_span("inner"):
                    clock.tick()
                    session.measure(7 + number, "a", bound=bound)
            with tracer.start_as_current_span("dropped"):
                session.measure(8 + number, "c", bound=bound)
                session.measure(8 + number, "a", bound=bound)
            collected.append(session.collect())
        collected.append(session.collect())
    return collected


@pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"])
@pytest.mark.parametrize("preferences", PREFERENCES.values(), ids=PREFERENCES.keys())
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.usefixtures("silent")
def test_exemplars_are_the_stock_sdks(
    kind: str, name: str, preferences: Any, *, bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trace id, span id, value, time and filtered attributes are the same, filter by filter."""
    monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", name)
    runs = []
    for provider_class in (StockProvider, MeterProvider):
        tracing = TracerProvider(
            ParentBased(Switch()), id_generator=Numbered(), shutdown_on_exit=False
        )
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracing)
        runs.append(_run(provider_class, kind, preferences, bound=bound))
    stock, ours = runs
    assert ours == stock
    # What is compared has exemplars indeed.
    assert ("'exemplars', ('sequence', (" in repr(stock)) is (name != "always_off")
    assert ("trace_id', ('int'" in repr(stock)) is (name != "always_off")


@pytest.mark.usefixtures("_tracing")
def test_a_histogram_without_boundaries_has_exemplars_too() -> None:
    """One bucket is a bucket."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="h", aggregation=ExplicitBucketHistogramAggregation(()))]
    provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
    histogram = provider.get_meter("m").create_histogram("h")
    with trace.get_tracer("t").start_as_current_span("sampled") as span:
        histogram.record(1)
    [point] = points(reader, "h")
    assert [each.span_id for each in point.exemplars] == [span.get_span_context().span_id]


@pytest.mark.usefixtures("_tracing")
def test_tracing_may_begin_after_a_target_was_bound() -> None:
    """A target bound before there was a tracer provider samples all the same."""
    tracing, trace._TRACER_PROVIDER = trace._TRACER_PROVIDER, None
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("m").create_counter("c")
    bound = counter.bind({"k": "a"})
    bound.record(1)
    counter.add(1, {"k": "a"})
    [point] = points(reader, "c")
    assert point.exemplars == []
    trace._TRACER_PROVIDER = tracing
    with trace.get_tracer("t").start_as_current_span("sampled"):
        bound.record(5)
    [point] = points(reader, "c")
    assert [each.value for each in point.exemplars] == [5]
    assert point.value == 7


@pytest.mark.usefixtures("_tracing")
def test_an_empty_context_means_the_current_one() -> None:
    """An explicit context without entries is taken for no context, as the SDK does."""
    runs = []
    for provider_class in (StockProvider, MeterProvider):
        reader = InMemoryMetricReader()
        provider = provider_class([reader], shutdown_on_exit=False)
        counter = provider.get_meter("m").create_counter("c")
        with trace.get_tracer("t").start_as_current_span("sampled"):
            counter.add(1, context=trace.Context())
        runs.append([each.value for point in points(reader, "c") for each in point.exemplars])
    assert runs == [[1], [1]]


class Unusual(AlwaysOffExemplarFilter):
    """A filter of a user's own that happens to extend one of the SDK's."""

    def should_sample(self, value: float, *args: Any) -> bool:
        """Sample what is more than 1."""
        del args
        return value > 1


def test_a_filter_of_the_users_own_is_asked_about_each_measurement() -> None:
    """What a filter says counts, not what it was derived from."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], exemplar_filter=Unusual(), shutdown_on_exit=False)
    counter = provider.get_meter("m").create_counter("c")
    counter.add(1)
    counter.add(2)
    [point] = points(reader, "c")
    assert [each.value for each in point.exemplars] == [2]


class _Emptied(AlignedHistogramBucketExemplarReservoir):
    """Counts how many there are."""

    alive: ClassVar[weakref.WeakSet[_Emptied]] = weakref.WeakSet()

    def __init__(self, boundaries: Any = (), **kwargs: Any) -> None:
        super().__init__(boundaries, **kwargs)
        self.alive.add(self)


@pytest.mark.parametrize("observed", [False, True])
def test_a_series_that_is_over_takes_its_exemplars_along(*, observed: bool) -> None:
    """A delta's series end at each collection; an observed one gives its place to another."""
    kind = ObservableCounter if observed else Counter
    preference = None if observed else {kind: AggregationTemporality.DELTA}
    view = View(
        instrument_type=kind,
        exemplar_reservoir_factory=lambda _aggregation: _Emptied,
        aggregation_cardinality_limit=2,
    )
    reader = InMemoryMetricReader(preference)
    provider = MeterProvider(
        [reader], exemplar_filter=AlwaysOnExemplarFilter(), views=[view], shutdown_on_exit=False
    )
    meter, rounds = provider.get_meter("m"), iter(range(100))
    if observed:
        meter.create_observable_counter("c", [lambda _: [Observation(1, {"k": str(next(rounds))})]])
    else:
        counter = meter.create_counter("c")
    for number in range(20):
        if not observed:
            counter.add(1, {"k": str(number)})
        [point] = points(reader, "c")
        assert [exemplar.value for exemplar in point.exemplars] == [1]
    gc.collect()
    assert len(_Emptied.alive) <= 2


@pytest.mark.parametrize("current", [False, True])
def test_what_is_observed_again_and_again_has_exemplars_where_its_span_is_sampled(
    *, current: bool
) -> None:
    """A context that comes with an observation counts, and else the current one at collection."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    tracer = TracerProvider(sampler=Switch()).get_tracer("t")
    span = tracer.start_span("sampled")
    own = None if current else trace.set_span_in_context(span)
    attributes = {"k": "a"}, {"k": "b"}

    def observe(_: Any) -> list[tuple[float, Any, Any]]:
        return [(1.0, attributes[0], own), (2.0, attributes[1], None)]

    gauge: Any = provider.get_meter("m").create_observable_gauge("g")
    gauge.use_checked(observe)
    for _ in range(3):
        if current:
            with trace.use_span(span):
                found = points(reader, "g")
        else:
            found = points(reader, "g")
        spans = [[each.span_id for each in point.exemplars] for point in found]
        its = [span.get_span_context().span_id]
        assert spans == [its, its if current else []]
    provider.shutdown()
