"""Receivers of OTLP, which keep the names of the metrics that they were sent."""

from __future__ import annotations

import http.server
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)


def _names(body: bytes) -> set[str]:
    request = ExportMetricsServiceRequest.FromString(body)
    scopes = [scope for each in request.resource_metrics for scope in each.scope_metrics]
    return {metric.name for scope in scopes for metric in scope.metrics}


class HttpReceiver:
    """Takes OTLP by HTTP."""

    def __init__(self) -> None:
        received = self.received = set[str]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") != "gzip":
                    received.update(_names(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()


class GrpcReceiver:
    """Takes OTLP by gRPC."""

    def __init__(self) -> None:
        import grpc  # noqa: PLC0415 - two pages need it

        received = self.received = set[str]()

        def export(body: Any, _context: Any) -> bytes:
            received.update(_names(body))
            return b""

        service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
        methods = {"Export": grpc.unary_unary_rpc_method_handler(export)}
        # Kept: a server that is garbage stops.
        server = self._server = grpc.server(ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
        self.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
