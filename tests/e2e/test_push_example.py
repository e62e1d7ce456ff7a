"""The example of several workers that push to one Collector, with its own configuration."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.examples.program import EXAMPLES, Program, scraped

from .processes import HOST, Server, fetch, wait_until
from .prometheus import Prometheus, Scrape

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

NODES = ("compute-node-1", "compute-node-2", "compute-node-3")
JOB = "butterfly/butterfly-compute"
ALLOWED = ("--allow-label", "job", "--allow-label", "instance")


class ExampleCollector(Server):
    """A Collector by the example's configuration, on ports of its own."""

    name = "otelcol"
    ports_needed = 4

    def command(self) -> list[str]:
        """Give the example's file, and after it the addresses that replace its own."""
        http, grpc, prometheus, health = (f"{HOST}:{port}" for port in self.ports)
        otlp = "yaml:receivers::otlp::protocols"
        return [
            str(self.program),
            *("--config", f"file:{EXAMPLES / 'push_to_collector' / 'otel-collector.yml'}"),
            *("--config", f"{otlp}::http::endpoint: {http}"),
            *("--config", f"{otlp}::grpc::endpoint: {grpc}"),
            *("--config", f"yaml:exporters::prometheus::endpoint: {prometheus}"),
            *("--config", f"yaml:extensions::health_check::endpoint: {health}"),
            *("--config", "yaml:service::telemetry::metrics::level: none"),
        ]

    def ready_url(self) -> str:
        """The health-check extension's page."""
        return f"http://{HOST}:{self.ports[3]}/"

    @property
    def target(self) -> str:
        """The address that Prometheus scrapes."""
        return f"{HOST}:{self.ports[2]}"


def _pushed(collector: ExampleCollector, stack: ExitStack) -> dict[str, int]:
    """Run the workers until each has pushed, and return how many prompts each has answered."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{collector.ports[0]}",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }
    workers = {
        node: stack.enter_context(
            Program("push_to_collector/worker.py", {**environ, "BUTTERFLY_NODE_ID": node})
        )
        for node in NODES
    }

    def all_there() -> bool:
        text = fetch(f"http://{collector.target}/metrics")
        return all(f'butterfly_tokens_processed_total{{instance="{node}"' in text for node in NODES)

    wait_until(all_there, 60, "a push of each worker")
    stack.close()
    ends = {node: worker.output.splitlines()[-1] for node, worker in workers.items()}
    assert all(end.endswith(" prompts, pushed") for end in ends.values())
    return {node: int(end.split()[1]) for node, end in ends.items()}


def test_three_workers_push_to_one_collector(
    otelcol: Path, prometheus3: Path, tmp_path: Path
) -> None:
    """Everything each has counted, up to its end, is there under exact names and its own name."""
    with ExampleCollector(otelcol, tmp_path) as collector, ExitStack() as stack:
        answered = _pushed(collector, stack)
        expected: dict[str, float] = {}
        for node, count in answered.items():
            where, me = f'instance="{node}",job="{JOB}"', f'node_id="{node}"'
            expected |= {
                f'butterfly_requests_total{{{where},method="inference",node_role="compute",'
                'status="success"}': count,
                f'butterfly_tokens_processed_total{{{where},model="llama-70b",{me}}}': 5 * count,
                # The two byte counters have no `_total`, whatever a translation would like.
                f'butterfly_network_bytes_sent{{from_node="{node}",{where},protocol="quic",'
                'to_node="coordinator-1"}': 19 * count,
                f'butterfly_layer_compute_duration_seconds_bucket{{{where},layer_id="3",'
                f'model="llama-70b",{me},le="+Inf"}}': count,
            }
        found = scraped(f"http://{collector.target}/metrics", expected, *ALLOWED)
        assert not [name for name in found if "otel_scope" in name]

        scrape = Scrape([collector.target], job="collector", honor_labels=True)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            query = "sum by (job, instance) (butterfly_tokens_processed_total)"
            samples = wait_until(lambda: prometheus.query(query), 30, "a scrape")
    assert {(each.labels["job"], each.labels["instance"]): each.value for each in samples} == {
        (JOB, node): 5 * count for node, count in answered.items()
    }
