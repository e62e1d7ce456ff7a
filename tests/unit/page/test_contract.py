"""What the page is told of the contract, and the documents that it links to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Label, Metric
from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.serving.app import Request, respond
from butterfly_otel.exporters.prometheus.serving.site import Response
from butterfly_otel.page import Facts, page_site
from butterfly_otel.page.contract import alert_names, contract_of
from butterfly_otel.views.streams import Stream, default_streams


def _answer(path: str) -> Response:
    reader = PrometheusMetricReader(registry=CollectorRegistry())
    site = page_site(reader, lambda: Facts("n", "compute", {}, 0.0), default_streams())
    return respond(reader, Request("GET", path), site)


def test_the_contract_is_what_is_exported() -> None:
    """Eight categories and the SDK's own, and of each metric what an overlay leaves of it."""
    streams = list(default_streams())
    first = streams[0]
    streams[0] = Stream(first.metric, first.labels[:1], (), 7)
    streams[1] = Stream(streams[1].metric, (), (), 1, dropped=True)
    told = contract_of(streams)
    assert [each["key"] for each in told["categories"]][-1] == "telemetry"
    assert len(told["categories"]) == 9
    assert len(told["metrics"]) == len(catalog.ALL) - 1
    assert [label["key"] for label in told["metrics"][0]["labels"]] == ["node_role"]
    assert told["metrics"][0]["limit"] == 7


def test_metrics_of_other_contracts_have_a_place_and_their_scraped_names() -> None:
    """The page finds a metric's card by its category, and its series by Prometheus' names."""
    metric = Metric(
        name="gw.prompts",
        type="counter",
        instrument="counter",
        why="It is counted.",
        unit="{prompt}",
        help="Prompts.",
        category="gateway",
        query="gw_prompts_total",
        labels=(Label(key="gw.tier", kind="closed", help="Tier.", values=("free",)),),
    )
    streams = (*default_streams(), Stream(metric, metric.labels, (), 2, meter="gw"))
    told = contract_of(streams)
    assert [each["key"] for each in told["categories"]][-2:] == ["telemetry", "gateway"]
    assert told["metrics"][-1]["name"] == "gw_prompts_total"
    assert [each["key"] for each in told["metrics"][-1]["labels"]] == ["gw_tier"]
    reader = PrometheusMetricReader(registry=CollectorRegistry())
    site = page_site(reader, lambda: Facts("n", "compute", {}, 0.0), streams)
    path = "/-/reference/gw_prompts_total"
    assert b"gw.prompts" in respond(reader, Request("GET", path), site).body


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        ("UnderscoreEscapingWithSuffixes", "gw_wait_seconds"),
        ("UnderscoreEscapingWithoutSuffixes", "gw_wait"),
        ("NoUTF8EscapingWithSuffixes", "gw_wait_seconds"),
        ("NoTranslation", "gw_wait"),
    ],
)
def test_names_are_those_of_the_endpoint(strategy: Any, name: str) -> None:
    """Whichever strategy translates them, the page finds what it reads; exact names are exact."""
    metric = Metric(
        name="gw.wait",
        type="histogram",
        instrument="histogram",
        why="It is distributed.",
        unit="s",
        help="Waiting.",
        category="gateway",
        query="gw_wait_seconds",
        buckets=(1.0,),
    )
    stream = Stream(metric, (), metric.buckets, 2, meter="gw")
    reader = PrometheusMetricReader(registry=CollectorRegistry(), translation_strategy=strategy)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("gw").create_histogram("gw.wait", "s").record(1)
    told = contract_of((*default_streams(), stream), reader.naming)
    assert told["metrics"][-1]["name"] == name
    assert f"# TYPE {name} histogram" in reader.render("text/plain;version=0.0.4")[1].decode()
    assert told["metrics"][0]["name"] == default_streams()[0].metric.name
    provider.shutdown()


def test_metrics_lead_to_their_alerts() -> None:
    """Also by what is recorded of them: a latency's alert looks at a recorded quantile."""
    metrics = {each["name"]: each for each in contract_of(default_streams())["metrics"]}
    names = {each["name"] for each in metrics["butterfly_request_duration_seconds"]["alerts"]}
    assert "HighLatency" in names
    assert all("{{" not in a["summary"] for m in metrics.values() for a in m["alerts"])


@pytest.mark.parametrize("name", alert_names())
def test_each_alert_has_its_runbook_there(name: str) -> None:
    """What the page links to is served, as the documentation has it."""
    response = _answer(f"/-/runbooks/{name}")
    assert response.body.decode().startswith(f"# {name}\n")


def test_a_runbook_that_is_not_installed_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package without the documentation says so instead of failing."""
    monkeypatch.setattr("butterfly_otel.page.runbooks._folder", lambda: tmp_path)
    response = _answer("/-/runbooks/HighLatency")
    assert response.status == "404 Not Found"
    assert response.body == b"The runbook HighLatency is not installed here.\n"


def test_each_metric_has_its_reference() -> None:
    """What the reference says of a metric is served under its name."""
    for metric in catalog.ALL:
        body = _answer(f"/-/reference/{metric.name}").body.decode()
        assert body.startswith(f"### `{metric.name}`\n\n{metric.help}\n")


@pytest.mark.parametrize(
    ("name", "combined"),
    [
        # What processes add up, series of other nodes add up as well.
        ("butterfly_tasks_queued", "sum"),
        ("butterfly_layer_memory_bytes", "sum"),
        # One series is the larger of two processes', several series are several links.
        ("butterfly_connection_active", "sum"),
        ("butterfly_quic_packet_loss_ratio", "mean"),
        ("butterfly_gpu_temperature_celsius", "max"),
        ("butterfly_consensus_term", "max"),
        ("butterfly_batch_size", "mean"),
        ("butterfly_cpu_usage_ratio", "mean"),
    ],
)
def test_series_of_a_gauge_are_shown_together(name: str, combined: str) -> None:
    """The card of a gauge with several series says what they make together."""
    metrics = {each["name"]: each for each in contract_of(default_streams())["metrics"]}
    assert metrics[name]["combine"] == combined
