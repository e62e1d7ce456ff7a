"""Deltas that did not arrive are in the next export, once and in full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.exporters.carrying import Backlog
from butterfly_otel.exporters.carrying.backlog import MOST_REFUSALS
from butterfly_otel.exporters.carrying.exponential import merged_exponential
from butterfly_otel.exporters.delivery import Delivery
from butterfly_otel.exporters.parts import points_of
from tests.unit.exporters.prometheus.support import (
    START,
    collected,
    counter,
    distribution,
    gauge,
    histogram,
    number,
)

DELTA = AggregationTemporality.DELTA
RESOURCE = Resource({"service.name": "node"})


def delta(*points: Any, name: str = "c", monotonic: bool = True) -> Metric:
    """Return a delta sum."""
    return counter(name, *points, temporality=DELTA, monotonic=monotonic)


def after_failure(*rounds: MetricsData, most: int = 1000) -> MetricsData:
    """Return what the last of some collections is exported as when all before it failed."""
    backlog = Backlog(most)
    for data in rounds[:-1]:
        backlog.settle(Delivery(backlog.with_new(data), "no"))
    found = backlog.with_new(rounds[-1])
    assert found is not None
    return found


def metrics_of(data: MetricsData) -> dict[str, list[Any]]:
    """Return the points of each metric."""
    found: dict[str, list[Any]] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found.setdefault(metric.name, []).extend(metric.data.data_points)
    return found


def at(point: Any, start: int, end: int) -> Any:
    """Return a point of another time."""
    return replace(point, start_time_unix_nano=START + start, time_unix_nano=START + end)


def test_sums_are_added_from_the_older_start_to_the_newer_time() -> None:
    """Three rounds of one series are one point with all of their value."""
    rounds = [
        collected(delta(at(number({"k": "a"}, value), end - 1, end)), resource=RESOURCE)
        for value, end in ((1, 1), (2, 2), (4, 3))
    ]
    [point] = metrics_of(after_failure(*rounds))["c"]
    assert point == at(number({"k": "a"}, 7), 0, 3)


def test_other_series_are_left_alone() -> None:
    """What only one of the rounds has is exported as it is; equal labels of another type too."""
    labels: list[dict[str, Any]] = [{"k": 1}, {"k": True}, {"k": 1.0}, {"k": "1"}, {}]
    first = collected(delta(*(number(each, 1) for each in labels)), resource=RESOURCE)
    second = collected(delta(number({"k": 1}, 10), number({"new": "x"}, 5)), resource=RESOURCE)
    points = metrics_of(after_failure(first, second))["c"]
    assert [point.value for point in points] == [11, 1, 1, 1, 1, 5]
    assert [type(point.attributes.get("k")) for point in points[:4]] == [int, bool, float, str]


def test_scopes_kinds_and_temporalities_are_told_apart() -> None:
    """A name in another scope or of another kind is another metric."""
    other = InstrumentationScope("other", attributes={"k": "v"})
    metrics = [delta(), delta(monotonic=False)]
    data = collected(*metrics, resource=RESOURCE, more=[(other, [delta()])])
    found = after_failure(data, data)
    assert [point.value for point in metrics_of(found)["c"]] == [2, 2, 2]
    assert [len(each.scope_metrics) for each in found.resource_metrics] == [2]


def test_what_is_cumulative_is_not_kept() -> None:
    """A cumulative sum is in the next collection anyway; only its newest point is exported."""
    first = collected(counter("total", number({}, 5)), delta(), resource=RESOURCE)
    second = collected(counter("total", number({}, 9)), delta(), resource=RESOURCE)
    assert [point.value for point in metrics_of(after_failure(first, second))["total"]] == [9]
    empty = collected(resource=RESOURCE)
    assert metrics_of(after_failure(first, empty)).keys() == {"c"}


def test_nothing_is_kept_where_all_is_cumulative() -> None:
    """Without deltas a failure costs no memory."""
    backlog = Backlog()
    backlog.settle(Delivery(collected(counter("c"), gauge("g"), histogram("h")), "no"))
    assert backlog.is_empty


def test_gauges_keep_the_newest() -> None:
    """Of a gauge the last value stands; one that is not there any more keeps its last."""
    first = collected(gauge("g", number({}, 1)), gauge("gone", number({}, 3)), delta())
    second = collected(gauge("g", number({}, 2)), delta())
    found = metrics_of(after_failure(first, second))
    assert [found[name][0].value for name in ("g", "gone")] == [2, 3]


def test_histograms_are_added_bucket_by_bucket() -> None:
    """Counts, sums and buckets are added; minimum and maximum are those of both."""
    one = replace(distribution({}, [1, 2], (1.0,), 3.0), min=0.5, max=2.0)
    other = replace(distribution({}, [4, 0], (1.0,), 1.0), min=0.1, max=0.9)
    rounds = [collected(histogram("h", each, temporality=DELTA)) for each in (one, other)]
    [point] = metrics_of(after_failure(*rounds))["h"]
    assert (point.count, point.sum, list(point.bucket_counts)) == (7, 4.0, [5, 2])
    assert (point.min, point.max) == (0.1, 2.0)


@pytest.mark.parametrize("unset", [(None, None), (float("inf"), float("-inf"))])
def test_histograms_without_minimum_and_maximum(unset: tuple[Any, Any]) -> None:
    """Where they are not recorded, they are not made up."""
    point = replace(distribution({}, [1, 2], (1.0,)), min=unset[0], max=unset[1])
    data = collected(histogram("h", point, temporality=DELTA))
    [found] = metrics_of(after_failure(data, data))["h"]
    assert (found.min, found.max) == unset


def test_histograms_of_other_boundaries_are_further_points() -> None:
    """Buckets that don't fit are not added; both points are exported."""
    rounds = [
        collected(histogram("h", distribution({}, [1, 2], (bound,)), temporality=DELTA))
        for bound in (1.0, 2.0)
    ]
    assert [point.count for point in metrics_of(after_failure(*rounds))["h"]] == [3, 3]


VALUES = st.lists(
    st.floats(-1e9, 1e9, allow_nan=False) | st.sampled_from([0.0, 1e-300, 1e300, 5.0]),
    min_size=1,
    max_size=30,
)


def exponential(values: list[float]) -> ExponentialHistogramDataPoint:
    """Return the SDK's point of these values."""
    reader = InMemoryMetricReader({Histogram: DELTA})
    view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], RESOURCE, views=[view], shutdown_on_exit=False)
    instrument = provider.get_meter("m").create_histogram("h")
    for value in values:
        instrument.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    [point] = metrics_of(data)["h"]
    found: ExponentialHistogramDataPoint = point
    return found


def at_scale(buckets: Buckets, steps: int) -> dict[int, int]:
    """Return bucket counts by index after so many steps to a coarser scale."""
    found: dict[int, int] = {}
    for index, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            found[index >> steps] = found.get(index >> steps, 0) + count
    return found


@given(VALUES, VALUES)
def test_exponential_histograms_lose_nothing(one: list[float], other: list[float]) -> None:
    """Both as one have every count of both in the bucket where it belongs, and are not too many."""
    # The stock SDK records no negative values in histograms.
    older, newer = (exponential([abs(each) for each in values]) for values in (one, other))
    found = merged_exponential(older, newer)
    assert found.count == len(one) + len(other)
    assert found.zero_count == older.zero_count + newer.zero_count
    assert found.count == found.zero_count + sum(found.positive.bucket_counts)
    assert len(found.positive.bucket_counts) <= 160
    expected = dict[int, int]()
    for each in (older, newer):
        for index, count in at_scale(each.positive, max(0, each.scale - found.scale)).items():
            expected[index] = expected.get(index, 0) + count
    assert at_scale(found.positive, 0) == expected
    assert (found.min, found.max) == (min(older.min, newer.min), max(older.max, newer.max))


def test_exponential_histograms_with_negative_buckets() -> None:
    """Buckets of negative values are added by themselves."""
    point = replace(exponential([1.0, 2.0]), negative=Buckets(-3, [1, 0, 2]))
    metric = Metric("h", None, None, ExponentialHistogram([point], DELTA))  # type: ignore[arg-type]
    [found] = metrics_of(after_failure(collected(metric), collected(metric)))["h"]
    assert (found.negative.offset, found.negative.bucket_counts) == (-3, [2, 0, 4])
    assert found.count == 4


def test_a_backlog_is_bounded_and_counts_everything() -> None:
    """Beyond the bound a series is added to its metric's overflow point: no count is lost."""
    rounds = [
        collected(
            delta(number({"k": f"{turn}"}, 1)),
            histogram("h", distribution({"k": f"{turn}"}, [1, 1], (1.0,)), temporality=DELTA),
        )
        for turn in range(50)
    ]
    found = after_failure(*rounds, collected(delta(number({"k": "new"}, 1))), most=10)
    points = metrics_of(found)
    assert points_of(found) <= 10 + 2 + 1
    assert sum(point.value for point in points["c"]) == 51
    assert sum(point.count for point in points["h"]) == 100
    overflow = [p for p in points["c"] if p.attributes == {"otel.metric.overflow": True}]
    assert len(overflow) == 1
    assert overflow[0].value > 30


def test_a_large_collection_keeps_its_labels() -> None:
    """As many points as the process has in one collection are kept with their labels."""
    data = collected(delta(*(number({"k": f"{each}"}, 1) for each in range(30))))
    found = metrics_of(after_failure(data, data, most=10))["c"]
    assert [point.value for point in found] == [2] * 30


def test_gauges_beyond_the_bound_are_counted() -> None:
    """What can't be added up is given up, and how many they were is told."""
    backlog = Backlog(2)
    data = collected(delta(), gauge("g", *(number({"k": f"{each}"}, 1) for each in range(5))))
    assert backlog.settle(Delivery(data, "no")) == (0, 4)


def test_what_arrived_is_forgotten() -> None:
    """After a delivery the next export has the next collection alone."""
    backlog = Backlog()
    backlog.settle(Delivery(collected(delta()), "no"))
    backlog.settle(Delivery())
    data = collected(delta())
    assert backlog.with_new(data) is data


def test_what_a_receiver_refuses_again_and_again_is_given_up() -> None:
    """One series that no receiver takes must not keep the others from arriving for ever."""
    backlog = Backlog()
    for turn in range(1, MOST_REFUSALS + 1):
        data = backlog.with_new(collected(delta()))
        lost = backlog.settle(Delivery(data, "no", refused=True))
        assert lost == ((1, 0) if turn == MOST_REFUSALS else (0, 0))
    assert backlog.is_empty


def test_an_outage_of_any_length_gives_nothing_up() -> None:
    """What is not refused for what is in it is kept however often it fails."""
    rounds = [collected(delta()) for _ in range(100)]
    assert metrics_of(after_failure(*rounds))["c"][0].value == 100


def test_what_other_resources_measured_is_not_added() -> None:
    """A resource that has changed meanwhile, as after a fork, has points of its own."""
    before = collected(delta(number({}, 1)), resource=RESOURCE)
    other = collected(delta(number({}, 2)), resource=Resource({"service.name": "other"}))
    same = collected(delta(number({}, 4)), resource=Resource({"service.name": "node"}))
    found = after_failure(before, other, same)
    values = {
        each.resource.attributes["service.name"]: [
            point.value for point in each.scope_metrics[0].metrics[0].data.data_points
        ]
        for each in found.resource_metrics
    }
    assert values == {"node": [5], "other": [2]}
