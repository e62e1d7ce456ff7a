"""What the official encoder makes of things: the truth about whatever is rare or unusual.

By its public function only, which takes nothing smaller than a whole collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2
    from opentelemetry.util.types import Attributes

_RESOURCE = Resource({})
_SCOPE = InstrumentationScope("")


class Described(NamedTuple):
    """A resource or a scope in bytes.

    Attributes:
        content: Of the message.
        schema_url: Where its schema is, which belongs to what is around it.
    """

    content: bytes
    schema_url: str


def encode_resource(resource: Resource) -> Described:
    """Return a resource."""
    found = _encoded(resource, _SCOPE, ())
    return Described(found.resource.SerializeToString(), found.schema_url)


def encode_scope(scope: InstrumentationScope) -> Described:
    """Return an instrumentation scope."""
    [found] = _encoded(_RESOURCE, scope, ()).scope_metrics
    return Described(found.scope.SerializeToString(), found.schema_url)


def encode_metric(metric: Metric) -> bytes:
    """Return a metric with all its points.

    Raises:
        Exception: Of any kind, when the official encoder can't encode it.
    """
    [scope] = _encoded(_RESOURCE, _SCOPE, (metric,)).scope_metrics
    [found] = scope.metrics
    return found.SerializeToString()


def encode_attributes(attributes: Attributes) -> list[bytes]:
    """Return attributes; what the official encoder can't encode it logs and leaves out."""
    point = NumberDataPoint(attributes, 0, 0, 0)
    [scope] = _encoded(_RESOURCE, _SCOPE, (Metric("", None, None, Gauge((point,))),)).scope_metrics
    [found] = scope.metrics[0].gauge.data_points
    return [each.SerializeToString() for each in found.attributes]


def _encoded(
    resource: Resource, scope: InstrumentationScope, metrics: tuple[Metric, ...]
) -> metrics_pb2.ResourceMetrics:
    data = MetricsData((ResourceMetrics(resource, (ScopeMetrics(scope, metrics, ""),), ""),))
    [found] = encode_metrics(data).resource_metrics
    return found
