"""Deltas of what a producer has, for readers that prefer them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    NumberDataPoint,
    Sum,
)

from butterfly_otel.exporters.carrying.points import identity
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.export import Metric, ScopeMetrics

#: Series that are not there any more and are remembered beside as many as there are.
_GONE: Final = 1000


class Deltas:
    """Tells what has been added since the last collection. Thread-safe.

    The first delta of a series is all that it has: the sum of its deltas is what it counts. A
    series that is missing for a while, since its collector did not answer, goes on where it was.

    Args:
        counters: Whether monotonic sums are exported as deltas.
        histograms: Whether histograms are.
    """

    def __init__(self, counters: bool, histograms: bool) -> None:  # noqa: FBT001 - two of a kind
        self._counters = counters
        self._histograms = histograms
        self._last: dict[object, Any] = {}
        self._lock = forks.lock()

    def of(self, scopes: Iterable[ScopeMetrics]) -> list[ScopeMetrics]:
        """Return metrics with deltas in place of what is cumulative."""
        if not (self._counters or self._histograms):
            return [*scopes]
        with self._lock:
            before, self._last = self._last, {}
            found = [
                replace(
                    scope,
                    metrics=[
                        self._metric(each, scope.scope.name, before) for each in scope.metrics
                    ],
                )
                for scope in scopes
            ]
            gone = [key for key in before if key not in self._last]
            # The newest last, so that the oldest are forgotten.
            kept = {key: before[key] for key in gone[-(len(self._last) + _GONE) :]}
            self._last = kept | self._last
            return found

    def _metric(self, metric: Metric, scope: str, before: dict[object, Any]) -> Metric:
        data: Any = metric.data
        is_sum = isinstance(data, Sum)
        wanted = data.is_monotonic and self._counters if is_sum else self._histograms
        if not wanted or not isinstance(data, (Sum, Histogram)):
            return metric
        if data.aggregation_temporality == AggregationTemporality.DELTA:
            return metric
        points: list[Any] = []
        for point in data.data_points:
            key = (scope, metric.name, is_sum, identity(point.attributes))
            known = before.get(key)
            if known is not None and known.time_unix_nano >= point.time_unix_nano:
                self._last[key] = known  # nothing has been said since
                continue
            self._last[key] = point
            points.append(_delta(known, point))
        delta = AggregationTemporality.DELTA
        made: Any = replace(data, data_points=points, aggregation_temporality=delta)  # type: ignore[arg-type]
        return replace(metric, data=made)


def _delta(known: Any, point: Any) -> Any:  # noqa: ANN401 - of either kind, both the same
    """Return what a point has that the last one had not; all of it where it has begun anew."""
    if known is None or known.start_time_unix_nano != point.start_time_unix_nano:
        return point
    added = _added(known, point)
    if added is None:
        return point
    since = known.time_unix_nano
    recent = [each for each in point.exemplars if each.time_unix_nano > since]
    return replace(added, start_time_unix_nano=since, exemplars=recent)


def _added(known: Any, point: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(point, NumberDataPoint):
        added = point.value - known.value
        return None if added < 0 else replace(point, value=added)
    if not isinstance(point, HistogramDataPoint) or known.explicit_bounds != point.explicit_bounds:
        return None
    counts = [new - old for old, new in zip(known.bucket_counts, point.bucket_counts, strict=True)]
    if min(counts, default=0) < 0:
        return None
    sums: tuple[Any, Any] = known.sum, point.sum
    total: Any = None if None in sums else sums[1] - sums[0]
    return replace(point, count=sum(counts), bucket_counts=counts, sum=total)
