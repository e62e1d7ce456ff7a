"""What the groups build their subjects from: providers, readers, series and their outcomes."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram as PrometheusHistogram

from butterfly_otel.engine import MeterProvider

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.sdk.metrics.export import MetricsData

#: The buckets of ``butterfly_request_duration_seconds``.
BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
#: A value in the middle bucket, because one of the peers looks for it from the first.
VALUE = 0.07
#: Bucket lines, the sum and the count.
LINES_OF_A_HISTOGRAM = len(BOUNDS) + 3
#: One value for each bucket.
VALUES = (0.0005, 0.002, 0.007, 0.02, 0.07, 0.2, 0.7, 2.0, 7.0, 20.0)
#: ``# TYPE`` names, the same everywhere.
COUNTER_NAME = "bench_requests"
HISTOGRAM_NAME = "bench_duration"
COUNTER_LABELS = ("node_id", "layer", "method")
HISTOGRAM_LABELS = ("node_id", "method")

_RESOURCE = Resource({"service.name": "benchmark"})
_NO_LIMIT = 10_000_000

Labels = dict[str, str]


def counter_labels(number: int) -> list[Labels]:
    """Return so many distinct sets of three labels."""
    return [
        {"node_id": f"node-{index // 100}", "layer": f"layer-{index % 100}", "method": "inference"}
        for index in range(number)
    ]


def histogram_labels(number: int) -> list[Labels]:
    """Return so many distinct sets of two labels."""
    return [
        {"node_id": f"node-{index // 10}", "method": f"method-{index % 10}"}
        for index in range(number)
    ]


def provider(readers: Sequence[MetricReader], *, ours: bool) -> SdkMeterProvider:
    """Return a provider without a cardinality limit: our engine or the stock SDK."""
    return (MeterProvider if ours else SdkMeterProvider)(
        metric_readers=readers,
        resource=_RESOURCE,
        shutdown_on_exit=False,
        views=[View(instrument_name="*", aggregation_cardinality_limit=_NO_LIMIT)],
    )


def instruments(meter_provider: SdkMeterProvider) -> tuple[Counter, Histogram]:
    """Return a counter and a histogram with our buckets."""
    meter = meter_provider.get_meter("benchmark")
    histogram = meter.create_histogram(
        HISTOGRAM_NAME, explicit_bucket_boundaries_advisory=list(BOUNDS)
    )
    return meter.create_counter(COUNTER_NAME), histogram


def prometheus_counter(labels: Sequence[str], registry: CollectorRegistry) -> PrometheusCounter:
    """Return prometheus_client's counter, without the ``_created`` samples nobody else has."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return PrometheusCounter(COUNTER_NAME, "", labels, registry=registry)


def prometheus_histogram(labels: Sequence[str], registry: CollectorRegistry) -> PrometheusHistogram:
    """Return prometheus_client's histogram with our buckets, likewise."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return PrometheusHistogram(HISTOGRAM_NAME, "", labels, buckets=BOUNDS, registry=registry)


class Collecting(MetricReader):
    """A reader that hands over what it collects."""

    _data: MetricsData | None = None

    def fetch(self) -> MetricsData:
        """Collect.

        Raises:
            LookupError: When nothing has been measured.
        """
        self.collect()
        data, self._data = self._data, None
        if data is None:
            raise LookupError("there is nothing to collect")
        return data

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **_kwargs: object,
    ) -> None:
        self._data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: object) -> None:
        """Do nothing: there is nothing to close."""


def otel_points(reader: InMemoryMetricReader, name: str) -> list[Any]:
    """Return the points of one metric."""
    data = reader.get_metrics_data()
    return [
        point
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def otel_sum(reader: InMemoryMetricReader, name: str) -> list[float]:
    """Return the values of a counter's series."""
    return [float(point.value) for point in otel_points(reader, name)]


def otel_buckets(reader: InMemoryMetricReader, name: str) -> list[float]:
    """Return cumulated bucket counts and the sum of a histogram's series."""
    found: list[float] = []
    for point in otel_points(reader, name):
        counts: list[int] = list(point.bucket_counts)
        found.extend(map(float, accumulate(counts)))
        found.append(round(point.sum, 6))
    return found


def prometheus_sum(metric: PrometheusCounter) -> list[float]:
    """Return the values of a counter's series."""
    return [sample.value for sample in _samples(metric) if sample.name.endswith("_total")]


def prometheus_buckets(metric: PrometheusHistogram) -> list[float]:
    """Return cumulated bucket counts and the sum of a histogram's series."""
    wanted = ("_bucket", "_sum")
    return [round(each.value, 6) for each in _samples(metric) if each.name.endswith(wanted)]


def _samples(metric: PrometheusCounter | PrometheusHistogram) -> Iterable[Any]:
    for family in metric.collect():
        yield from family.samples
