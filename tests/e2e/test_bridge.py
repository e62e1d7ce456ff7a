"""prometheus_client's metrics by OTLP: what comes out is what a scrape of them shows."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.core import GaugeHistogramMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from butterfly_otel.exporters.bridge import PrometheusMetricProducer, register_producer
from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.push import PushMetricReader
from butterfly_otel.settings.config import load_config
from tests.docs.blocks import ROOT, blocks_of
from tests.foreground import FOREGROUND

from .servers import Collector, Prometheus, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

RESOURCE = Resource({"service.name": "llm", "service.instance.id": "n1"})
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
#: The last family that is exported, by which a test knows that all have come.
LAST = "zz_last"


class Unusual:
    """A custom collector of families that prometheus_client has no instruments for."""

    def describe(self) -> list[Metric]:
        """Return nothing, as many do."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield UnknownMetricFamily("legacy_value", "Untyped.", 4.5)
        sizes = GaugeHistogramMetricFamily("queue_sizes", "Sizes.")
        sizes.add_metric([], [("1", 2), ("+Inf", 5)], 9)
        yield sizes
        latency = Metric("rpc_latency_seconds", "With quantiles.", "summary")
        for quantile, value in (("0.5", 0.1), ("0.99", 0.7)):
            latency.add_sample("rpc_latency_seconds", {"quantile": quantile, "m": "x"}, value)
        latency.add_sample("rpc_latency_seconds_count", {"m": "x"}, 10)
        latency.add_sample("rpc_latency_seconds_sum", {"m": "x"}, 2.5)
        yield latency


def fill(registry: CollectorRegistry) -> None:
    """Register metrics as inference servers have them, and the names that translate badly."""
    requests = Counter("vllm:request_success", "Requests.", ["model"], registry=registry)
    requests.labels("m").inc(3, exemplar={"trace_id": TRACE, "span_id": SPAN})
    requests.labels("n").inc(0.5, exemplar={"trace_id": TRACE})
    first = Histogram(
        "vllm:time_to_first_token_seconds", "TTFT.", ["model"], registry=registry, buckets=(0.1, 1)
    )
    first.labels("m").observe(0.05)
    first.labels("m").observe(0.5, {"trace_id": TRACE, "span_id": SPAN})
    first.labels("m").observe(7)
    # A histogram whose name ends as a counter's does, and a gauge that does.
    Histogram("vllm:iteration_tokens_total", "Tokens.", registry=registry, buckets=(8,)).observe(5)
    Gauge("blocks_total", "Blocks.", registry=registry).set(12)
    Counter("read_bytes", "Bytes.", registry=registry, unit="bytes").inc(4096)
    Counter("generated_tokens", "Tokens.", registry=registry, unit="tokens").inc(7)
    Gauge("link_bytes_per_second", "Speed.", registry=registry).set(1.5)
    Gauge("cache_hit_ratio", "Hits.", registry=registry).set(0.25)
    Gauge("ratio_of_ratio", "Odd.", registry=registry).set(2)
    Gauge("temperature_celsius", "Heat.", ["le", "quantile"], registry=registry).labels(
        "1", "0.5"
    ).set(math.nan)
    Gauge("limit_bytes", "None.", registry=registry).set(math.inf)
    Summary("step_seconds", "Steps.", registry=registry).observe(2)
    Info("engine", "Engine.", registry=registry).info({"version": "1.2"})
    Enum("engine_state", "State.", states=["idle", "busy"], registry=registry).state("busy")
    registry.register(Unusual())  # type: ignore[arg-type]
    Gauge(LAST, "Last.", registry=registry).set(1)


@contextmanager
def registry_of_everything() -> Iterator[CollectorRegistry]:
    """A registry in which a reader of ours is registered as well."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    provider.get_meter("ours").create_counter("our_own_things").add(1)
    fill(registry)
    yield registry
    provider.shutdown()


def push(registry: CollectorRegistry, endpoint: str) -> None:
    """Export once, as `configure()` does."""
    settings = {"node_id": "n1", "node_role": "compute", "otlp_endpoint": endpoint}
    reader = PushMetricReader(
        build_otlp_exporter(load_config(settings).otlp),
        name="otlp",
        interval=3600,
        timeout=30,
        producers=[PrometheusMetricProducer(registry)],
    )
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    assert reader.force_flush(30_000)
    provider.shutdown()


def spelled(value: float) -> str:
    """A value as text: NaN is not equal to itself."""
    return f"{value:g}"


def samples_of(families: Iterable[Any]) -> dict[str, dict[str, str]]:
    """Values by name and labels, without what says whose they are; `le` in one spelling."""
    found: dict[str, dict[str, str]] = {}
    for family in families:
        for sample in family.samples:
            if sample.name.endswith("_created") or sample.name.startswith("target_info"):
                continue
            labels = {k: v for k, v in sample.labels.items() if k not in {"job", "instance"}}
            if "le" in labels and sample.name.endswith("_bucket"):
                labels["le"] = f"{float(labels['le']):g}"
            inner = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
            found.setdefault(sample.name, {})[inner] = spelled(sample.value)
    return found


def types_of(families: Iterable[Any]) -> dict[str, str]:
    """Types by name."""
    return {each.name: each.type for each in families if not each.name.endswith("_created")}


def scraped(registry: CollectorRegistry) -> str:
    """What a scrape by prometheus_client's own page shows, without what is OpenTelemetry's."""
    page = generate_latest(registry).decode()
    return "".join(
        line + "\n"
        for line in page.splitlines()
        if "our_own_things" not in line and "target_info" not in line
    )


@pytest.mark.parametrize(
    "strategy",
    [
        "UnderscoreEscapingWithoutSuffixes",
        "UnderscoreEscapingWithSuffixes",
        "NoUTF8EscapingWithSuffixes",
        "NoTranslation",
    ],
)
def test_the_collector_shows_what_a_scrape_shows(
    otelcol: Path, tmp_path: Path, strategy: str
) -> None:
    """Every name, type, value, bucket, quantile and help is the same, whatever is translated."""
    settings = {"translation_strategy": strategy}
    with (
        registry_of_everything() as registry,
        Collector(otelcol, tmp_path, prometheus=settings) as collector,
    ):
        wanted = scraped(registry)
        push(registry, collector.http_endpoint)
        page = wait_until(
            lambda: collector.exposition() if LAST in collector.exposition() else "",
            30,
            "all families",
        )
    expected, got = list(text(wanted)), list(text(page))
    assert samples_of(got) == samples_of(expected)
    types = types_of(expected)
    # OTLP has no gauge histograms, and the page forgets what the metadata says of the other.
    del types["queue_sizes"]
    types |= {"queue_sizes_bucket": "gauge", "legacy_value": "gauge"}
    found = types_of(got)
    found.pop("target_info", None)
    assert found == types
    helps = {each.name: each.documentation for each in expected} | {"queue_sizes_bucket": "Sizes."}
    assert {name: helps[name] for name in types} == {
        each.name: each.documentation for each in got if each.name in types
    }


def test_exemplars_lead_to_traces(otelcol: Path, tmp_path: Path) -> None:
    """The Collector shows those of counters and buckets, also of a trace without a span."""
    settings = {"enable_open_metrics": True}
    with (
        registry_of_everything() as registry,
        Collector(otelcol, tmp_path, prometheus=settings) as collector,
    ):
        push(registry, collector.http_endpoint)
        wait_until(lambda: LAST in collector.exposition(), 30, "all families")
        page = collector.exposition("application/openmetrics-text;version=1.0.0")
    found = {
        (sample.name, sample.labels.get("model"), sample.labels.get("le")): sample.exemplar
        for family in openmetrics(page)
        for sample in family.samples
        if sample.exemplar
    }
    whole = {"trace_id": TRACE, "span_id": SPAN}
    assert {key: (each.labels, each.value) for key, each in found.items()} == {
        ("vllm:request_success_total", "m", None): (whole, 3),
        ("vllm:request_success_total", "n", None): ({"trace_id": TRACE}, 0.5),
        ("vllm:time_to_first_token_seconds_bucket", "m", "1.0"): (whole, 0.5),
    }


def test_the_official_exporter_gives_the_same_names(otelcol: Path, tmp_path: Path) -> None:
    """By a reader and exporter of the stock SDK; a summary's count and sum are there as well."""
    with registry_of_everything() as registry, Collector(otelcol, tmp_path) as collector:
        wanted = samples_of(text(scraped(registry)))
        exporter = OTLPMetricExporter(collector.http_endpoint)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        register_producer(reader, PrometheusMetricProducer(registry))
        provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
        assert provider.force_flush()
        page = wait_until(
            lambda: collector.exposition() if LAST in collector.exposition() else "",
            30,
            "all families",
        )
        provider.shutdown()
    found = samples_of(text(page))
    assert found.pop("rpc_latency_seconds_quantile") == wanted.pop("rpc_latency_seconds")
    for name in ("rpc_latency_seconds_bucket", "step_seconds_bucket"):
        del found[name]
    assert found == wanted


def test_prometheus_receives_the_same_names(prometheus3: Path, tmp_path: Path) -> None:
    """By its own OTLP receiver with the default translation, which adds no suffix again."""
    settings = {"translation_strategy": "UnderscoreEscapingWithSuffixes"}
    with registry_of_everything() as registry:
        wanted = samples_of(text(scraped(registry)))
        with Prometheus(prometheus3, tmp_path, otlp=settings) as prometheus:
            push(registry, prometheus.otlp_endpoint)
            prometheus.wait_for(LAST)
            found: dict[str, dict[str, str]] = {}
            for labels, value in prometheus.query('{__name__=~".+",__name__!="target_info"}'):
                rest = {k: v for k, v in labels.items() if k not in {"job", "instance"}}
                name = rest.pop("__name__")
                if name.endswith("_bucket"):
                    rest["le"] = f"{float(rest['le']):g}"
                inner = ",".join(f"{key}={rest[key]}" for key in sorted(rest))
                found.setdefault(name, {})[inner] = spelled(value)
    assert found == wanted


def test_the_page_s_server_is_pushed_as_it_is_scraped(otelcol: Path, tmp_path: Path) -> None:
    """The program of `docs/how-to/llm-serving.md`: two processes, files, names with colons."""
    [source] = [
        block.text
        for block in blocks_of(ROOT / "docs/how-to/llm-serving.md")
        if block.marks.get("file") == "llm_server.py"
    ]
    program = tmp_path / "llm_server.py"
    program.write_text(source, encoding="utf-8")
    with Collector(otelcol, tmp_path) as collector:
        answer = subprocess.run(
            [sys.executable, program],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": collector.http_endpoint,
                "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            **FOREGROUND,
        )
        wanted = samples_of(text(answer.stdout))
        assert len(wanted) > 4, answer.stderr
        # The servers have ended since, and with them what they were running.
        del wanted["vllm:num_requests_running"]
        page = wait_until(
            lambda: collector.exposition() if "vllm:" in collector.exposition() else "",
            30,
            "the push",
        )
    found = samples_of(text(page))
    assert {
        name: {key: found[name][key] for key in series} for name, series in wanted.items()
    } == wanted
