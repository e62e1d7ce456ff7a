"""Producers of metrics, registered with readers of the SDK and of ours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import (
    Histogram,
    MeterProvider,
    ObservableCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Gauge, Summary
from prometheus_client import Histogram as PrometheusHistogram

from butterfly_otel.engine import MeterProvider as OurMeterProvider
from butterfly_otel.exporters.bridge import PrometheusMetricProducer, register_producer
from butterfly_otel.exporters.delivery import Delivery, DetailedExporter
from butterfly_otel.exporters.push import PushMetricReader

if TYPE_CHECKING:
    from collections.abc import Sequence

DELTA = AggregationTemporality.DELTA
ENGINES = pytest.mark.parametrize("engine", [MeterProvider, OurMeterProvider])


class Keeping(MetricExporter):
    """Keeps what it is given; fails where it is told to."""

    def __init__(self, *deltas: type) -> None:
        super().__init__(preferred_temporality=dict.fromkeys(deltas, DELTA))
        self.exported: list[MetricsData] = []
        self.fails = False

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> MetricExportResult:
        """Keep it."""
        del timeout_millis
        self.exported.append(metrics_data)
        return MetricExportResult.FAILURE if self.fails else MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is kept back."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """There is nothing to end."""


class Knowing(Keeping, DetailedExporter):
    """One that takes what OTLP has and the SDK's data model has not."""

    takes_summaries = True

    def deliver(self, metrics_data: MetricsData) -> Delivery:
        """Keep it; what failed may be sent again."""
        self.export(metrics_data)
        return Delivery(metrics_data if self.fails else None)


def metrics_in(data: MetricsData | None) -> dict[str, Any]:
    """The metrics of a collection by name."""
    assert data is not None
    [resource] = data.resource_metrics
    return {each.name: each for scope in resource.scope_metrics for each in scope.metrics}


def values(data: MetricsData | None) -> dict[str, Any]:
    """Their only points' values or counts."""
    found = {}
    for name, metric in metrics_in(data).items():
        [point] = metric.data.data_points
        found[name] = getattr(point, "value", getattr(point, "count", None))
    return found


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with one counter."""
    made = CollectorRegistry()
    Counter("theirs", "T.", registry=made).inc(3)
    return made


@ENGINES
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reader_has_both(registry: CollectorRegistry, engine: Any, when: str) -> None:
    """What its provider measures and what the producer has, with the provider's resource.

    Whether it is registered before the provider has the reader or after.
    """
    reader = InMemoryMetricReader()
    if when == "before":
        register_producer(reader, PrometheusMetricProducer(registry))
    provider = engine([reader], Resource({"a": "b"}), shutdown_on_exit=False)
    if when == "after":
        register_producer(reader, PrometheusMetricProducer(registry))
    provider.get_meter("m").create_counter("ours").add(2)
    for _ in range(2):
        data = reader.get_metrics_data()
        assert values(data) == {"ours": 2, "theirs_total": 3}
        assert data is not None
        assert data.resource_metrics[0].resource.attributes["a"] == "b"
    provider.shutdown()


@ENGINES
def test_a_provider_that_has_measured_nothing(registry: CollectorRegistry, engine: Any) -> None:
    """The producer's metrics are exported alone, under its resource."""
    reader = InMemoryMetricReader()
    register_producer(reader, PrometheusMetricProducer(registry))
    provider = engine([reader], Resource({"a": "b"}), shutdown_on_exit=False)
    data = reader.get_metrics_data()
    assert values(data) == {"theirs_total": 3}
    assert data is not None
    assert data.resource_metrics[0].resource.attributes["a"] == "b"
    provider.shutdown()


def test_a_reader_of_the_sdk_that_pushes(registry: CollectorRegistry) -> None:
    """It exports both in one batch; the console takes it as well."""
    exporter = Keeping()
    readers = [
        PeriodicExportingMetricReader(each, export_interval_millis=math.inf)
        for each in (exporter, ConsoleMetricExporter(formatter=lambda data: data.to_json(None)))
    ]
    Summary("steps", "S.", registry=registry).observe(2)
    for reader in readers:
        register_producer(reader, PrometheusMetricProducer(registry))
    provider = MeterProvider(readers, shutdown_on_exit=False)
    provider.get_meter("m").create_counter("ours").add(2)
    assert provider.force_flush()
    assert values(exporter.exported[0]) == {"ours": 2, "theirs_total": 3, "steps": 1}
    provider.shutdown()


def test_a_producer_that_raises_costs_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once; the provider's metrics and other producers' arrive."""

    class Broken:
        def produce(self, timeout_millis: float = 10_000) -> Sequence[ScopeMetrics]:
            raise KeyError(timeout_millis)

    monkeypatch.setattr("butterfly_otel.process.contain._logged", set())
    registry = CollectorRegistry()
    Gauge("theirs", "T.", registry=registry).set(1)
    reader = InMemoryMetricReader()
    register_producer(reader, Broken())
    register_producer(reader, PrometheusMetricProducer(registry))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("ours").add(2)
    for _ in range(2):
        assert values(reader.get_metrics_data()) == {"ours": 2, "theirs": 1}
    assert ["Broken" in each.getMessage() for each in caplog.records] == [True]
    provider.shutdown()


def test_summaries_become_histograms_for_those_who_do_not_know_them() -> None:
    """Their count and sum, and the quantiles under another name; whoever asks gets the summary."""
    from tests.unit.exporters.bridge.bridged import Custom, family  # noqa: PLC0415 - only here

    registry = CollectorRegistry()
    samples = [("", {"quantile": "0.5", "k": "v"}, 7), ("_count", {"k": "v"}, 4)]
    told = family("rpc", "summary", *samples, ("_sum", {"k": "v"}, 9))
    registry.register(Custom(lambda: [told]))  # type: ignore[arg-type]
    stock, knowing = InMemoryMetricReader(), InMemoryMetricReader()
    producer = PrometheusMetricProducer(registry)
    register_producer(stock, producer)
    register_producer(knowing, producer, summaries=True)
    provider = MeterProvider([stock, knowing], shutdown_on_exit=False)
    found = metrics_in(stock.get_metrics_data())
    [point] = found["rpc"].data.data_points
    assert (point.count, point.sum, point.bucket_counts) == (4, 9, [4])
    assert list(point.explicit_bounds) == []
    [quantile] = found["rpc_quantile"].data.data_points
    assert (quantile.value, quantile.attributes) == (7, {"k": "v", "quantile": "0.5"})
    assert type(metrics_in(knowing.get_metrics_data())["rpc"].data).__name__ == "Summary"
    provider.shutdown()


def test_deltas_for_readers_that_prefer_them(registry: CollectorRegistry) -> None:
    """The first is all that there is; later ones follow each other without a gap."""
    sizes = PrometheusHistogram("sizes", "S.", registry=registry, buckets=(1,))
    sizes.observe(0.5, {"id": "old"})
    reader = InMemoryMetricReader(
        preferred_temporality={ObservableCounter: DELTA, Histogram: DELTA}
    )
    register_producer(reader, PrometheusMetricProducer(registry))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    first = metrics_in(reader.get_metrics_data())
    assert first["theirs_total"].data.aggregation_temporality == DELTA
    counter = registry._names_to_collectors["theirs_total"]
    counter.inc(4)  # type: ignore[attr-defined]
    sizes.observe(5, {"id": "new"})
    second = metrics_in(reader.get_metrics_data())
    one, other = (each["theirs_total"].data.data_points[0] for each in (first, second))
    assert (one.value, other.value) == (3, 4)
    assert other.start_time_unix_nano == one.time_unix_nano
    one, other = (each["sizes"].data.data_points[0] for each in (first, second))
    assert (one.count, one.sum, one.bucket_counts) == (1, 0.5, [1, 0])
    assert (other.count, other.sum, other.bucket_counts) == (1, 5, [0, 1])
    assert [each.filtered_attributes["id"] for each in one.exemplars] == ["old"]
    assert [each.filtered_attributes["id"] for each in other.exemplars] == ["new"]
    counter.reset()  # type: ignore[attr-defined]
    counter.inc(9)  # type: ignore[attr-defined]
    third = metrics_in(reader.get_metrics_data())["theirs_total"].data.data_points[0]
    assert third.value == 9
    provider.shutdown()


def test_deltas_of_some_kinds_alone(registry: CollectorRegistry) -> None:
    """As with the preference `lowmemory`: histograms are deltas, and counters that are read not."""
    PrometheusHistogram("sizes", "S.", registry=registry).observe(1)
    reader = InMemoryMetricReader(preferred_temporality={Histogram: DELTA})
    register_producer(reader, PrometheusMetricProducer(registry))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    for _ in range(2):
        found = metrics_in(reader.get_metrics_data())
        assert found["theirs_total"].data.data_points[0].value == 3
        assert found["sizes"].data.aggregation_temporality == DELTA
    assert found["sizes"].data.data_points[0].count == 0
    provider.shutdown()


def test_deltas_go_on_after_a_series_was_missing() -> None:
    """A collector that raises once doesn't make a second first delta."""
    from tests.unit.exporters.bridge.bridged import Custom, family  # noqa: PLC0415 - only here

    told = [family("c", "counter", ("_total", {}, 5))]
    registry = CollectorRegistry()
    registry.register(Custom(lambda: told))  # type: ignore[arg-type]
    reader = InMemoryMetricReader(preferred_temporality={ObservableCounter: DELTA})
    register_producer(reader, PrometheusMetricProducer(registry))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    found = [values(reader.get_metrics_data())["c_total"]]
    told[:] = []
    reader.get_metrics_data()
    told[:] = [family("c", "counter", ("_total", {}, 7))]
    found.append(values(reader.get_metrics_data())["c_total"])
    assert found == [5, 2]
    provider.shutdown()


@pytest.mark.parametrize("kind", [Keeping, Knowing])
def test_deltas_that_did_not_arrive_are_in_the_next_export(
    registry: CollectorRegistry, kind: type[Keeping]
) -> None:
    """Our reader adds them, as it does with the provider's own, a missing sum included."""
    sizes = PrometheusHistogram("sizes", "S.", registry=registry, buckets=(-1, 1))
    sizes.observe(0.5)
    exporter = kind(ObservableCounter, Histogram)
    reader = PushMetricReader(
        exporter,
        name="kept",
        interval=3600,
        timeout=30,
        producers=[PrometheusMetricProducer(registry)],
    )
    provider = OurMeterProvider([reader], shutdown_on_exit=False)
    exporter.fails = True
    assert not reader.force_flush(30_000)
    exporter.fails = False
    sizes.observe(0.5)
    assert reader.force_flush(30_000)
    assert values(exporter.exported[-1]) == {"theirs_total": 3, "sizes": 2}
    total = metrics_in(exporter.exported[-1])["sizes"].data.data_points[0].sum
    assert total is None if kind is Knowing else math.isnan(total)
    provider.shutdown()


def test_one_producer_for_several_readers(registry: CollectorRegistry) -> None:
    """Each has everything, deltas of its own included."""
    producer = PrometheusMetricProducer(registry)
    readers = [
        InMemoryMetricReader(preferred_temporality={ObservableCounter: DELTA}),
        InMemoryMetricReader(),
    ]
    for reader in readers:
        register_producer(reader, producer)
    provider = MeterProvider(readers, shutdown_on_exit=False)
    found = [[values(each.get_metrics_data())["theirs_total"] for _ in "12"] for each in readers]
    assert found == [[3, 0], [3, 3]]
    provider.shutdown()


def test_a_release_whose_readers_take_nothing_more(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader goes on without the producer, and the log says so."""
    monkeypatch.setattr("butterfly_otel.process.contain._logged", set())

    of_a_release_to_come: Any = object()
    register_producer(of_a_release_to_come, PrometheusMetricProducer(registry))
    [said] = [each.getMessage() for each in caplog.records]
    assert "PrometheusMetricProducer are not exported" in said
