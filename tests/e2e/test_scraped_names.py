"""Names that not every scraper can read, on the way to a real Prometheus 2 and 3."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader

from .servers import HOST, OPENMETRICS, TEXT, Prometheus, Scrape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from butterfly_otel.exporters.prometheus import TranslationStrategy

pytestmark = pytest.mark.e2e

TEXT_1 = "PrometheusText1.0.0"
FORMATS = {"openmetrics": [OPENMETRICS], "text1": [TEXT_1], "text": [TEXT]}
#: What each scheme makes of the counter ``a.b`` and its label ``k.x``.
NAMES = {
    "allow-utf-8": ("a.b_total", "k.x", "k\ufffdnul"),
    "underscores": ("a_b_total", "k_x", "k_nul"),
    "dots": ("a_dot_b__total", "k_dot_x", "k__nul"),
    "values": ("U__a_2e_b__total", "U__k_2e_x", "U__k_fffd_nul"),
}


@contextmanager
def served(strategy: TranslationStrategy) -> Iterator[PrometheusMetricReader]:
    """Serve metrics of ours and of prometheus_client whose names are unusual."""
    registry = CollectorRegistry()
    Gauge("sglang:token_usage", "T", registry=registry).set(42)
    Counter("vllm:requests", "R", ["model_name"], registry=registry).labels("m").inc(3)
    Histogram("vllm:e2e.seconds", "S", registry=registry, buckets=(1,)).observe(2)
    Counter("foreign.name", "F", ["k\0nul"], registry=registry).labels("a\0b").inc(
        7, exemplar={"trace.id": "x\0y"}
    )
    reader = PrometheusMetricReader(
        registry=registry, scope_info_enabled=False, translation_strategy=strategy
    )
    provider = MeterProvider(
        [reader], Resource({"a\0b": "c"}), AlwaysOnExemplarFilter(), shutdown_on_exit=False
    )
    meter = provider.get_meter("test")
    meter.create_counter("a.b", description="Nul\0 help.").add(
        5, {"k.x": "v", "k\0nul": "a\0b", "地域": "東京"}
    )
    meter.create_histogram("h", "s").record(1, {"k\0": 1})
    try:
        yield reader
    finally:
        provider.shutdown()


def port_of(reader: PrometheusMetricReader) -> int:
    """Serve a reader's metrics; return the port."""
    return reader.start_server(HOST, 0).port


def wait_until_scraped(prometheus: Prometheus, jobs: int) -> None:
    """Wait until every job has been scraped; fail where one can't be."""
    prometheus.wait_for(f"count(up == 1) == {jobs}")


@pytest.mark.parametrize("strategy", ["NoTranslation", "NoUTF8EscapingWithSuffixes"])
def test_prometheus_3_gets_the_names_it_asks_for(
    prometheus3: Path, tmp_path: Path, strategy: TranslationStrategy
) -> None:
    """In each scheme and format the whole page is scraped, and names are those of the scheme."""
    with served(strategy) as reader:
        address = f"{HOST}:{port_of(reader)}"
        scrapes = [
            Scrape(
                [address],
                f"{scheme} {name}",
                protocols,
                extra={"metric_name_escaping_scheme": scheme, "fallback_scrape_protocol": TEXT},
            )
            for scheme in NAMES
            for name, protocols in FORMATS.items()
        ]
        with Prometheus(prometheus3, tmp_path, scrapes=scrapes) as prometheus:
            wait_until_scraped(prometheus, len(scrapes))
            found = {
                job: {
                    each["__name__"]: each
                    for each in prometheus.series(f'{{job="{job}"}}')
                    if not each["__name__"].startswith(("scrape_", "up"))
                }
                for job in (scrape.job for scrape in scrapes)
            }
    for job, series in found.items():
        scheme, form = job.split(" ")
        # The old text format knows no schemes.
        name, label, nul = NAMES["underscores" if form == "text" else scheme]
        if strategy == "NoTranslation":
            plain = {"a.b": "a.b", "a_b": "a_b", "a_dot_b": "a_dot_b", "U__a_2e_b": "U__a_2e_b"}
            name = plain[name.replace("__total", "_total").removesuffix("_total")]
        assert name in series, job
        assert (series[name][label], series[name][nul]) == ("v", "a\0b"), job
        assert {"sglang:token_usage", "vllm:requests_total", "target_info"} <= set(series), job


def test_prometheus_2_gets_names_that_it_can_read(prometheus2: Path, tmp_path: Path) -> None:
    """A scraper that knows no schemes gets underscores, and colons where they were."""
    with served("NoTranslation") as reader:
        scrape = Scrape([f"{HOST}:{port_of(reader)}"])
        with Prometheus(prometheus2, tmp_path, scrapes=[scrape]) as prometheus:
            wait_until_scraped(prometheus, 1)
            assert [each.value for each in prometheus.query("a_b")] == [5]
            assert [each.value for each in prometheus.query("sglang:token_usage")] == [42]
            assert [each.value for each in prometheus.query("vllm:requests_total")] == [3]
            assert [each.value for each in prometheus.query("foreign_name_total")] == [7]
            types: dict[str, Any] = {
                each["metric"]: each["type"] for each in prometheus.targets_metadata()
            }
    assert types["sglang:token_usage"] == "gauge"
    assert types["vllm:requests"] == "counter"
    assert types["vllm:e2e_seconds"] == "histogram"


@pytest.mark.parametrize("tool", ["promtool2", "promtool3"])
def test_promtool_reads_the_page(request: pytest.FixtureRequest, tool: str) -> None:
    """Promtool finds no syntax error, and complains of no name that is not there."""
    program = request.getfixturevalue(tool)
    with served("NoTranslation") as reader:
        page = reader.render()[1]
    answer = subprocess.run(
        [program, "check", "metrics"], input=page, capture_output=True, check=False
    )
    # 3 is what it says of names that it would have chosen otherwise.
    assert answer.returncode in {0, 3}, answer.stderr
    assert b"error while linting" not in answer.stderr
