"""A real Collector that goes away and comes back: nothing measured is lost or doubled."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import butterfly_otel
from butterfly_otel import metrics

from .servers import Collector, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

NAME = "butterfly_tokens_processed_total"


def received(collector: Collector) -> float:
    """Return what the Collector's file has of the counter, all deltas together."""
    return sum(
        float(point.get("asInt", point.get("asDouble", 0)))
        for request in collector.exported()
        for resource in request["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == NAME
        for point in metric["sum"]["dataPoints"]
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_deltas_survive_an_outage(
    otelcol: Path, tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is measured while the Collector is away arrives once, and two lines are logged."""
    caplog.set_level(logging.INFO)
    with Collector(otelcol, tmp_path) as collector:
        grpc = protocol == "grpc"
        runtime = butterfly_otel.configure(
            node_id="n1",
            node_role="compute",
            exporter="otlp",
            collectors="none",
            otlp_protocol="grpc" if grpc else "http/protobuf",
            otlp_endpoint=collector.grpc_endpoint if grpc else collector.http_endpoint,
            otlp_temporality="delta",
            otlp_timeout=1,
            export_interval=3600,
        )
        metrics.tokens_processed_total.add(1, model="m")
        assert runtime.force_flush(10)
        wait_until(lambda: received(collector) == 1, 10, "the first token")
        collector.stop()
        for _ in range(3):
            metrics.tokens_processed_total.add(1, model="m")
            assert not runtime.force_flush(10)
        collector.start()
        metrics.tokens_processed_total.add(1, model="m")
        assert runtime.force_flush(10)
        # Its file begins anew with each start, so the first token is not in it.
        wait_until(lambda: received(collector) == 4, 10, "every other token")
        metrics.tokens_processed_total.add(1, model="m")
        assert runtime.shutdown()
        wait_until(lambda: received(collector) == 5, 10, "the last token")
    failed, again = [record.message for record in caplog.records if "exporting" in record.message]
    assert "failed: " in failed
    assert again.endswith("works again")
