"""Collections too large for one request, in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricsData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import Metric, ResourceMetrics, ScopeMetrics


def points_of(data: MetricsData) -> int:
    """Return how many points a collection has."""
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def split(data: MetricsData, most: int) -> Iterator[MetricsData]:
    """Return a collection in parts that have ``most`` points each, the last one what is left.

    Each part says of what resource, scope and metric its points are. A metric without points is
    in no part.
    """
    part, room = _Part(), most
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points, taken = metric.data.data_points, 0
                while taken < len(points):
                    some = points[taken : taken + room]
                    part.add(resource, scope, replace(metric, data=_with_points(metric, some)))
                    taken, room = taken + len(some), room - len(some)
                    if not room:
                        yield part.data
                        part, room = _Part(), most
    if room < most:
        yield part.data


def _with_points(metric: Metric, points: Any) -> Any:  # noqa: ANN401 - of whatever kind it has
    data: Any = metric.data
    return replace(data, data_points=points)


class _Part:
    """A part that is being filled, in the order of the collection.

    Attributes:
        data: The part.
    """

    def __init__(self) -> None:
        self._resources: list[ResourceMetrics] = []
        self._scopes: list[ScopeMetrics] = []
        self._metrics: list[Metric] = []
        self._last: tuple[ResourceMetrics | None, ScopeMetrics | None] = (None, None)
        self.data = MetricsData(self._resources)

    def add(self, resource: ResourceMetrics, scope: ScopeMetrics, metric: Metric) -> None:
        """Add a metric of a scope of a resource."""
        last_resource, last_scope = self._last
        if resource is not last_resource:
            self._scopes = []
            self._resources.append(replace(resource, scope_metrics=self._scopes))
        if resource is not last_resource or scope is not last_scope:
            self._metrics = []
            self._scopes.append(replace(scope, metrics=self._metrics))
        self._metrics.append(metric)
        self._last = (resource, scope)
