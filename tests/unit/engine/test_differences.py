"""Each deliberate difference from the stock SDK, and the defect of the SDK behind it."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from butterfly_otel.engine import MeterProvider
from tests.collected import points
from tests.unit.engine.conftest import facts, standing_clock
from tests.unit.engine.releases import StockProvider

OVERFLOW = {"otel.metric.overflow": True}


class Hostile:
    """Raises whatever is done with it."""

    def __float__(self) -> float:
        raise RuntimeError

    def __le__(self, other: object) -> bool:
        raise RuntimeError

    __ge__ = __lt__ = __gt__ = __le__


def _start(
    reader: InMemoryMetricReader | None = None, **settings: Any
) -> tuple[MeterProvider, InMemoryMetricReader]:
    reader = reader or InMemoryMetricReader()
    return MeterProvider([reader], shutdown_on_exit=False, **settings), reader


INVALID = {
    "string": "x",
    "none": None,
    "list": [1],
    "complex": 1j,
    "nan": float("nan"),
    "infinity": float("inf"),
    "huge": 10**400,
    "too-long-to-print": 10**5000,
    "decimal-nan": Decimal("NaN"),
    "decimal-signalling-nan": Decimal("sNaN"),
    "hostile": Hostile(),
}


@pytest.mark.parametrize("value", INVALID.values(), ids=INVALID.keys())
@pytest.mark.parametrize("make", ["counter", "up_down_counter", "histogram", "gauge"])
def test_an_invalid_value_neither_raises_nor_counts_and_is_logged_once(
    make: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's add("x"), add(None) and add(10**400) raise, and each NaN logs a warning."""
    provider, reader = _start()
    instrument = getattr(provider.get_meter("m"), f"create_{make}")("i")
    method = {"histogram": "record", "gauge": "set"}.get(make, "add")
    measure = getattr(instrument, method)
    bound = instrument.bind({"k": "v"})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            measure(value, {"k": "v"})
            measure(value)
            bound.record(value)
    assert len(caplog.records) == 1
    assert "i: ignored the value" in caplog.text
    assert points(reader, "i") == []
    measure(1, {"k": "v"})
    assert len(points(reader, "i")) == 1


class HostileMapping(dict[str, str]):
    """Raises whatever is done with it."""

    def items(self) -> Any:
        """Raise."""
        raise RuntimeError

    __iter__ = __len__ = __bool__ = items


@pytest.mark.parametrize("context", [None, Context()])
def test_attributes_that_can_not_be_read_neither_raise_nor_cost_the_measurement(
    caplog: pytest.LogCaptureFixture, context: Any
) -> None:
    """The SDK raises what a mapping raises; what is no mapping it takes for no attributes."""
    provider, reader = _start(exemplar_filter=AlwaysOnExemplarFilter())
    counter = provider.get_meter("m").create_counter("i")
    for _ in range(3):
        counter.add(1, HostileMapping(k="v"), context)
    [point] = points(reader, "i")
    assert (point.value, dict(point.attributes)) == (3, {})
    assert caplog.text.count("attributes that can't be read") == 1


@pytest.mark.parametrize("make", ["counter", "histogram", "gauge"])
def test_a_number_of_another_library_is_taken_as_a_float(make: str) -> None:
    """The SDK keeps a Decimal, which fails when it meets a float or the OTLP encoder."""
    provider, reader = _start()
    instrument = getattr(provider.get_meter("m"), f"create_{make}")("i")
    method = {"histogram": "record", "gauge": "set"}.get(make, "add")
    getattr(instrument, method)(Decimal("0.5"))
    getattr(instrument, method)(0.5)
    getattr(instrument, method)(Decimal("0.5"))
    [point] = points(reader, "i")
    value = point.sum if make == "histogram" else point.value
    assert type(value) is float


@pytest.mark.parametrize("make", ["counter", "up_down_counter", "histogram"])
def test_a_sum_of_very_large_ints_can_be_added_to(make: str) -> None:
    """The SDK's sum is an int beyond any float then, and the next float raises OverflowError."""
    provider, reader = _start()
    instrument = getattr(provider.get_meter("m"), f"create_{make}")("i")
    measure = instrument.record if make == "histogram" else instrument.add
    for amount in (1, 10**308, 10**308, 0.5):
        measure(amount, {"k": "v"})
    [point] = points(reader, "i")
    assert (point.sum if make == "histogram" else point.value) == float("inf")


def _churning(reader: InMemoryMetricReader, provider: Any, cycles: int) -> list[list[Any]]:
    cycle = 0

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(100 + cycle, {"pod": f"{each}-{cycle}"}) for each in "ab"]

    provider.get_meter("m").create_observable_counter("o", [observe])
    collected = []
    for _ in range(cycles):
        collected.append(points(reader, "o"))
        cycle += 1
    return collected


@pytest.mark.parametrize(
    ("temporality", "most"),
    # A delta reader needs the last value of a set for one more collection.
    [(AggregationTemporality.CUMULATIVE, 3), (AggregationTemporality.DELTA, 4)],
)
def test_observed_sets_that_come_and_go_do_not_collapse_into_the_overflow_point(
    temporality: AggregationTemporality, most: int
) -> None:
    """The SDK keeps every set it has seen: two live ones and a limit of 3 overflow for ever."""
    reader = InMemoryMetricReader({ObservableCounter: temporality})
    limit = View(instrument_name="o", aggregation_cardinality_limit=most)
    provider, _ = _start(reader, views=[limit])
    for cycle, collected in enumerate(_churning(reader, provider, 8)):
        assert [(point.attributes, point.value) for point in collected] == [
            ({"pod": f"a-{cycle}"}, 100 + cycle),
            ({"pod": f"b-{cycle}"}, 100 + cycle),
        ]


def test_the_stock_sdk_still_collapses_under_churn() -> None:
    """The defect is still there; once it is not, the difference can go."""
    reader = InMemoryMetricReader()
    limit = View(instrument_name="o", aggregation_cardinality_limit=3)
    provider = StockProvider([reader], views=[limit], shutdown_on_exit=False)
    *_, last = _churning(reader, provider, 4)
    assert [point.attributes for point in last] == [OVERFLOW]


@pytest.mark.parametrize("orders", [("abc", "abc", "abc"), ("abc", "cba", "bca"), ("ab", "cab")])
@pytest.mark.parametrize("temporality", list(AggregationTemporality)[1:])
def test_sets_that_are_all_observed_keep_their_places(
    orders: tuple[str, ...], temporality: AggregationTemporality
) -> None:
    """Only a set that is gone loses its place, so without one it is as in the stock SDK."""
    collected = []
    for provider_class in (StockProvider, MeterProvider):
        with standing_clock() as clock:
            clock.now = 10**18
            reader = InMemoryMetricReader({ObservableCounter: temporality})
            limit = View(instrument_name="o", aggregation_cardinality_limit=2)
            provider = provider_class([reader], views=[limit], shutdown_on_exit=False)
            rounds = iter(orders)

            def observe(_options: CallbackOptions) -> Iterable[Observation]:
                return [Observation(ord(each), {"k": each}) for each in next(rounds)]  # noqa: B023

            provider.get_meter("m").create_observable_counter("o", [observe])
            for _ in orders:
                clock.tick()
                collected.append(facts(reader.get_metrics_data(), times=True))
    assert [len(each[0][2][0]) for each in collected] == [3] * len(collected)
    assert _without_resource(collected[len(orders) :]) == _without_resource(
        collected[: len(orders)]
    )


def _without_resource(collected: list[Any]) -> list[Any]:
    return [each[0][2] for each in collected]


class Recorder(InMemoryMetricReader):
    """Counts what is asked of it."""

    flushes = shutdowns = 0

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Count and collect."""
        self.flushes += 1
        return super().force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Count."""
        del timeout_millis, kwargs
        self.shutdowns += 1


def test_flush_and_shutdown_reach_readers_that_were_added_later() -> None:
    """The SDK flushes and shuts down only the readers of its constructor."""
    first, second, third = Recorder(), Recorder(), Recorder()
    provider, _ = _start(first)
    provider.add_metric_reader(second)
    provider.add_metric_reader(third)
    provider.remove_metric_reader(third)
    provider.force_flush()
    provider.shutdown()
    assert [each.flushes for each in (first, second, third)] == [1, 1, 0]
    assert [each.shutdowns for each in (first, second, third)] == [1, 1, 1]


def test_a_sum_of_floats_may_differ_in_the_last_bits_after_collections() -> None:
    """The SDK adds up a sum for each interval; cells keep one sum, as if never collected."""
    values = []
    for provider_class in (StockProvider, MeterProvider):
        reader = InMemoryMetricReader()
        provider = provider_class([reader], shutdown_on_exit=False)
        counter = provider.get_meter("m").create_counter("c")
        for _ in range(3):
            for _ in range(10):
                counter.add(0.1)
            [point] = points(reader, "c")
        values.append(point.value)
    stock, ours = values
    # Not sum(), which compensates for rounding from Python 3.12 on.
    assert ours == functools.reduce(operator.add, [0.1] * 30)
    assert ours == pytest.approx(stock, rel=1e-15)


def test_an_exemplar_from_outside_any_span_has_no_span() -> None:
    """The SDK leaves it the ids of the exemplar whose place it took."""
    span = NonRecordingSpan(SpanContext(5, 7, is_remote=False, trace_flags=TraceFlags(1)))
    found = []
    for provider_class in (StockProvider, MeterProvider):
        reader = InMemoryMetricReader()
        provider = provider_class(
            [reader], exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False
        )
        histogram = provider.get_meter("m").create_histogram("h")
        histogram.record(1, context=set_span_in_context(span, Context()))
        histogram.record(1)
        [point] = points(reader, "h")
        found.append([(each.trace_id, each.span_id) for each in point.exemplars])
    assert found == [[(5, 7)], [(None, None)]]
