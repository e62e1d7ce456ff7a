"""Exponential histograms on their way to Prometheus' native ones."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    InMemoryMetricReader,
    Metric,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.model.native import classic_of, native_of
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.packing.families import pack_family
from butterfly_otel.exporters.prometheus.translating.translate import Translator
from tests.prometheus_proto import ACCEPT, by_name, families
from tests.unit.exporters.prometheus.support import START, collected, distribution, histogram

if TYPE_CHECKING:
    from collections.abc import Sequence


def point(
    scale: int, offset: int = 0, counts: Sequence[int] = (1,), zeros: int = 0, below: int = 0
) -> ExponentialHistogramDataPoint:
    """Return a point whose buckets begin at an offset, on either side of zero."""
    size = sum(counts) + zeros + below
    negative = Buckets(offset, [below] if below else [])
    positive = Buckets(offset, list(counts))
    return ExponentialHistogramDataPoint(
        {}, START, START, size, 1.5, scale, zeros, positive, negative, 0, 0, 1, []
    )


def exponential(name: str, *points: ExponentialHistogramDataPoint) -> Metric:
    """Return a metric of such points."""
    return Metric(name, "", "", ExponentialHistogram(points, AggregationTemporality.CUMULATIVE))


def shown(*metrics: Metric, problems: Problems | None = None) -> dict[str, Any]:
    """Return what protobuf shows of some metrics."""
    found = Translator(scope_labels=False, problems=problems).translate(
        collected(*metrics), natives=True
    )
    return by_name(b"".join(map(pack_family, found)))


def bucket_counts(told: Any) -> dict[int, int]:
    """Return the positive buckets of a message, by Prometheus' number."""
    counts = iter(accumulate(told.positive_delta))
    found: dict[int, int] = {}
    end = 0
    for span in told.positive_span:
        for number in range(end + span.offset, end + span.offset + span.length):
            found[number] = next(counts)
        end += span.offset + span.length
    return {number: count for number, count in found.items() if count}


def test_a_bucket_is_called_after_its_upper_boundary() -> None:
    """Bucket 0 of OpenTelemetry, from 1 to 2 at scale 0, is Prometheus' bucket 1."""
    [metric] = shown(exponential("h", point(0)))["h"].metric
    assert (metric.histogram.schema, bucket_counts(metric.histogram)) == (0, {1: 1})


@pytest.mark.parametrize("scale", [9, 12, 20])
def test_finer_scales_are_made_coarser_exactly(scale: int) -> None:
    """Neighbours become one bucket, those below 1 included, and no count is lost."""
    steps = scale - 8
    offset, counts = -(3 << steps), [1] * (6 << steps)
    [metric] = shown(exponential("h", point(scale, offset, counts)))["h"].metric
    assert metric.histogram.schema == 8
    assert bucket_counts(metric.histogram) == dict.fromkeys(range(-2, 4), 1 << steps)


def test_a_scale_that_is_too_coarse_is_left_out_and_told() -> None:
    """-4 is shown as it is; below that a point goes, counted and logged once."""
    problems = Problems()
    found = shown(exponential("h", point(-4)), exponential("g", point(-5)), problems=problems)
    assert found.keys() == {"h"}
    assert found["h"].metric[0].histogram.schema == -4
    assert problems.counts == {"invalid_value": 1}


def test_an_empty_histogram_is_a_native_one_already() -> None:
    """The width of its zero bucket says so, or else it would begin as a classic one."""
    [metric] = shown(exponential("h", point(20, counts=())))["h"].metric
    assert metric.histogram.zero_threshold == 1e-128
    assert metric.histogram.sample_count == 0


def test_values_nearer_to_zero_than_the_zero_bucket_are_not_in_it() -> None:
    """The zero bucket has no width where it would hold another bucket."""
    [metric] = shown(exponential("h", point(0, -600, zeros=2)))["h"].metric
    assert (metric.histogram.zero_threshold, metric.histogram.zero_count) == (0, 2)
    assert bucket_counts(metric.histogram) == {-599: 1}


def test_gaps_are_leapt_over_where_they_are_long() -> None:
    """Two empty buckets are counted, three begin another span."""
    [metric] = shown(exponential("h", point(0, 0, [1, 0, 0, 1, 0, 0, 0, 1])))["h"].metric
    spans = [(each.offset, each.length) for each in metric.histogram.positive_span]
    assert spans == [(1, 4), (3, 1)]
    assert list(metric.histogram.positive_delta) == [1, -1, 0, 1, 0]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30),
    st.integers(0, 20),
    st.integers(2, 160),
)
def test_classic_boundaries_are_powers_of_two_and_true(
    values: list[float], max_scale: int, max_size: int
) -> None:
    """Each classic bucket counts the values up to its boundary, whatever the scale became."""
    aggregation = ExponentialBucketHistogramAggregation(max_size=max_size, max_scale=max_scale)
    reader = InMemoryMetricReader()
    provider = SdkMeterProvider(
        [reader], views=[View(instrument_name="h", aggregation=aggregation)]
    )
    recorded = provider.get_meter("m").create_histogram("h")
    for each in values:
        recorded.record(each)
    data: Any = reader.get_metrics_data()
    provider.shutdown()
    [found] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    bounds, counts = classic_of(native_of(found))
    for bound, count in zip(bounds, accumulate(counts), strict=False):
        assert count == sum(each <= bound for each in values)
    assert sum(counts) == len(values)


def test_exponential_and_explicit_histograms_of_one_name_are_added_where_they_can_be() -> None:
    """Of the same labels in one scope the boundaries that both have are shown."""
    explicit = histogram("h", distribution({}, [1, 2, 3], (1.0, 4.0)))
    [metric] = shown(explicit, exponential("h", point(0, 0, [5, 7])))["h"].metric
    told = metric.histogram
    assert not told.HasField("schema")
    assert told.sample_count == 18
    assert {each.upper_bound: each.cumulative_count for each in told.bucket} == {1: 1, 4: 15}


def test_exponential_histograms_of_one_name_and_labels_are_added() -> None:
    """Two scopes without labels of their own give one histogram of both."""
    translator = Translator(scope_labels=False)
    more = [(InstrumentationScope("other"), [exponential("h", point(2, 0, [2, 2, 2, 2]))])]
    data = collected(exponential("h", point(0)), more=more)
    [found] = families(b"".join(map(pack_family, translator.translate(data, natives=True))))
    [metric] = found.metric
    assert (metric.histogram.schema, bucket_counts(metric.histogram)) == (0, {1: 9})


@pytest.mark.parametrize("kind", [MeterProvider, SdkMeterProvider])
def test_a_scrape_of_text_costs_a_scrape_of_protobuf_no_exemplar(kind: Any) -> None:
    """The SDK forgets exemplars once they were collected; they are shown nevertheless."""
    reader = PrometheusMetricReader(registry=CollectorRegistry(), scope_info_enabled=False)
    aggregation = ExponentialBucketHistogramAggregation()
    provider = kind(
        metric_readers=[reader],
        exemplar_filter=AlwaysOnExemplarFilter(),
        views=[View(instrument_name="h", aggregation=aggregation)],
        shutdown_on_exit=False,
    )
    recorded = provider.get_meter("m").create_histogram("h")
    recorded.record(3)
    assert b"h_bucket" not in reader.render()[1]
    assert reader.problems == {"exponential_histogram": 1}
    for _ in range(2):
        [metric] = by_name(reader.render(ACCEPT)[1])["h"].metric
        assert [each.value for each in metric.histogram.exemplars] == [3]
        assert [each.exemplar.value for each in metric.histogram.bucket] == [0, 3]
    provider.shutdown()


def test_two_providers_in_one_registry_make_one_native_histogram() -> None:
    """What each has measured of the same labels is added, in native and classic buckets."""
    registry = CollectorRegistry()
    view = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())
    readers = [
        PrometheusMetricReader(True, registry=registry, scope_info_enabled=False)  # noqa: FBT003
        for _ in range(2)
    ]
    for reader, values in zip(readers, ((1.5, 3), (1000, 0)), strict=True):
        provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
        recorded = provider.get_meter("m").create_histogram("h")
        for each in values:
            recorded.record(each)
    [metric] = by_name(readers[0].render(ACCEPT)[1])["h"].metric
    told = metric.histogram
    assert (told.sample_count, told.sample_sum, told.zero_count) == (4, 1004.5, 1)
    assert sum(bucket_counts(told).values()) == 3
    for reader in readers:
        reader.shutdown()
