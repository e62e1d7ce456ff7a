"""The examples, each run for real and checked by what it exports."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from butterfly_otel.lint import check_exposition

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_has_a_test() -> None:
    """No example is left out here."""
    here = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'"{example.name}"' in here


def test_the_coordinator_serves_the_contract() -> None:
    """Scraped while it runs, it shows requests, errors and Raft state, true to the contract."""
    command = [sys.executable, EXAMPLES / "coordinator.py", "--seconds", "30"]
    environ = {**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            url = re.findall(r"http://\S+", process.stdout.readline())[0]
            text = ""
            while 'error_type="timeout"' not in text:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    text = answer.read().decode()
        finally:
            process.terminate()
    assert 'butterfly_consensus_term{node_id="coordinator-1"} 3.0' in text
    assert [each for each in check_exposition(text) if each.severity == "error"] == []


def test_the_compute_worker_pushes_what_it_measured_when_it_ends() -> None:
    """A receiver gets every layer, the tokens and the GPU's memory by OTLP."""
    received: list[bytes] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subprocess.run(
            [sys.executable, EXAMPLES / "compute_worker.py", "--seconds", "0.5"],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            },
            check=True,
            timeout=60,
        )
        server.shutdown()
    request = ExportMetricsServiceRequest.FromString(received[-1])
    [scope] = request.resource_metrics[0].scope_metrics
    found = {metric.name: metric for metric in scope.metrics}
    layers = found["butterfly_layer_compute_duration_seconds"].histogram.data_points
    assert len(layers) == 8
    assert found["butterfly_tokens_processed_total"].sum.data_points[0].as_int > 0
    assert len(found["butterfly_gpu_memory_bytes"].sum.data_points) == 2
