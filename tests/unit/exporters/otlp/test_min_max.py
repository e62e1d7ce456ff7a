"""A histogram that records no minimum and maximum has neither field on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    Metric,
)

from butterfly_otel import metrics
from butterfly_otel.exporters.otlp_wire import MetricsEncoder
from tests.conftest import Measured
from tests.unit.exporters.otlp.messages import canonical, official, parsed
from tests.unit.exporters.prometheus.support import START, collected, distribution, histogram

CUMULATIVE = AggregationTemporality.CUMULATIVE
EXTREMES = [(inf, -inf), (0.5, 2.0), (inf, inf), (-inf, -inf), (-inf, inf)]


def explicit(lowest: float, highest: float) -> Metric:
    """Return a histogram of one point."""
    return histogram("h", replace(distribution({}, [1, 2], (1.0,)), min=lowest, max=highest))


def exponential(lowest: float, highest: float) -> Metric:
    """Return an exponential histogram of one point."""
    buckets = Buckets(0, [1])
    point = ExponentialHistogramDataPoint(
        {}, START, START, 1, 1.0, 0, 0, buckets, Buckets(0, []), 0, lowest, highest
    )
    return Metric("h", None, None, ExponentialHistogram([point], CUMULATIVE))


def unusual(lowest: float, highest: float) -> Metric:
    """Return one that goes by the official encoder, for the type of its data."""

    class Other(Histogram):
        """A histogram, and yet not exactly that type."""

    metric = explicit(lowest, highest)
    return replace(metric, data=Other(metric.data.data_points, CUMULATIVE))  # type: ignore[arg-type]


def sent(metric: Metric) -> list[tuple[float | None, float | None]]:
    """Return minimum and maximum of each point on the wire, None where a field is not there."""
    [resource] = parsed(MetricsEncoder().encode(collected(metric))).resource_metrics
    [found] = resource.scope_metrics[0].metrics
    kind: Any = getattr(found, found.WhichOneof("data") or "")
    return [
        (
            point.min if point.HasField("min") else None,
            point.max if point.HasField("max") else None,
        )
        for point in kind.data_points
    ]


@pytest.mark.parametrize("make", [explicit, exponential])
@pytest.mark.parametrize("extremes", EXTREMES)
def test_extremes_that_were_not_recorded_are_not_sent(
    make: Callable[..., Metric], extremes: tuple[float, float]
) -> None:
    """Only the SDK's way to say that there are none is left out; infinite values may be."""
    expected = (None, None) if extremes == (inf, -inf) else extremes
    assert sent(make(*extremes)) == [expected]


def test_points_with_and_without_extremes_side_by_side() -> None:
    """Each point has its own fields."""
    points = [
        replace(distribution({"k": f"{each}"}, [1, 2], (1.0,)), min=each[0], max=each[1])
        for each in EXTREMES
    ]
    metric = histogram("h", *points)
    assert sent(metric) == [(None, None), *EXTREMES[1:]]
    body = MetricsEncoder().encode(collected(metric))
    assert canonical(body) == official(collected(metric))


def test_what_goes_by_the_official_encoder() -> None:
    """What is unusual enough for that one is not sent infinite either."""
    assert sent(unusual(inf, -inf)) == [(None, None)]


def test_contract_histograms(start: Callable[..., Measured]) -> None:
    """No histogram of the contract leaves with an infinite minimum."""
    measured = start()
    metrics.request_duration_seconds.record(0.5, method="inference")
    data = measured.reader.get_metrics_data()
    assert data is not None
    [resource] = parsed(MetricsEncoder().encode(data)).resource_metrics
    found = [
        point
        for metric in resource.scope_metrics[0].metrics
        for point in metric.histogram.data_points
    ]
    assert found
    assert not any(point.HasField("min") or point.HasField("max") for point in found)
