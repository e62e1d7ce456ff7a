"""Native histograms on the way to a real Prometheus 3."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeHistogramMetricFamily, HistogramMetricFamily
from prometheus_client.samples import BucketSpan, NativeHistogram

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader

from .servers import HOST, PROTOBUF, Prometheus, Scrape, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client import Metric

pytestmark = pytest.mark.e2e

NATIVE = {"scrape_native_histograms": True}
WITH_CLASSIC = {**NATIVE, "always_scrape_classic_histograms": True}
TRACE, SPAN = 0xABC << 100, 0xDEF << 40
RANDOM = random.Random(7)  # noqa: S311 - the same at each run
VALUES = sorted(RANDOM.lognormvariate(-2, 1.5) for _ in range(5_000))


class Foreign:
    """A collector of somebody else's, of what prometheus_client has no instrument for."""

    def collect(self) -> Iterator[Metric]:
        """Return a native histogram of fractions, and a histogram that may fall."""
        found = HistogramMetricFamily("foreign_native", "Fractions.")
        spans, deltas = [BucketSpan(1, 2)], [0.5, 1.0]
        native = NativeHistogram(2.5, 4.0, 0, 0.001, 0.5, spans, None, deltas)  # type: ignore[arg-type]
        found.add_sample("foreign_native", {}, 0.0)
        found.samples[-1] = found.samples[-1]._replace(native_histogram=native)
        yield found
        yield GaugeHistogramMetricFamily(
            "foreign_waiting", "Waiting.", buckets=[("1.0", 3), ("+Inf", 5)], gsum_value=9
        )


@contextmanager
def served(kind: type[SdkMeterProvider]) -> Iterator[str]:
    """Serve an exponential histogram of many values, by either engine; give the address."""
    registry = CollectorRegistry()
    registry.register(Foreign())  # type: ignore[arg-type]
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    aggregation = ExponentialBucketHistogramAggregation()
    provider = kind(
        metric_readers=[reader],
        exemplar_filter=AlwaysOnExemplarFilter(),
        views=[View(instrument_name="*", aggregation=aggregation)],
        shutdown_on_exit=False,
    )
    latency = provider.get_meter("test").create_histogram("latency", "s")
    span = SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1))
    context = set_span_in_context(NonRecordingSpan(span))
    for value in VALUES:
        latency.record(value, {"path": "/a"}, context)
    latency.record(0, {"path": "/a"}, context)
    empty = provider.get_meter("test").create_histogram("zeros", "s")
    empty.record(0)
    try:
        yield f"{HOST}:{reader.start_server(HOST, 0).port}"
    finally:
        provider.shutdown()


def quantile(value: float) -> float:
    """Return a quantile of what was measured."""
    ranked = [0.0, *VALUES]
    return ranked[round(value * (len(ranked) - 1))]


def holds(buckets: list[list[Any]], value: float) -> tuple[float, float]:
    """Return the bucket of a value."""
    bounds = ((float(lower), float(upper)) for _, lower, upper, _ in buckets)
    return next((lower, upper) for lower, upper in bounds if lower < value <= upper)


@pytest.mark.parametrize("kind", [MeterProvider, SdkMeterProvider])
def test_prometheus_reads_a_native_histogram(
    prometheus3: Path, tmp_path: Path, kind: type[SdkMeterProvider]
) -> None:
    """Count, sum, buckets and quantiles are those of the values; exemplars are there as well."""
    with served(kind) as address:
        scrape = Scrape([address], extra=NATIVE)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            [found] = wait_until(lambda: prometheus.natives("latency_seconds"), 30, "the histogram")
            [zeros] = prometheus.natives("zeros_seconds")
            quantiles = {
                each: prometheus.query(f"histogram_quantile({each}, latency_seconds)")[0].value
                for each in (0.1, 0.5, 0.9, 0.99)
            }
            classic = prometheus.series("latency_seconds_bucket")
            exemplars = prometheus.exemplars("latency_seconds")
            [fractions] = prometheus.natives("foreign_native")
            waiting = prometheus.query("foreign_waiting_bucket")
    assert int(found["count"]) == len(VALUES) + 1
    assert float(found["sum"]) == pytest.approx(sum(VALUES))
    assert classic == []
    for _, lower, upper, count in found["buckets"]:
        if float(upper) > 1e-100:
            inside = [each for each in VALUES if float(lower) < each <= float(upper)]
            assert len(inside) == int(count)
    for each, estimate in quantiles.items():
        lower, upper = holds(found["buckets"], quantile(each))
        assert lower <= estimate <= upper * (upper / lower)
    told = [each["labels"] for series in exemplars for each in series["exemplars"]]
    assert told
    assert {each["trace_id"] for each in told} == {f"{TRACE:032x}"}
    assert {each["span_id"] for each in told} == {f"{SPAN:016x}"}
    assert (zeros["count"], zeros["sum"]) == ("1", "0")
    assert (fractions["count"], fractions["sum"]) == ("2.5", "4")
    assert [float(each[3]) for each in fractions["buckets"]] == [0.5, 0.5, 1.5]
    assert {each.labels["le"]: each.value for each in waiting} == {"1.0": 3, "+Inf": 5}


def test_classic_series_stand_beside_it(prometheus3: Path, tmp_path: Path) -> None:
    """Where they are asked for, buckets of powers of two, the sum and the count are there too."""
    with served(MeterProvider) as address:
        scrape = Scrape([address], extra=WITH_CLASSIC)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            prometheus.wait_for("latency_seconds_count")
            [native] = prometheus.natives("latency_seconds")
            buckets = {
                float(each.labels["le"]): each.value
                for each in prometheus.query("latency_seconds_bucket")
            }
            count = prometheus.query("latency_seconds_count")[0].value
            median = prometheus.query(
                "histogram_quantile(0.5, sum by (le) (latency_seconds_bucket))"
            )[0].value
            exemplars = prometheus.exemplars("latency_seconds_bucket")
    assert int(native["count"]) == count == len(VALUES) + 1
    for bound, number in buckets.items():
        assert number == 1 + sum(each <= bound for each in VALUES)
    assert len(buckets) > 10
    assert quantile(0.5) / 2 <= median <= quantile(0.5) * 2
    assert exemplars


def test_without_native_histograms_the_classic_series_are_scraped(
    prometheus3: Path, tmp_path: Path
) -> None:
    """A Prometheus that asks for protobuf, and not for native ones, has what stands beside."""
    with served(MeterProvider) as address:
        scrape = Scrape([address], protocols=[PROTOBUF])
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            [count] = prometheus.wait_for("latency_seconds_count")
            assert prometheus.natives("latency_seconds") == []
    assert count.value == len(VALUES) + 1
