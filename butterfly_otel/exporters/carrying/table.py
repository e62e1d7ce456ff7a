"""A collection by resource, scope, metric and series, to which another can be added."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    Histogram,
    MetricsData,
    ResourceMetrics,
    Sum,
)

from butterfly_otel.exporters.carrying.points import identity, merged, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import Metric

#: The attributes that OpenTelemetry gives to what is beyond a limit.
_OVERFLOW: dict[str, Any] = {"otel.metric.overflow": True}


def is_delta(metric: Metric) -> bool:
    """Tell whether a metric's points say what was added, and so are lost where they are lost."""
    data = metric.data
    kinds = (Sum, Histogram, ExponentialHistogram)
    delta = AggregationTemporality.DELTA
    return isinstance(data, kinds) and data.aggregation_temporality == delta


@dataclass
class _Stream:
    """A metric that is being put together.

    Attributes:
        metric: It, with the points of any collection.
        points: Its points by series and shape.
    """

    metric: Metric
    points: dict[object, Any] = field(default_factory=dict[object, Any])


class Table:
    """Collections added up, the older ones first.

    Deltas of one series become one point, of a gauge's points the newest stands, and so does
    what is cumulative.
    """

    def __init__(self) -> None:
        self._resources: dict[int, tuple[ResourceMetrics, dict[Any, Any]]] = {}

    def add(self, data: MetricsData, *, lasting: bool = False) -> None:
        """Add a collection.

        Args:
            data: It.
            lasting: Whether to leave out what is cumulative, which the next collection has.
        """
        for resource in data.resource_metrics:
            _, scopes = self._resources.setdefault(self._key(resource), (resource, {}))
            for scope in resource.scope_metrics:
                _, streams = scopes.setdefault(scope.scope, (scope, {}))
                for metric in scope.metrics:
                    delta = is_delta(metric)
                    if delta or not lasting or isinstance(metric.data, Gauge):
                        _add(streams, metric, delta=delta)

    def _key(self, resource: ResourceMetrics) -> int:
        for key, (known, _) in self._resources.items():
            if known.resource is resource.resource or known.resource == resource.resource:
                return key
        return len(self._resources)

    def _streams(self) -> Iterator[_Stream]:
        for _, scopes in self._resources.values():
            for _, streams in scopes.values():
                yield from streams.values()

    def shrink(self, most: int) -> int:
        """Keep at most so many points, and one for each metric that has more.

        What is beyond is added to that one: no count is lost, only whose it was. Of what can't
        be added nothing is left but a number.

        Returns:
            How many points can't be added to another: gauges, whose values they are.
        """
        lost = 0
        for stream in self._streams():
            points = stream.points
            beyond = list(points)[most:]
            most -= min(most, len(points))
            for key in beyond:
                point = points.pop(key)
                if not is_delta(stream.metric):
                    lost += 1
                    continue
                place = (identity(_OVERFLOW), shape(point))
                known = points.get(place)
                moved = replace(point, attributes=_OVERFLOW, exemplars=[])
                points[place] = moved if known is None else _spanning(known, moved)
        return lost

    def data(self) -> MetricsData:
        """Return all of it as one collection."""
        return MetricsData(
            [
                replace(
                    resource,
                    scope_metrics=[
                        replace(scope, metrics=[*map(_metric, streams.values())])
                        for scope, streams in scopes.values()
                    ],
                )
                for resource, scopes in self._resources.values()
            ]
        )


def _add(streams: dict[Any, _Stream], metric: Metric, *, delta: bool) -> None:
    data: Any = metric.data
    names = (metric.name.lower(), metric.description, metric.unit, metric.data.__class__)
    kind = (getattr(data, "aggregation_temporality", None), getattr(data, "is_monotonic", None))
    key: Any = (names, kind)
    stream = streams.setdefault(key, _Stream(metric))
    for point in data.data_points:
        series = (identity(point.attributes), shape(point))
        known = stream.points.get(series)
        stream.points[series] = merged(known, point) if delta and known is not None else point


def _spanning(one: Any, other: Any) -> Any:  # noqa: ANN401 - of whatever kind, both the same
    """Return two points of different series as one, from the first start to the last time."""
    return replace(
        merged(one, other),
        start_time_unix_nano=min(one.start_time_unix_nano, other.start_time_unix_nano),
        time_unix_nano=max(one.time_unix_nano, other.time_unix_nano),
    )


def _metric(stream: _Stream) -> Metric:
    data: Any = replace(stream.metric.data, data_points=[*stream.points.values()])  # type: ignore[arg-type]
    return replace(stream.metric, data=data)
