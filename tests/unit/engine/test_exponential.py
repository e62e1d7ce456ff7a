"""Exponential histograms: where the SDK's own fail to be collected, ours go on."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from butterfly_otel.engine import MeterProvider
from tests.collected import points

ROUNDS: dict[str, list[list[float]]] = {
    "zeros, then far above": [[0], [1e300]],
    "zeros, then far below": [[0, 0], [1e-300]],
    "zeros, nothing, then both": [[0], [], [1e-300, 1e300]],
    "above, then below zero": [[1], [-1e300]],
    "below, then above zero": [[-1e-300, -1e300], [1e200, 3, 5], [0], [1e-200]],
    "zeros again and again": [[0], [0], [7, 1e9], [0], [1e300]],
    "fine, then coarse": [[0], [1e300, 1.0000001e300], [1e-300]],
}


@pytest.mark.parametrize("rounds", ROUNDS.values(), ids=ROUNDS.keys())
def test_no_collection_of_an_exponential_histogram_fails(rounds: list[list[float]]) -> None:
    """Whatever was measured between collections is in the next one, another metric too."""
    reader = InMemoryMetricReader()
    view = View(instrument_name="i", aggregation=ExponentialBucketHistogramAggregation(max_size=20))
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    meter = provider.get_meter("m")
    histogram, other = meter.create_up_down_counter("i"), meter.create_counter("other")
    measured: list[float] = []
    for each in rounds:
        for amount in each:
            histogram.add(amount)
        measured += each
        other.add(1)
        data = reader.get_metrics_data()
        assert data is not None
        found = {
            metric.name: metric.data.data_points
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
        }
        assert len(found["other"]) == 1
        [point] = found["i"]
        _check(point, measured)


def _check(point: Any, measured: list[float]) -> None:
    assert (point.count, point.zero_count) == (len(measured), measured.count(0))
    assert point.sum == pytest.approx(sum(measured))
    for sign, side in ((1, point.positive), (-1, point.negative)):
        values = [sign * each for each in measured if sign * each > 0]
        assert sum(side.bucket_counts) == len(values)
        # Where each stands on the logarithmic scale, up to rounding.
        places = [math.log2(each) * 2.0**point.scale for each in values]
        for index, count in enumerate(side.bucket_counts, side.offset):
            near = [each for each in places if index - 1e-3 < each < index + 1 + 1e-3]
            sure = [each for each in places if index + 1e-3 < each < index + 1 - 1e-3]
            assert len(sure) <= count <= len(near)


def test_random_rounds_keep_every_measurement() -> None:
    """Any mix of zeros, small, large and negative values is counted in the right buckets."""
    drawn = random.Random(7)  # noqa: S311 - the same in each run
    for _ in range(60):
        rounds = [
            [
                drawn.choice([0, 1, -1]) * 10.0 ** drawn.randint(-200, 200)
                for _ in range(drawn.randint(0, 4))
            ]
            for _ in range(5)
        ]
        test_no_collection_of_an_exponential_histogram_fails([[0.0], *rounds])


def test_zeros_alone_cost_no_precision() -> None:
    """The scale that the SDK says of zeros alone means nothing, and does not stay."""
    reader = InMemoryMetricReader()
    view = View(instrument_name="i", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    histogram = provider.get_meter("m").create_histogram("i")
    histogram.record(0)
    assert points(reader, "i")[0].scale == 0
    histogram.record(1e300)
    [point] = points(reader, "i")
    assert (point.count, point.zero_count, point.scale) == (2, 1, 20)
