"""What each kind of prometheus_client's metrics becomes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Sum
from prometheus_client import CollectorRegistry, Counter, Enum, Info, Summary
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.samples import Exemplar, NativeHistogram, Timestamp

from butterfly_otel.exporters.bridge import PrometheusMetricProducer
from tests.unit.exporters.bridge.bridged import Custom, family, on_the_wire, point, produced

CUMULATIVE = AggregationTemporality.CUMULATIVE


@pytest.fixture
def registry() -> CollectorRegistry:
    """An empty registry."""
    return CollectorRegistry()


@pytest.fixture
def producer(registry: CollectorRegistry) -> PrometheusMetricProducer:
    """A producer over it."""
    return PrometheusMetricProducer(registry)


def register(registry: CollectorRegistry, *families: Any) -> None:
    """Register a collector of families."""
    registry.register(Custom(lambda: families))  # type: ignore[arg-type]


def test_a_counter(registry: CollectorRegistry, producer: PrometheusMetricProducer) -> None:
    """It is a monotonic cumulative sum under the name that a scrape shows."""
    Counter("vllm:tokens", "Tokens.", ["model"], registry=registry).labels("m").inc(2.5)
    metric = produced(producer)["vllm:tokens_total"]
    assert isinstance(metric.data, Sum)
    assert metric.data.is_monotonic
    assert metric.data.aggregation_temporality == CUMULATIVE
    assert metric.description == "Tokens."
    [found] = metric.data.data_points
    assert (found.attributes, found.value) == ({"model": "m"}, 2.5)


def test_a_gauge(registry: CollectorRegistry, producer: PrometheusMetricProducer) -> None:
    """It is a gauge, whatever its value is and whatever its labels are called."""
    gauge = PrometheusGauge("heat_celsius", "Heat.", ["le", "quantile"], registry=registry)
    for value in (math.nan, math.inf, -math.inf, 3.0):
        gauge.labels(str(value), "q").set(value)
    metric = produced(producer)["heat_celsius"]
    assert isinstance(metric.data, Gauge)
    assert metric.unit == "Cel"
    values = {each.attributes["le"]: each.value for each in metric.data.data_points}
    assert values.keys() == {"nan", "inf", "-inf", "3.0"}
    assert all(str(value) == key for key, value in values.items())
    assert {each.attributes["quantile"] for each in metric.data.data_points} == {"q"}


def test_a_histogram(registry: CollectorRegistry, producer: PrometheusMetricProducer) -> None:
    """Its buckets are counts of their own, not of all below, and it has no extremes."""
    histogram = PrometheusHistogram("x_seconds", "X.", registry=registry, buckets=(1, 2))
    for value in (0.5, 1.5, 1.7, 9):
        histogram.observe(value)
    metric = produced(producer)["x_seconds"]
    assert isinstance(metric.data, Histogram)
    assert metric.unit == "s"
    found = point(producer, "x_seconds")
    assert (found.count, found.sum) == (4, 12.7)
    assert found.bucket_counts == [1, 2, 1]
    assert found.explicit_bounds == (1.0, 2.0)
    wire = on_the_wire(producer)["x_seconds"].histogram.data_points[0]
    assert not wire.HasField("min")
    assert not wire.HasField("max")


def test_a_histogram_without_a_sum(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """One with negative bounds has none in Prometheus, and none by OTLP."""
    PrometheusHistogram("x", "X.", registry=registry, buckets=(-1, 1)).observe(-3)
    wire = on_the_wire(producer)["x"].histogram.data_points[0]
    assert not wire.HasField("sum")
    assert (wire.count, list(wire.bucket_counts)) == (1, [1, 0, 0])


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ([("_bucket", {"le": "1"}, 1)], "neither a count nor a bucket"),
        ([("_bucket", {"le": "1"}, 3), ("_bucket", {"le": "+Inf"}, 2)], "do not grow"),
        ([("_bucket", {"le": "+Inf"}, math.nan)], "nan is not a count"),
        ([("_bucket", {"le": "+Inf"}, 1.5)], "1.5 is not a count"),
        ([("_bucket", {"le": "+Inf"}, -1)], "-1 is not a count"),
        ([("_bucket", {"le": "one"}, 1), ("_count", {}, 1)], "could not convert"),
    ],
)
def test_a_series_that_is_no_histogram_costs_no_other(
    registry: CollectorRegistry,
    caplog: pytest.LogCaptureFixture,
    samples: list[Any],
    why: str,
) -> None:
    """It is left out, counted, and logged once."""
    reasons: list[str] = []
    producer = PrometheusMetricProducer(registry, on_omission=reasons.append)
    good = [("_bucket", {"le": "+Inf", "k": "v"}, 2), ("_sum", {"k": "v"}, 1)]
    register(registry, family("sizes", "histogram", *samples, *good))
    assert point(producer, "sizes").attributes == {"k": "v"}
    assert point(producer, "sizes").bucket_counts == [2]
    assert reasons == ["broken_metric"] * 2
    assert [why in each.getMessage() for each in caplog.records] == [True]


def test_a_summary(registry: CollectorRegistry, producer: PrometheusMetricProducer) -> None:
    """By our encoder it is an OTLP summary, with quantiles where a collector has them."""
    Summary("step_seconds", "Steps.", registry=registry).observe(2)
    quantiles = [("", {"quantile": q, "k": "v"}, v) for q, v in (("0.99", 7), ("0.5", 1))]
    register(
        registry,
        family("rpc", "summary", *quantiles, ("_count", {"k": "v"}, 4), ("_sum", {"k": "v"}, 9)),
    )
    wire = on_the_wire(producer)
    [step] = wire["step_seconds"].summary.data_points
    assert (step.count, step.sum, list(step.quantile_values)) == (1, 2, [])
    assert 0 < step.start_time_unix_nano < step.time_unix_nano
    assert wire["step_seconds"].unit == "s"
    [rpc] = wire["rpc"].summary.data_points
    assert [(each.quantile, each.value) for each in rpc.quantile_values] == [(0.5, 1), (0.99, 7)]
    assert [(each.key, each.value.string_value) for each in rpc.attributes] == [("k", "v")]


def test_infos_and_state_sets(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """They are sums of 1 and 0 that are not monotonic, as the specification says."""
    Info("engine", "E.", registry=registry).info({"version": "1"})
    Enum("mode", "M.", states=["on", "off"], registry=registry).state("off")
    metrics = produced(producer)
    for name in ("engine_info", "mode"):
        assert isinstance(metrics[name].data, Sum)
        assert not metrics[name].data.is_monotonic
    assert point(producer, "engine_info").attributes == {"version": "1"}
    assert point(producer, "engine_info").value == 1
    states = {each.attributes["mode"]: each.value for each in metrics["mode"].data.data_points}
    assert states == {"on": 0, "off": 1}


def test_what_otlp_has_no_kind_for_is_a_gauge(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """Untyped families, gauge histograms and odd samples keep their names; the type is told."""
    register(
        registry,
        family("old", "unknown", ("", {}, 1)),
        family("queue", "gaugehistogram", ("_bucket", {"le": "+Inf"}, 5), ("_gcount", {}, 5)),
        family("things", "counter", ("_total", {}, 3), ("_peak", {}, 9)),
    )
    metrics = produced(producer)
    assert {name for name, each in metrics.items() if isinstance(each.data, Gauge)} == {
        *("old", "queue_bucket", "queue_gcount", "things_peak"),
    }
    assert point(producer, "queue_bucket").attributes == {"le": "+Inf"}
    [told] = on_the_wire(producer)["old"].metadata
    assert (told.key, told.value.string_value) == ("prometheus.type", "unknown")


def test_native_histograms_are_left_to_their_classic_samples(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """What is only a native histogram is nothing here, and no metric of it is made up."""
    native = NativeHistogram(2, 3.0, 0, 0.001, 0)
    register(registry, family("n", "histogram", ("", {}, 0, None, None, native)))
    assert produced(producer) == {}


def test_exemplars(registry: CollectorRegistry, producer: PrometheusMetricProducer) -> None:
    """Ids go where OTLP has them; what is none, or is written otherwise, stays an attribute."""
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    labelled = {
        "both": {"trace_id": trace, "span_id": span, "user": "u"},
        "trace": {"trace_id": trace},
        "upper": {"trace_id": trace.upper()},
        "short": {"trace_id": "abc", "span_id": span},
        "none": {"TraceID": trace},
    }
    samples = [
        ("_total", {"k": key}, 1, None, Exemplar(labels, 0.5, 12.25))
        for key, labels in labelled.items()
    ]
    register(registry, family("c", "counter", *samples))
    found = {
        each.attributes["k"]: each.exemplars[0]
        for each in produced(producer)["c_total"].data.data_points
    }
    assert found["both"].trace_id == found["trace"].trace_id == int(trace, 16)
    assert (found["both"].span_id, found["trace"].span_id) == (int(span, 16), 0)
    assert found["both"].filtered_attributes == {"user": "u"}
    assert found["both"].time_unix_nano == 12_250_000_000
    assert found["both"].value == 0.5
    for key in ("upper", "short", "none"):
        assert found[key].trace_id is None
        assert found[key].filtered_attributes == labelled[key]


def test_exemplars_of_buckets(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """A histogram's point has those of all its buckets."""
    histogram = PrometheusHistogram("x", "X.", registry=registry, buckets=(1,))
    histogram.observe(0.5, {"id": "a"})
    histogram.observe(5, {"id": "b"})
    found = [each.filtered_attributes["id"] for each in point(producer, "x").exemplars]
    assert found == ["a", "b"]


@pytest.mark.parametrize("stamp", [1700000000.5, Timestamp(1700000000, 500_000_000)])
def test_a_sample_s_own_time(
    registry: CollectorRegistry, producer: PrometheusMetricProducer, stamp: Any
) -> None:
    """A collector that says when a value was taken is believed."""
    register(registry, family("g", "gauge", ("", {}, 1, stamp)))
    assert point(producer, "g").time_unix_nano == 1_700_000_000_500_000_000


def test_text_that_no_wire_can_carry(
    registry: CollectorRegistry, producer: PrometheusMetricProducer
) -> None:
    """Lone surrogates of labels and help are replaced; the metric arrives."""
    bad = family("g", "gauge", ("", {"k": "a\ud800"}, 1))
    bad.documentation = "help \udfff"
    register(registry, bad)
    [found] = on_the_wire(producer)["g"].gauge.data_points
    assert found.attributes[0].value.string_value == "a\ufffd"
