"""The dashboards and queries that are rendered from a contract, on a real Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from opentelemetry import metrics as api
from prometheus_client.registry import Collector

import butterfly_otel
from butterfly_otel import catalog, metrics
from butterfly_otel.catalog.model import Catalog, Metric
from butterfly_otel.catalogs import load
from butterfly_otel.render import dashboards
from butterfly_otel.render.own import own_artefacts

from . import grafana
from .collector import Collector as OtelCollector
from .servers import Prometheus, Scrape, ServerError, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not dashboards.available(), reason=dashboards.INSTALL),
]
EXAMPLE = load(Path(__file__).parents[2] / "examples" / "own_contract" / "gen_ai.yaml")


class Measured(Collector):
    """The metrics of a contract, measured once more at each scrape.

    By prometheus_client, so that what is rendered is held against the names alone.
    """

    def __init__(self, contract: Catalog) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._children = [self._child(metric) for metric in contract]

    def _child(self, metric: Metric) -> object:
        kinds = {
            "counter": prometheus_client.Counter,
            "gauge": prometheus_client.Gauge,
            "histogram": prometheus_client.Histogram,
        }
        labels = {label.prometheus_key: (*label.values, "a")[0] for label in metric.labels}
        made = kinds[metric.type](
            metric.prometheus_name, metric.help, list(labels), registry=self._registry
        )
        return made.labels(**labels) if labels else made

    def collect(self) -> Iterator[prometheus_client.Metric]:
        for child in self._children:
            if isinstance(child, prometheus_client.Histogram):
                child.observe(0.3)
            elif isinstance(child, (prometheus_client.Counter, prometheus_client.Gauge)):
                child.inc()
        yield from self._registry.collect()


@pytest.fixture
def prometheus(prometheus3: Path, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the contract of the example."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(Measured(EXAMPLE))
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    try:
        labelled = {"relabel_configs": [{"target_label": "cluster", "replacement": "demo"}]}
        scrape = Scrape([f"127.0.0.1:{server.server_port}"], extra=labelled)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as found:
            yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def test_every_panel_of_the_rendered_dashboard_has_an_answer(prometheus: Prometheus) -> None:
    """With all chosen, and with each offered value chosen, every query gives a number."""
    [artefact] = own_artefacts(EXAMPLE, "gen_ai.yaml", dashboards="d")
    board = json.loads(artefact.text(Path()))

    def unanswered() -> list[str]:
        offers = grafana.offered(board, prometheus)
        choices = (grafana.everything(board), grafana.chosen(offers))
        return [
            query.where
            for query in grafana.queries("own", board)
            for values in choices
            if not all(offers.values()) or not grafana.answered(prometheus, query, values)
        ]

    try:
        wait_until(lambda: not unanswered(), 60, "an answer to every query")
    except ServerError as error:
        pytest.fail(f"{error}: {unanswered()}", pytrace=False)


@pytest.mark.parametrize(
    "contract", [EXAMPLE, catalog.BUTTERFLY], ids=lambda contract: contract.name
)
def test_promtool_reads_every_query(promtool3: Path, tmp_path: Path, contract: Catalog) -> None:
    """Examples and panels are PromQL, whatever kinds and labels the metrics have."""
    boards = own_artefacts(contract, "x", dashboards="d")
    queries = [metric.query for metric in contract]
    for each in boards:
        board = json.loads(each.text(Path()))
        values = grafana.everything(board)
        queries += [grafana.filled(one.expr, values) for one in grafana.queries("own", board)]
    rules = [{"record": f"own:query_{at}", "expr": expr} for at, expr in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "own", "rules": rules}]}))
    command: list[str | Path] = [promtool3, "check", "rules", path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"{len(queries)} rules found" in result.stdout, result.stderr


def _narrowed() -> Catalog:
    """Return a contract that takes the label `method` off one of Butterfly's metrics."""
    whole = catalog.BY_NAME["butterfly_requests_total"]
    fewer = tuple(each for each in whole.labels if each.key != "method")
    return Catalog(name="fewer", meter="fewer", metrics=(replace(whole, labels=fewer),))


def test_servers_see_a_contract_as_it_is_written(
    prometheus3: Path, otelcol: Path, tmp_path: Path
) -> None:
    """By OTLP dots and an int stay, by scrape names are translated; a narrowed label goes."""
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "collector").mkdir()
    with OtelCollector(otelcol, tmp_path / "collector") as collector:
        runtime = butterfly_otel.configure(
            node_id="n1",
            node_role="compute",
            catalogs=[EXAMPLE, _narrowed()],
            exporter=("prometheus", "otlp"),
            prometheus_port=0,
            otlp_protocol="http/protobuf",
            otlp_endpoint=collector.http_endpoint,
            export_interval=3600,
            collectors="none",
        )
        try:
            name = "gen_ai.server.time_to_first_token"
            labels = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "butterfly"}
            first = api.get_meter("gen_ai.server").create_histogram(name, "s")
            first.record(0.2, {**labels, "server.port": 8000})
            for method in ("inference", "checkpoint"):
                metrics.requests_total.inc(method=method, status="success")
            assert runtime.force_flush(30)
            [point] = wait_until(lambda: _points(collector, name), 30, "the histogram")
            sent = {each["key"]: each["value"] for each in point["attributes"]}
            assert sent["server.port"] == {"intValue": "8000"}
            points = _points(collector, "butterfly_requests_total")
            keys = [{each["key"] for each in point["attributes"]} for point in points]
            assert keys
            assert all(each == {"node_role", "status"} for each in keys)
            port = str(runtime.prometheus_url).split(":")[2].split("/")[0]
            scrape = Scrape([f"127.0.0.1:{port}"])
            with Prometheus(prometheus3, tmp_path / "prometheus", scrapes=[scrape]) as server:
                [seen] = server.wait_for("gen_ai_server_time_to_first_token_seconds_count")
                assert seen.labels["server_port"] == "8000"
                [seen] = server.wait_for('butterfly_requests_total{status="success"}')
                assert seen.value == 2
                assert "method" not in seen.labels
        finally:
            runtime.shutdown()


def _points(collector: OtelCollector, name: str) -> list[dict[str, Any]]:
    """Return the data points of one metric that a Collector was sent."""
    return [
        point
        for export in collector.exported()
        for resource in export["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == name
        for kind in ("sum", "histogram", "gauge")
        for point in metric.get(kind, {}).get("dataPoints", ())
    ]
