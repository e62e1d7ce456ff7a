"""Minimum and maximum of histograms that keep neither.

The SDK says ``record_min_max=False`` by a minimum of ``+Inf`` and a maximum of ``-Inf``, which
no measurement can make. On the wire both fields are then left out.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import ExponentialHistogram, Histogram

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric


def are_unset(point: Any) -> bool:  # noqa: ANN401 - of either kind of histogram
    """Tell whether a point has no minimum and maximum."""
    return bool(point.min == inf and point.max == -inf)


def without_unset(metric: Metric) -> Metric:
    """Return a metric whose points have None where they have no minimum and maximum."""
    data: Any = metric.data
    if not isinstance(data, (Histogram, ExponentialHistogram)):
        return metric
    if not any(map(are_unset, data.data_points)):
        return metric
    points = [
        replace(point, min=None, max=None) if are_unset(point) else point  # type: ignore[arg-type]
        for point in data.data_points
    ]
    return replace(metric, data=replace(data, data_points=points))  # type: ignore[arg-type]
