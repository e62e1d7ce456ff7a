"""Exemplar filters and reservoirs of somebody's own that raise cost exemplars, nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, ExemplarFilter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from butterfly_otel.engine import MeterProvider
from butterfly_otel.process import contain
from tests.collected import points

SPAN = NonRecordingSpan(SpanContext(5, 7, is_remote=True, trace_flags=TraceFlags(1)))
DELTA = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)


class BrokenFilter(ExemplarFilter):
    """Raises."""

    def should_sample(self, *measurement: Any) -> bool:
        """Raise."""
        raise RuntimeError(measurement)


class Broken:
    """A reservoir that raises where it is named."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._raise("make")

    def _raise(self, where: str) -> None:
        if self._where == where:
            raise RuntimeError(where)

    def offer(self, *measurement: Any) -> None:
        """Take a measurement, or raise."""
        del measurement
        self._raise("offer")

    def collect(self, attributes: Any) -> list[Any]:
        """Return nothing, or raise."""
        del attributes
        self._raise("collect")
        return []


def factory(where: str) -> Any:
    """Return a factory of such reservoirs."""

    def choose(kind: type[object]) -> Any:
        del kind
        if where == "choose":
            raise RuntimeError(where)
        return lambda **_settings: Broken(where)

    return choose


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log again what other tests have had logged."""
    monkeypatch.setattr(contain, "_logged", set())


@pytest.mark.parametrize("preference", [None, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("where", ["choose", "make", "offer", "collect"])
@pytest.mark.parametrize("always", [False, True], ids=["in a span", "always"])
def test_a_reservoir_that_raises_costs_its_exemplars_alone(
    preference: Any, where: str, caplog: pytest.LogCaptureFixture, *, always: bool
) -> None:
    """Each value counts, the collection goes on, and it is logged once."""
    reader = InMemoryMetricReader(preference)
    settings: dict[str, Any] = {"exemplar_filter": AlwaysOnExemplarFilter()} if always else {}
    views = [View(instrument_name="*", exemplar_reservoir_factory=factory(where))]
    provider = MeterProvider([reader], views=views, shutdown_on_exit=False, **settings)
    meter = provider.get_meter("m")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
    with trace.use_span(SPAN):
        for _ in range(3):
            counter.add(1, {"k": "v"})
            histogram.record(2, {"k": "v"})
    data = reader.get_metrics_data()
    assert data is not None
    [first, second] = data.resource_metrics[0].scope_metrics[0].metrics
    assert [point.value for point in first.data.data_points] == [3]
    assert [point.sum for point in second.data.data_points] == [6]
    assert len([each for each in caplog.messages if "reservoir" in each]) == 1


@pytest.mark.parametrize(
    "aggregation", [DefaultAggregation(), ExponentialBucketHistogramAggregation()]
)
def test_a_filter_that_raises_samples_nothing(
    aggregation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Each value counts, and it is logged once."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="*", aggregation=aggregation)]
    provider = MeterProvider(
        [reader], exemplar_filter=BrokenFilter(), views=views, shutdown_on_exit=False
    )
    histogram = provider.get_meter("m").create_histogram("h")
    for _ in range(3):
        histogram.record(1)
    [point] = points(reader, "h")
    assert (point.count, point.exemplars) == (3, [])
    assert len([each for each in caplog.messages if "exemplar filter" in each]) == 1


@pytest.mark.parametrize("where", ["make", "offer"])
def test_a_reservoir_of_the_sdks_own_stream_that_raises_does_not_raise_into_the_call(
    where: str,
) -> None:
    """What is left to the stock SDK, such as exponential histograms, is shielded likewise."""
    reader = InMemoryMetricReader()
    view = View(
        instrument_name="*",
        aggregation=ExponentialBucketHistogramAggregation(),
        exemplar_reservoir_factory=factory(where),
    )
    provider = MeterProvider(
        [reader], exemplar_filter=AlwaysOnExemplarFilter(), views=[view], shutdown_on_exit=False
    )
    histogram = provider.get_meter("m").create_histogram("h")
    for _ in range(3):
        histogram.record(1)
