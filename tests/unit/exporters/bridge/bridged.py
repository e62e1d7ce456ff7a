"""Reading back what a producer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics
from opentelemetry.sdk.resources import Resource
from prometheus_client.core import Metric

from butterfly_otel.exporters.bridge import PrometheusMetricProducer
from butterfly_otel.exporters.otlp_wire import MetricsEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Custom:
    """A collector whose families a test gives."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self.collect = collect

    def describe(self) -> list[Metric]:
        """Nothing is known beforehand."""
        return []


def family(name: str, kind: str, *samples: Any, unit: str = "") -> Metric:
    """A family with samples, each as `add_sample` takes them, after the family's name."""
    made = Metric(name, f"{name} help", kind, unit)
    for suffix, labels, value, *rest in samples:
        made.add_sample(made.name + suffix, labels, value, *rest)
    return made


def produced(producer: PrometheusMetricProducer) -> dict[str, Any]:
    """The metrics of a producer by name."""
    return {metric.name: metric for scope in producer.produce() for metric in scope.metrics}


def point(producer: PrometheusMetricProducer, name: str) -> Any:
    """The only point of a metric."""
    [found] = produced(producer)[name].data.data_points
    return found


def on_the_wire(producer: PrometheusMetricProducer) -> dict[str, Any]:
    """The metrics of a producer as OTLP has them, by name."""
    resource = ResourceMetrics(Resource.get_empty(), producer.produce(), "")
    request = ExportMetricsServiceRequest.FromString(
        MetricsEncoder().encode(MetricsData([resource]))
    )
    [scope] = request.resource_metrics[0].scope_metrics
    return {metric.name: metric for metric in scope.metrics}
