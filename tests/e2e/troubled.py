"""A node with a bit of everything that only a node in trouble has; run as a program.

Its argument is the URL to push to.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from prometheus_client import CollectorRegistry, Metric

import butterfly_otel
from butterfly_otel import metrics, node_pair
from butterfly_otel.collectors.source import Reading
from butterfly_otel.decorators import request


def broken() -> list[object]:
    """A callback that raises."""
    raise RuntimeError("it never works")


class Broken:
    """A collector whose every round fails."""

    name = "broken"
    metrics = ("butterfly_gpu_temperature_celsius",)
    interval = 1.0
    deadline = 1.0

    def open(self) -> None:
        """Find nothing out."""

    def read(self) -> Sequence[Reading]:
        """Fail."""
        raise RuntimeError("it never works")

    def close(self) -> None:
        """Give nothing back."""


class Failing:
    """A GPU that is about to be lost, beside one that is."""

    name = "failing"
    metrics = (
        "butterfly_otel_device_up",
        "butterfly_otel_gpu_memory_errors_total",
        "butterfly_otel_gpu_row_remapping",
        "butterfly_otel_gpu_throttled",
        "butterfly_otel_gpu_xid_errors_total",
        "butterfly_otel_gpu_link_errors_total",
    )
    interval = 0.5
    deadline = 1.0

    def __init__(self) -> None:
        self._rounds = 0

    def open(self) -> None:
        """Find it."""

    def read(self) -> Sequence[Reading]:
        """Tell of more errors each time."""
        self._rounds += 1
        gpu, lost = {"gpu_id": "GPU-0"}, {"collector": self.name, "device": "GPU-1"}
        up, *rest = self.metrics
        labels = (
            {"kind": "uncorrected"},
            {"state": "pending"},
            {"reason": "thermal"},
            {"xid": "63"},
            {"link": "pcie", "error": "replay"},
        )
        states = {"butterfly_otel_gpu_row_remapping", "butterfly_otel_gpu_throttled"}
        return [
            Reading(up, 0, lost),
            *(
                Reading(name, 1 if name in states else self._rounds, {**gpu, **more})
                for name, more in zip(rest, labels, strict=True)
            ),
        ]

    def close(self) -> None:
        """Let go of it."""


class Raising:
    """Metrics of prometheus_client's that can't be collected."""

    def collect(self) -> list[Metric]:
        """Fail."""
        raise RuntimeError("it never works")


def rejecting(endpoint: str) -> str:
    """Start a receiver that hands on what it gets, and says that it took all but one point."""
    rejected = ExportMetricsPartialSuccess(rejected_data_points=1, error_message="too old")
    answer = ExportMetricsServiceResponse(partial_success=rejected).SerializeToString()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding")}
            headers = {name: value for name, value in kept.items() if value}
            request = urllib.request.Request(endpoint, body, headers)
            urllib.request.urlopen(request, timeout=5).close()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1/metrics"


def token_file() -> str:
    """Write a token that no scraper here has."""
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nobody-has-it")
    return file.name


def refused(url: str) -> None:
    """Scrape without the token."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()


def main(endpoint: str) -> None:
    """Measure what is wrong, and go on until somebody ends the process."""
    registry = CollectorRegistry()
    registry.register(Raising())
    runtime = butterfly_otel.configure(
        node_id="troubled",
        node_role="compute",
        service_name="butterfly-troubled",
        exporter="otlp,prometheus",
        prometheus_port=0,
        prometheus_bearer_token_file=token_file(),
        registry=registry,
        otlp_endpoint=rejecting(endpoint),
        export_interval=1,
        collectors=["cpu", Broken(), Failing()],
    )
    metrics.tasks_queued.observe(broken)  # type: ignore[arg-type] # wrong on purpose
    pause = threading.Event()

    @request(method="inference")
    def stream() -> Iterator[int]:
        yield 1

    while not pause.wait(0.5):
        list(stream())
        assert runtime.prometheus_reader is not None
        runtime.prometheus_reader.render()
        refused(str(runtime.prometheus_url))
        metrics.tokens_processed_total.add(float("nan"), model="m")
        metrics.tokens_processed_total.add(1, model="x" * 200)
        metrics.cryptographic_failures_total.add(1, operation="verify")
        metrics.disk_io_errors_total.add(1, operation="read")
        metrics.recovery_attempts_total.add(1, outcome="success")
        metrics.recovery_duration_seconds.record(3)
        metrics.state_divergence_detected_total.add(1, node_id_pair=node_pair("a", "b"))
        for number in range(1100):  # more series than the limit grants, of no more nodes
            ends = {"from_node": f"node-{number % 2}", "to_node": f"node-{number // 2}"}
            metrics.connection_latency_seconds.record(0.01, **ends)


if __name__ == "__main__":
    main(sys.argv[1])
