"""Under which names, types and labels a metric arrives by each way that OTLP can take.

The stock SDK and exporters push; what they push is read back through Prometheus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine import MeterProvider as OurMeterProvider
from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.settings.config import load_config

from .servers import Collector, Prometheus, Sample, Scrape, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.e2e

RESOURCE = Resource(
    {
        "service.namespace": "butterfly",
        "service.name": "node",
        "service.instance.id": "n1",
        "service.version": "1.2",
    }
)
# What `push` measures, under the names, types and labels in which it arrives everywhere when
# names are left as they are. Every series also has these two labels.
IDENTITY = {"job": "butterfly/node", "instance": "n1"}
TYPES = {
    "butterfly_network_bytes_sent": "counter",
    "butterfly_requests_total": "counter",
    "butterfly_tasks_total": "counter",
    "butterfly_requests_in_flight": "gauge",
    "butterfly_queue_length": "gauge",
    "butterfly_x_total": "gauge",
    "butterfly_load_ratio": "gauge",
    "butterfly_bare": "gauge",
    "butterfly_latency_seconds": "histogram",
}
SERIES = {
    'butterfly_network_bytes_sent{to_node="b"}': 5,
    'butterfly_requests_total{method="inference"}': 3,
    'butterfly_tasks_total{task_id="0"}': 1,
    'butterfly_tasks_total{task_id="1"}': 1,
    'butterfly_tasks_total{otel_metric_overflow="true"}': 2,
    "butterfly_requests_in_flight{}": 2,
    'butterfly_queue_length{node_id="n1"}': 4,
    "butterfly_x_total{}": 7,
    "butterfly_load_ratio{}": 0.5,
    "butterfly_bare{}": 0.25,
    'butterfly_latency_seconds_bucket{le="0.01"}': 0,
    'butterfly_latency_seconds_bucket{le="5"}': 1,
    'butterfly_latency_seconds_bucket{le="inf"}': 2,
    "butterfly_latency_seconds_sum{}": 8.5,
    "butterfly_latency_seconds_count{}": 2,
}
TARGET_INFO = 'target_info{service_version="1.2"}'


def push(exporter: MetricExporter) -> None:
    """Measure something with each kind of instrument and export it once."""

    def queue(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(4, {"node_id": "n1"})

    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    limited = View(instrument_name="butterfly_tasks_total", aggregation_cardinality_limit=2)
    provider = MeterProvider([reader], RESOURCE, views=[limited], shutdown_on_exit=False)
    meter = provider.get_meter("scope", "9.9")
    meter.create_counter("butterfly_network_bytes_sent", "By").add(5, {"to_node": "b"})
    requests = meter.create_counter("butterfly_requests_total", "{request}")
    requests.add(3, {"method": "inference", "empty": ""})
    tasks = meter.create_counter("butterfly_tasks_total", "{task}")
    for task in range(4):
        tasks.add(1, {"task_id": str(task)})
    meter.create_up_down_counter("butterfly_requests_in_flight", "{request}").add(2)
    meter.create_observable_up_down_counter("butterfly_queue_length", [queue], "{task}")
    meter.create_gauge("butterfly_x_total", "{entry}").set(7)
    meter.create_gauge("butterfly_load_ratio", "1").set(0.5)
    meter.create_gauge("butterfly_bare", "1").set(0.25)
    latency = meter.create_histogram(
        "butterfly_latency_seconds", "s", explicit_bucket_boundaries_advisory=[0.01, 5.0]
    )
    latency.record(0.5)
    latency.record(8.0)
    assert provider.force_flush()
    provider.shutdown()


def spelled(samples: Iterable[Sample]) -> dict[str, float]:
    """Samples as `name{label="value"}`, without identity and with `le` in one spelling."""
    found = {}
    for labels, value in samples:
        rest = {k: v for k, v in labels.items() if k != "__name__" and IDENTITY.get(k) != v}
        if "le" in rest:
            rest["le"] = f"{float(rest['le']):g}"
        inner = ",".join(f'{key}="{rest[key]}"' for key in sorted(rest))
        found[f"{labels['__name__']}{{{inner}}}"] = value
    return found


def exporter_to(collector: Collector, protocol: str) -> MetricExporter:
    """The stock exporter of that protocol, to that Collector."""
    if protocol == "grpc":
        return GrpcExporter(collector.grpc_endpoint, insecure=True)
    return HttpExporter(collector.http_endpoint)


def everything(prometheus: Prometheus) -> list[Sample]:
    """Every series that was pushed, once the last of them is there."""
    prometheus.wait_for("butterfly_latency_seconds_count")
    return prometheus.query('{__name__=~"butterfly_.*|target_info"}')


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_through_the_collector(
    otelcol: Path, prometheus3: Path, tmp_path: Path, protocol: str
) -> None:
    """By the Collector every name, type and label arrives as measured, plus job and instance."""
    with Collector(otelcol, tmp_path) as collector:
        push(exporter_to(collector, protocol))
        scrape = Scrape([collector.prometheus_target], honor_labels=True)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            samples = everything(prometheus)
            metadata = prometheus.metadata()
        written = wait_until(collector.exported, 10, "a line in the exporter's file")
    assert spelled(samples) == {**SERIES, TARGET_INFO: 1}
    assert all(sample.labels.items() >= IDENTITY.items() for sample in samples)
    assert {name: metadata[name][0]["type"] for name in TYPES} == TYPES
    (scope,) = written[0]["resourceMetrics"][0]["scopeMetrics"]
    assert {metric["name"] for metric in scope["metrics"]} == TYPES.keys()


def test_more_series_than_one_request_may_have(otelcol: Path, tmp_path: Path) -> None:
    """By default all arrive where a single request with them is more than the Collector takes."""
    data = many_series(50_000)
    with Collector(otelcol, tmp_path) as collector:
        to = {"otlp_protocol": "grpc", "otlp_endpoint": collector.grpc_endpoint}
        at_once = export(data, **to, otlp_batch_size=10**6)
        assert at_once is MetricExportResult.FAILURE
        assert "butterfly_tasks_total" not in collector.exposition()
        assert export(data, **to) is MetricExportResult.SUCCESS
        wait_until(lambda: tasks(collector.exposition()) == 50_000, 30, "every series")


def many_series(number: int) -> MetricsData:
    """A collection of a counter with so many series."""
    collected: list[MetricsData] = []

    class Keeping(MetricReader):
        """Keeps what it collects."""

        def _receive_metrics(self, metrics_data: MetricsData, *_: Any, **__: Any) -> None:
            collected.append(metrics_data)

        def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
            """There is nothing to end."""

    limit = View(instrument_name="butterfly_tasks_total", aggregation_cardinality_limit=number + 1)
    reader = Keeping()
    provider = OurMeterProvider([reader], RESOURCE, views=[limit], shutdown_on_exit=False)
    counter = provider.get_meter("scope").create_counter("butterfly_tasks_total", "{task}")
    for task in range(number):
        labels = {
            "node_id": "compute-node-1",
            "to_node": "compute-node-2",
            "task_id": f"{task:032}",
        }
        counter.add(1, labels)
    reader.collect()
    provider.shutdown()
    return collected[0]


def export(data: MetricsData, **settings: Any) -> MetricExportResult:
    """Export once, as configure() would with these settings."""
    node = {"node_id": "n1", "node_role": "compute"}
    exporter = build_otlp_exporter(load_config({**node, **settings}).otlp)
    try:
        return exporter.export(data)
    finally:
        exporter.shutdown()


def tasks(page: str) -> int:
    """How many series of that counter a page has."""
    return sum(line.startswith("butterfly_tasks_total{") for line in page.splitlines())


def test_straight_into_prometheus(prometheus3: Path, tmp_path: Path) -> None:
    """By its own receiver every name and label arrives as measured, but no metadata."""
    with Prometheus(prometheus3, tmp_path) as prometheus:
        push(HttpExporter(prometheus.otlp_endpoint))
        samples = everything(prometheus)
        metadata = prometheus.metadata()
        le = {one["le"] for one in prometheus.series("butterfly_latency_seconds_bucket")}
    assert spelled(samples) == {**SERIES, TARGET_INFO: 1}
    assert all(sample.labels.items() >= IDENTITY.items() for sample in samples)
    assert metadata == {}
    assert le == {"0.01", "5", "+Inf"}


def test_types_straight_into_prometheus(prometheus3: Path, tmp_path: Path) -> None:
    """With `type-and-unit-labels` the receiver tells the type and unit of each series."""
    features = ["type-and-unit-labels"]
    with Prometheus(prometheus3, tmp_path, features=features) as prometheus:
        push(HttpExporter(prometheus.otlp_endpoint))
        labels = [sample.labels for sample in everything(prometheus)]
    types = {one["__name__"]: one.get("__type__") for one in labels}
    units = {one["__unit__"] for one in labels if "__unit__" in one}
    histogram = types.pop("butterfly_latency_seconds_bucket")
    assert histogram == types.pop("butterfly_latency_seconds_sum") == "histogram"
    types["butterfly_latency_seconds"] = types.pop("butterfly_latency_seconds_count")
    assert types == {**TYPES, "target_info": None}
    assert units == {"bytes", "seconds"}


def test_the_default_translation_renames(otelcol: Path, prometheus3: Path, tmp_path: Path) -> None:
    """With suffixes, the default, two of the names change by either way."""
    renamed = {
        "butterfly_network_bytes_sent": "butterfly_network_bytes_sent_total",
        "butterfly_bare": "butterfly_bare_ratio",
    }
    suffixes = {"translation_strategy": "UnderscoreEscapingWithSuffixes"}
    with Collector(otelcol, tmp_path, prometheus=suffixes) as collector:
        push(exporter_to(collector, "grpc"))
        page = wait_until(collector.exposition, 10, "an exposition")
    with Prometheus(prometheus3, tmp_path, otlp=suffixes) as prometheus:
        push(HttpExporter(prometheus.otlp_endpoint))
        names = {sample.labels["__name__"] for sample in everything(prometheus)}
    families = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert families == {renamed.get(name, name) for name in TYPES} | {"target_info"}
    series = {name.partition("{")[0] for name in SERIES}
    assert names == {renamed.get(name, name) for name in series} | {"target_info"}


def test_scope_labels_are_a_setting(otelcol: Path, prometheus3: Path, tmp_path: Path) -> None:
    """The Collector adds them unless `without_scope_info`; Prometheus where it is asked to."""
    scope = {"otel_scope_name": "scope", "otel_scope_version": "9.9"}
    with Collector(otelcol, tmp_path, prometheus={"without_scope_info": False}) as collector:
        push(exporter_to(collector, "grpc"))
        target = Scrape([collector.prometheus_target], honor_labels=True)
        promote = {"promote_scope_metadata": True}
        with (
            Prometheus(prometheus3, tmp_path, scrapes=[target]) as scraping,
            Prometheus(prometheus3, tmp_path, otlp=promote) as receiving,
        ):
            push(HttpExporter(receiving.otlp_endpoint))
            found = [everything(prometheus) for prometheus in (scraping, receiving)]
    for samples in found:
        for labels, _ in samples:
            wanted = {} if labels["__name__"] == "target_info" else scope
            assert {k: v for k, v in labels.items() if k.startswith("otel_scope")} == wanted


def test_openmetrics_of_the_collector(otelcol: Path, prometheus3: Path, tmp_path: Path) -> None:
    """In its OpenMetrics the counter whose name lacks `_total` keeps it, of type unknown."""
    settings = {"enable_open_metrics": True}
    with Collector(otelcol, tmp_path, prometheus=settings) as collector:
        push(exporter_to(collector, "http"))
        scrape = Scrape([collector.prometheus_target], honor_labels=True)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            samples = everything(prometheus)
            metadata = prometheus.metadata()
    assert spelled(samples) == {**SERIES, TARGET_INFO: 1}
    assert metadata["butterfly_network_bytes_sent"][0]["type"] == "unknown"
    assert metadata["butterfly_requests"][0]["type"] == "counter"
