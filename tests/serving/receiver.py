"""A receiver of OTLP by HTTP, which adds up what all processes have counted."""

from __future__ import annotations

import http.server
import threading
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from typing_extensions import Self


class Receiver:
    """Keeps the newest value of each cumulative series of each process. Thread-safe.

    Attributes:
        url: Where to export to.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[Any, ...], float] = {}
        self._instances: dict[tuple[Any, ...], str] = {}
        self._lock = threading.Lock()
        take = self._take

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/metrics"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, body: bytes) -> None:
        request = ExportMetricsServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_metrics:
                who = _identity(resource.resource.attributes)
                for each in resource.resource.attributes:
                    if each.key == "service.instance.id":
                        self._instances[who] = each.value.string_value
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.sum.data_points:
                            key = (who, metric.name, _identity(point.attributes))
                            # The start time: each life of a process counts anew.
                            key = (*key, point.start_time_unix_nano)
                            self._series[key] = point.as_int or point.as_double

    def total(self, name: str) -> float:
        """Return what all processes have counted of a metric."""
        with self._lock:
            return sum(value for key, value in self._series.items() if key[1] == name)

    def processes(self, name: str) -> int:
        """Return how many processes have counted anything of a metric."""
        with self._lock:
            return len({key[0] for key, value in self._series.items() if key[1] == name and value})

    def instances(self, name: str) -> set[str]:
        """Return the instances that have told anything of a metric."""
        with self._lock:
            return {
                self._instances[key[0]]
                for key, value in self._series.items()
                if key[1] == name and value
            }


def _identity(attributes: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((each.key, str(each.value)) for each in attributes))
