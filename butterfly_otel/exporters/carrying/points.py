"""Two points of one series that follow each other, as one.

A delta says what was added between its start and its time. Two of them make one from the
start of the older to the time of the newer (OpenTelemetry metrics data model, "Temporality").
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

from butterfly_otel.exporters.carrying.exponential import merged_exponential
from butterfly_otel.exporters.carrying.extremes import merged_extremes

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

    Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


def identity(attributes: Attributes) -> object:
    """Return a key that series share only if their attributes are the same, types included."""
    found: list[tuple[str, object, str]] = []
    for key, value in (attributes or {}).items():
        if type(value) is str:
            found.append((key, str, value))
        else:  # 1, 1.0 and True are equal, and three series
            found.append((key, type(value), repr(value)))
    return frozenset(found)


def shape(point: object) -> object:
    """Return what two points must have in common for becoming one."""
    if isinstance(point, HistogramDataPoint):
        return tuple(point.explicit_bounds), len(point.bucket_counts)
    return type(point)


def merged(older: Any, newer: Any) -> Any:  # noqa: ANN401 - of whatever kind, both the same
    """Return two deltas of one series and shape as one."""
    if isinstance(newer, HistogramDataPoint):
        return _histogram(older, newer)
    if isinstance(newer, ExponentialHistogramDataPoint):
        return merged_exponential(older, newer)
    return replace(
        newer,
        start_time_unix_nano=older.start_time_unix_nano,
        value=older.value + newer.value,
        exemplars=newer.exemplars or older.exemplars,
    )


def _histogram(older: HistogramDataPoint, newer: HistogramDataPoint) -> HistogramDataPoint:
    pairs = zip(older.bucket_counts, newer.bucket_counts, strict=True)
    return replace(
        newer,
        start_time_unix_nano=older.start_time_unix_nano,
        count=older.count + newer.count,
        sum=_total(older.sum, newer.sum),
        bucket_counts=[one + other for one, other in pairs],
        exemplars=newer.exemplars or older.exemplars,
        **merged_extremes(older, newer),
    )


def _total(older: Any, newer: Any) -> Any:  # noqa: ANN401 - numbers
    """Return both sums; None where one is None, of which nothing is known."""
    return None if older is None or newer is None else older + newer
