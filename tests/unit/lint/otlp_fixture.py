"""A full and true push of the contract, made from the catalogue and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Metric,
    ResourceMetrics,
)

from butterfly_otel import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.catalog import Label

CUMULATIVE = AGGREGATION_TEMPORALITY_CUMULATIVE
START = 1_000_000_000
TIME = 2_000_000_000
_VALUES = {
    "identity": "node-1",
    "pair": "node-1_node-2",
    "bounded": "7",
    "unbounded": "static",
    "open": "timeout",
}


def attributes(**values: Any) -> list[KeyValue]:
    """Return attributes with texts as values."""
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]


def full_request(**resource: str) -> ExportMetricsServiceRequest:
    """Return a request with every metric of the contract, of one resource."""
    return request((_metric(entry) for entry in catalog.CONTRACT), **resource)


def request(metrics: Iterable[Metric], **resource: str) -> ExportMetricsServiceRequest:
    """Return a request with these metrics; ``service_name`` stands for ``service.name``."""
    found = ResourceMetrics()
    named = {key.replace("_", "."): value for key, value in resource.items()}
    found.resource.attributes.extend(attributes(**named))
    scoped = found.scope_metrics.add()
    scoped.scope.name = "rust"
    scoped.metrics.extend(metrics)
    return ExportMetricsServiceRequest(resource_metrics=[found])


def metric(name: str) -> Metric:
    """Return a true metric of the contract, with one point."""
    return _metric(catalog.BY_NAME[name])


def _metric(entry: catalog.Metric) -> Metric:
    made = Metric(name=entry.name, description=entry.help, unit=entry.unit)
    labels = attributes(**{label.key: _value(label) for label in entry.labels})
    if entry.type == "histogram":
        made.histogram.aggregation_temporality = CUMULATIVE
        point: Any = made.histogram.data_points.add()
        point.explicit_bounds.extend(entry.buckets)
        point.bucket_counts.extend([1] * (len(entry.buckets) + 1))
        point.count, point.sum = len(entry.buckets) + 1, 12.5
    elif entry.instrument.endswith("gauge"):
        point = made.gauge.data_points.add()
        point.as_double = 0.5 if entry.unit == "1" else 1.0
    else:
        made.sum.aggregation_temporality = CUMULATIVE
        made.sum.is_monotonic = entry.monotonic
        point = made.sum.data_points.add()
        point.as_int = 1
    point.start_time_unix_nano, point.time_unix_nano = START, TIME
    point.attributes.extend(labels)
    return made


def _value(label: Label) -> str:
    if label.default == "empty":
        return ""
    return label.values[0] if label.kind == "closed" else _VALUES[label.kind]
