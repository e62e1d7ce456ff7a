"""Metrics of prometheus_client in protobuf, beside ours."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Metric,
    Summary,
)
from prometheus_client.core import GaugeHistogramMetricFamily, SummaryMetricFamily
from prometheus_client.samples import BucketSpan, NativeHistogram, Sample, Timestamp

from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.serving.app import Request, respond
from tests.prometheus_proto import ACCEPT, by_name

if TYPE_CHECKING:
    from collections.abc import Iterator


class Custom:
    """A collector of families that are made by hand."""

    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self.metrics


def shown(*metrics: Metric) -> tuple[PrometheusMetricReader, dict[str, Any]]:
    """Return a reader whose registry has such families, and what it shows of them."""
    registry = CollectorRegistry()
    registry.register(Custom(*metrics))  # type: ignore[arg-type]
    reader = PrometheusMetricReader(registry=registry)
    return reader, by_name(reader.render(ACCEPT)[1])


def made(name: str, kind: str, *samples: Sample, unit: str = "") -> Metric:
    """Return a family of samples."""
    metric = Metric(name, "Help.", kind)
    metric.unit = unit
    metric.samples = list(samples)
    return metric


def native(**fields: Any) -> Metric:
    """Return a native histogram of two buckets."""
    known: dict[str, Any] = {
        "count_value": 5,
        "sum_value": 9.0,
        "schema": 1,
        "zero_threshold": 0.5,
        "zero_count": 1,
        "pos_spans": [BucketSpan(1, 2)],
        "pos_deltas": [1, 2],
    }
    told = NativeHistogram(**{**known, **fields})
    return made("h", "histogram", Sample("h", {}, 0.0, native_histogram=told))


def test_every_instrument_has_its_type_and_its_name_of_text() -> None:
    """Counters have their suffix, infos and state sets are gauges; starts are fields."""
    registry = CollectorRegistry()
    Counter("c", "C.", registry=registry).inc(2, {"trace_id": "x"})
    Gauge("g", "G.", ["k"], registry=registry).labels("").set(-1)
    Summary("s", "S.", registry=registry).observe(3)
    Histogram("h_seconds", "H.", unit="seconds", buckets=(1, 5), registry=registry).observe(
        9, {"trace_id": "y"}
    )
    Info("i", "I.", registry=registry).info({"a": "b"})
    Enum("e", "E.", states=["on", "off"], registry=registry)
    found = by_name(PrometheusMetricReader(registry=registry).render(ACCEPT)[1])
    types = {name: (each.type, each.help) for name, each in found.items()}
    assert types == {
        "c_total": (0, "C."),
        "g": (1, "G."),
        "s": (2, "S."),
        "h_seconds": (4, "H."),
        "i_info": (1, "I."),
        "e": (1, "E."),
    }
    counter = found["c_total"].metric[0].counter
    assert (counter.value, counter.exemplar.label[0].value) == (2, "x")
    assert counter.start_timestamp.seconds > 1_000_000_000
    assert found["g"].metric[0].label[0].HasField("value")
    assert found["s"].metric[0].summary.sample_sum == 3
    told = found["h_seconds"].metric[0].histogram
    assert found["h_seconds"].unit == "seconds"
    assert [each.upper_bound for each in told.bucket] == [1, 5, float("inf")]
    assert told.bucket[2].exemplar.label[0].value == "y"
    assert [each.gauge.value for each in found["e"].metric] == [1, 0]


def test_what_only_collectors_have_is_shown() -> None:
    """Quantiles, gauge histograms, unknown types, times, and samples of another name."""
    summary = SummaryMetricFamily("s", "S.", labels=["k"])
    summary.add_metric(["a"], 4, 8.5)
    summary.add_sample("s", {"k": "a", "quantile": "0.5"}, 2)
    _, found = shown(
        summary,
        GaugeHistogramMetricFamily("w", "W.", buckets=[("1.0", 3), ("+Inf", 5)], gsum_value=9),
        made("u", "unknown", Sample("u", {}, 7, Timestamp(1_700_000_000, 5_000_000))),
        made("g", "gauge", Sample("g", {}, 1), Sample("g_other", {}, 2)),
    )
    told = found["s"].metric[0].summary
    assert (told.sample_count, told.sample_sum, told.quantile[0].quantile) == (4, 8.5, 0.5)
    assert found["w"].type == 5
    assert found["w"].metric[0].histogram.sample_sum == 9
    assert found["u"].metric[0].timestamp_ms == 1_700_000_000_005
    assert (found["g"].type, found["g_other"].type) == (1, 3)


def test_a_unit_that_the_name_does_not_end_in_is_left_out() -> None:
    """Prometheus would refuse the whole scrape."""
    _, found = shown(made("g", "gauge", Sample("g", {}, 1), unit="seconds"))
    assert found["g"].unit == ""


def test_native_histograms_of_whole_numbers_and_of_others() -> None:
    """Whole counts are deltas, others are numbers as they are."""
    _, found = shown(native())
    told = found["h"].metric[0].histogram
    assert (told.sample_count, told.schema, told.zero_count) == (5, 1, 1)
    assert list(told.positive_delta) == [1, 2]
    _, found = shown(native(count_value=4.5, zero_count=0.5))
    told = found["h"].metric[0].histogram
    assert (told.sample_count_float, told.zero_count_float) == (4.5, 0.5)
    assert list(told.positive_count) == [1, 3]


@pytest.mark.parametrize(
    "wrong", [{"count_value": 6}, {"schema": 9}, {"pos_deltas": [1]}, {"pos_deltas": [-1, 6]}]
)
def test_a_native_histogram_that_would_fail_the_scrape_is_left_out(wrong: dict[str, Any]) -> None:
    """The rest is shown, and it is counted what was left out."""
    registry = CollectorRegistry()
    registry.register(Custom(native(**wrong), made("g", "gauge", Sample("g", {}, 1))))  # type: ignore[arg-type]
    reader = PrometheusMetricReader(registry=registry)
    assert by_name(reader.render(ACCEPT)[1]).keys() == {"g"}
    assert reader.omissions == {"broken_metric": 1}


def test_surrogates_are_replaced() -> None:
    """A label value that UTF-8 has no form for costs no metric."""
    _, found = shown(made("g", "gauge", Sample("g", {"k": "a\ud800"}, 1)))
    assert found["g"].metric[0].label[0].value == "a\ufffd"


def test_it_is_served_as_text_is() -> None:
    """Compressed, by names of families, and with its own Content-Type."""
    reader, _ = shown(
        *(made(f"g{index}", "gauge", Sample(f"g{index}", {}, 1)) for index in range(100))
    )
    headers = {"accept": ACCEPT, "accept-encoding": "gzip"}
    response = respond(reader, Request("GET", "/metrics", "", headers, ""))
    sent = dict(response.headers)
    assert sent["Content-Type"].replace("; ", ";") == ACCEPT
    assert sent["Content-Encoding"] == "gzip"
    assert len(by_name(gzip.decompress(response.body))) == 100
    response = respond(reader, Request("HEAD", "/metrics", "name[]=g7", headers, ""))
    assert by_name(response.body).keys() == {"g7"}
