"""Two points of an exponential histogram as one.

Bucket ``i`` of scale ``s`` is bucket ``i >> 1`` of scale ``s - 1``, so points of any two scales
have one in common (OpenTelemetry metrics data model, "ExponentialHistogram: Producer
Expectations"). No value leaves its place by that; buckets only become wider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import Buckets

from butterfly_otel.exporters.carrying.extremes import merged_extremes

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

#: Buckets of one sign, as the SDK has at most by default.
_MOST_BUCKETS = 160


def merged_exponential(
    older: ExponentialHistogramDataPoint, newer: ExponentialHistogramDataPoint
) -> ExponentialHistogramDataPoint:
    """Return both as one, at the finest scale at which their buckets are not too many."""
    scale = _scale(older, newer)
    return replace(
        newer,
        start_time_unix_nano=older.start_time_unix_nano,
        count=older.count + newer.count,
        sum=older.sum + newer.sum,
        scale=scale,
        zero_count=older.zero_count + newer.zero_count,
        positive=_added(
            _coarser(older.positive, older.scale - scale),
            _coarser(newer.positive, newer.scale - scale),
        ),
        negative=_added(
            _coarser(older.negative, older.scale - scale),
            _coarser(newer.negative, newer.scale - scale),
        ),
        exemplars=newer.exemplars or older.exemplars,
        **merged_extremes(older, newer),
    )


def _scale(older: ExponentialHistogramDataPoint, newer: ExponentialHistogramDataPoint) -> int:
    # A point without buckets says nothing by its scale: the SDK gives it any.
    scales = [each.scale for each in (older, newer) if _used(each.positive) or _used(each.negative)]
    scale = min(scales, default=newer.scale)
    most = max(
        _MOST_BUCKETS,
        *(len(each.bucket_counts) for point in (older, newer) for each in _signs(point)),
    )
    while any(
        _width(
            [
                index >> (point.scale - scale)
                for point in (older, newer)
                for index in _used(_signs(point)[sign])
            ]
        )
        > most
        for sign in (0, 1)
    ):
        scale -= 1
    return scale


def _signs(point: ExponentialHistogramDataPoint) -> tuple[Buckets, Buckets]:
    return point.positive, point.negative


def _used(buckets: Buckets) -> list[int]:
    """Return the first and the last index that counts something."""
    found = [index for index, count in enumerate(buckets.bucket_counts, buckets.offset) if count]
    return [found[0], found[-1]] if found else []


def _width(indices: list[int]) -> int:
    return max(indices) - min(indices) + 1 if indices else 0


def _coarser(buckets: Buckets, steps: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            place = index >> steps
            found[place] = found.get(place, 0) + count
    return found


def _added(one: dict[int, int], other: dict[int, int]) -> Buckets:
    indices = one.keys() | other.keys()
    if not indices:
        return Buckets(0, [])
    first, last = min(indices), max(indices)
    counts = [one.get(index, 0) + other.get(index, 0) for index in range(first, last + 1)]
    return Buckets(first, counts)
