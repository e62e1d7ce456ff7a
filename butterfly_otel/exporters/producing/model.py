"""What OTLP has and the SDK's data model has not: summaries, and what Prometheus calls a metric."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from json import dumps
from math import nan
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.util.types import Attributes


@dataclass(frozen=True)
class QuantileValue:
    """A value below which a part of all others is.

    Attributes:
        quantile: That part, from 0 to 1.
        value: The value.
    """

    quantile: float
    value: float


@dataclass(frozen=True)
class SummaryDataPoint:
    """A series of a summary, with the SDK's names where it has them."""

    attributes: Attributes
    start_time_unix_nano: int
    time_unix_nano: int
    count: int
    sum: float
    quantile_values: Sequence[QuantileValue] = ()


@dataclass(frozen=True)
class Summary:
    """The data of a metric that Prometheus calls a summary; always cumulative."""

    data_points: Sequence[SummaryDataPoint]

    def to_json(self, indent: int | None = 4) -> str:
        """Return it as the SDK's kinds of data are printed."""
        return dumps({"data_points": [asdict(point) for point in self.data_points]}, indent=indent)


@dataclass(frozen=True)
class PrometheusMetric(Metric):
    """A metric that comes from Prometheus, which has types that OTLP has not.

    Attributes:
        prometheus_type: Its type there, OTLP's metadata ``prometheus.type`` ("Prometheus and
            OpenMetrics Compatibility", "Prometheus Metric points to OTLP").
    """

    prometheus_type: str = "unknown"


def without_summaries(scopes: Iterable[ScopeMetrics]) -> list[ScopeMetrics]:
    """Return metrics as exporters take them that know the SDK's data model alone.

    A summary becomes a histogram without boundaries, which is its count and its sum, under names
    that Prometheus is given back; its quantiles become a gauge beside it, ``…_quantile``. The sum
    of a histogram that has none is no number.
    """
    return [
        replace(scope, metrics=[each for metric in scope.metrics for each in _parts(metric)])
        for scope in scopes
    ]


def _parts(metric: Metric) -> Iterator[Metric]:
    data: Any = metric.data
    if isinstance(data, Histogram):
        given: Any = data.data_points
        points = [replace(point, sum=nan) if point.sum is None else point for point in given]
        yield replace(metric, data=replace(data, data_points=points))
        return
    if not isinstance(data, Summary):
        yield metric
        return
    nothing: Any = None
    counted = [
        HistogramDataPoint(
            attributes=point.attributes,
            start_time_unix_nano=point.start_time_unix_nano,
            time_unix_nano=point.time_unix_nano,
            count=point.count,
            sum=point.sum,
            bucket_counts=[point.count],
            explicit_bounds=(),
            min=nothing,
            max=nothing,
        )
        for point in data.data_points
    ]
    yield replace(metric, data=Histogram(counted, AggregationTemporality.CUMULATIVE))
    quantiles = [
        NumberDataPoint(
            {**(point.attributes or {}), "quantile": str(each.quantile)},
            point.start_time_unix_nano,
            point.time_unix_nano,
            each.value,
        )
        for point in data.data_points
        for each in point.quantile_values
    ]
    if quantiles:
        # Not of the same name: two kinds of one name cost a Prometheus exporter the whole page.
        yield replace(metric, name=f"{metric.name}_quantile", data=Gauge(quantiles))
