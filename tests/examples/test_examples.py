"""The examples, each run for real and checked by what it exports."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
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


def test_the_inference_coordinator_is_a_service_that_is_scraped() -> None:
    """Asked over HTTP and scraped on the same port, it shows requests, tokens and checkpoints."""
    command = [sys.executable, EXAMPLES / "inference_coordinator.py", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.findall(r"http://\S+", process.stdout.readline())[0]
            base = url.removesuffix("/metrics")
            body = json.dumps({"prompt": "to be or not to be"}).encode()
            assert fetch(f"{base}/v1/generate", body).split()[:2] == [
                "TO@compute-node-1",
                "BE@compute-node-2",
            ]
            with pytest.raises(urllib.error.HTTPError, match="422"):
                fetch(f"{base}/v1/generate", json.dumps({"prompt": ""}).encode())
            assert json.loads(fetch(f"{base}/checkpoint", b"")) == {"saved": True, "bytes": 0}
            assert not json.loads(fetch(f"{base}/checkpoint?full_disk=1", b""))["saved"]
            assert json.loads(fetch(f"{base}/healthz")) == {"status": "ok"}
            # A request ends when its answer has been sent, so perhaps after that has come.
            text = ""
            while 'method="health_check",node_role="coordinator",status="success"} 1.0' not in text:
                text = fetch(url)
        finally:
            process.terminate()
    assert process.wait(30) in {0, -signal.SIGTERM}
    requests = {
        'method="inference",node_role="coordinator",status="success"} 2.0',
        'method="checkpoint",node_role="coordinator",status="success"} 1.0',
        'method="checkpoint",node_role="coordinator",status="error"} 1.0',
    }
    for labels in requests:
        assert f"butterfly_requests_total{{{labels}" in text
    assert 'error_type="io_error"' in text
    assert 'butterfly_tokens_processed_total{model="llama-70b",node_id="coordinator-1"} 6.0' in text
    assert 'to_node="compute-node-2"} 3.0' in text
    assert "butterfly_otel_request_first_item_seconds_count{" in text
    assert 'butterfly_tasks_queued{node_id="coordinator-1"} 0.0' in text
    assert [each for each in check_exposition(text) if each.severity == "error"] == []


def fetch(url: str, body: bytes | None = None) -> str:
    """Get, or post JSON, and return the answer."""
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(answer.read().decode())


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
