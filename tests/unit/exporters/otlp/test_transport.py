"""Our exporters behave as the official ones do towards a server: only the encoder is another.

Every test runs with the official exporter and with ours.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as OfficialGrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as OfficialHttpExporter,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

from butterfly_otel.exporters.otlp import exporter as exporting
from butterfly_otel.exporters.otlp.answers import Answer
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from tests.collected import points
from tests.unit.engine.test_fork import in_child
from tests.unit.exporters.otlp.messages import canonical, official, parsed
from tests.unit.exporters.prometheus.support import collected, counter, histogram, number

SUCCESS, FAILURE = MetricExportResult.SUCCESS, MetricExportResult.FAILURE
PARTIAL = ExportMetricsServiceResponse(
    partial_success=ExportMetricsPartialSuccess(rejected_data_points=1, error_message="no")
)
DATA = collected(counter("c", number({"k": "a"}, 1), number({"k": "b"}, 2)), histogram("h"))
http_exporters = pytest.mark.parametrize("exporter", [OfficialHttpExporter, HttpExporter])
grpc_exporters = pytest.mark.parametrize("exporter", [OfficialGrpcExporter, GrpcExporter])


class HttpReceiver:
    """An HTTP server that answers as told, and then with 200."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.taken: list[bytes] = []
        self.clients: list[tuple[str, int]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Keeps the request."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Answer."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.clients.append(self.client_address)
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers, content = (receiver.answers or [(200, {}, b"")]).pop(0)
                if status == HTTPStatus.OK:
                    receiver.taken.append(body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/metrics"
        self._thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until that is done."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class GrpcReceiver(MetricsServiceServicer):
    """A gRPC server that fails as told, and then answers."""

    def __init__(self) -> None:
        self.answer = ExportMetricsServiceResponse()
        self.failures: list[grpc.StatusCode] = []
        self.first: Callable[[], object] = lambda: None
        self.requests: list[tuple[dict[str, str | bytes], bytes]] = []
        self._pool = ThreadPoolExecutor(2)
        self.server = grpc.server(self._pool)
        add_MetricsServiceServicer_to_server(self, self.server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def Export(self, request: Any, context: Any) -> ExportMetricsServiceResponse:  # noqa: N802
        """Fail or answer; a client that retries is to do so at once."""
        self.first()
        metadata = {each.key: each.value for each in context.invocation_metadata()}
        self.requests.append((metadata, request.SerializeToString(deterministic=True)))
        if self.failures:
            at_once = RetryInfo()
            at_once.retry_delay.nanos = 1
            context.set_trailing_metadata(
                [("google.rpc.retryinfo-bin", at_once.SerializeToString())]
            )
            context.abort(self.failures.pop(0), "told to")
        return self.answer

    def stop(self) -> None:
        """Stop, and wait until that is done."""
        self.server.stop(None).wait()
        self._pool.shutdown()


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    """Return an HTTP server."""
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def rpc() -> Iterator[GrpcReceiver]:
    """Return a gRPC server."""
    receiver = GrpcReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def started() -> Iterator[Callable[..., Any]]:
    """Return a function that makes an exporter, which is shut down at the end."""
    made: list[Any] = []

    def start(exporter: Any, receiver: HttpReceiver | GrpcReceiver, **settings: Any) -> Any:
        made.append(exporter(endpoint=receiver.endpoint, **settings))
        return made[-1]

    yield start
    for exporter in made:
        exporter.shutdown()


@http_exporters
@pytest.mark.parametrize("compression", Compression)
def test_http_sends_the_message(
    exporter: Any, compression: Compression, http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """One request has the whole message, compressed as asked for, with headers."""
    subject = started(exporter, http, compression=compression, headers={"x-tenant": "t"})
    assert subject.export(DATA) is SUCCESS
    [(headers, body)] = http.requests
    unpack = {"none": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
    assert canonical(unpack[compression.value](body)) == official(DATA)
    assert headers["x-tenant"] == "t"
    assert headers["content-type"] == "application/x-protobuf"
    assert headers.get("content-encoding", "none") == compression.value


@http_exporters
def test_http_retries(exporter: Any, http: HttpReceiver, started: Callable[..., Any]) -> None:
    """What the server can't take now is sent again, the same, when the server says so."""
    http.answers = [(503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b"")]
    assert started(exporter, http).export(DATA) is SUCCESS
    assert [canonical(body) for _, body in http.requests] == [official(DATA)] * 3


@http_exporters
def test_http_gives_up_what_is_refused(
    exporter: Any, http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """What the server refuses is not sent again; the export has failed."""
    http.answers = [(400, {}, b"")]
    assert started(exporter, http).export(DATA) is FAILURE
    assert len(http.requests) == 1


@http_exporters
def test_http_partial_success(
    exporter: Any, http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """A partial success must not be sent again (OTLP specification), so it is a success."""
    http.answers = [(200, {}, PARTIAL.SerializeToString())]
    assert started(exporter, http).export(DATA) is SUCCESS
    assert len(http.requests) == 1


@http_exporters
def test_http_splits_into_batches(
    exporter: Any, http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """A batch size splits the message."""
    subject = started(exporter, http, max_export_batch_size=2)
    assert subject.export(DATA) is SUCCESS
    assert [names_of(body) for _, body in http.requests] == [["c", "c"], ["h"]]


def test_http_goes_on_after_a_batch_that_is_refused(
    http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """One batch that the server can't take does not cost the others, as the official one has it."""
    http.answers = [(400, {}, b"")]
    subject = started(HttpExporter, http, max_export_batch_size=1)
    assert subject.export(DATA) is FAILURE
    assert [names_of(body) for _, body in http.requests] == [["c"], ["c"], ["h"]]


@pytest.mark.parametrize("ours", [HttpExporter, GrpcExporter])
def test_batches_are_not_sent_where_nobody_is(
    ours: Any, monkeypatch: pytest.MonkeyPatch, started: Callable[..., Any]
) -> None:
    """Once failures have taken as long as an export may, the other batches are given up."""
    now, sent = [0.0], []
    monkeypatch.setattr(exporting, "monotonic", lambda: now[0])

    def send(_subject: Any, batch: Any) -> Answer:
        sent.append(batch.points)
        now[0] += 1.5
        return Answer(delivered=False)

    monkeypatch.setattr(ours, "_send", send)
    nowhere: Any = SimpleNamespace(endpoint="http://127.0.0.1:1")
    subject = started(ours, nowhere, max_export_batch_size=1, timeout=2.0)
    assert subject.export(DATA) is FAILURE
    assert sent == [1, 1]


@http_exporters
def test_http_request_size(
    exporter: Any, http: HttpReceiver, started: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A message above the limit is not sent, and the export has failed."""
    assert started(exporter, http, max_request_size=10).export(DATA) is FAILURE
    assert http.requests == []
    assert "exceeds max_request_size" in caplog.text


@http_exporters
def test_http_after_shutdown(exporter: Any, http: HttpReceiver) -> None:
    """An exporter that is shut down sends nothing any more."""
    subject = exporter(endpoint=http.endpoint)
    subject.shutdown()
    assert subject.export(DATA) is FAILURE
    assert http.requests == []


@http_exporters
def test_http_counts_the_points(
    exporter: Any,
    http: HttpReceiver,
    started: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exporter's own metrics tell how many points were exported."""
    assert points_counted(started, exporter, http, monkeypatch) == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_http_shares_no_connection_with_a_child(
    http: HttpReceiver, started: Callable[..., Any]
) -> None:
    """Requests of two processes on one connection would mix; the official one shares it."""
    exporter = started(HttpExporter, http)

    def export() -> bool:
        succeeded: bool = exporter.export(DATA) is SUCCESS
        return succeeded

    assert export()
    assert export()
    assert in_child(export)
    parents, again, childs = http.clients
    assert again == parents
    assert childs != parents


@grpc_exporters
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_grpc_sends_the_message(
    exporter: Any,
    compression: grpc.Compression,
    rpc: GrpcReceiver,
    started: Callable[..., Any],
) -> None:
    """One request has the whole message, with headers."""
    subject = started(exporter, rpc, compression=compression, headers=(("x-tenant", "t"),))
    assert subject.export(DATA) is SUCCESS
    [(headers, body)] = rpc.requests
    assert body == official(DATA)
    assert headers["x-tenant"] == "t"


@grpc_exporters
@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED])
def test_grpc_retries(
    exporter: Any, status: grpc.StatusCode, rpc: GrpcReceiver, started: Callable[..., Any]
) -> None:
    """What the server can't take now is sent again, also by a new connection."""
    rpc.failures = [status, status]
    assert started(exporter, rpc).export(DATA) is SUCCESS
    assert [body for _, body in rpc.requests] == [official(DATA)] * 3


@grpc_exporters
def test_grpc_gives_up_what_is_refused(
    exporter: Any, rpc: GrpcReceiver, started: Callable[..., Any]
) -> None:
    """What the server refuses is not sent again; the export has failed."""
    rpc.failures = [grpc.StatusCode.INVALID_ARGUMENT]
    assert started(exporter, rpc).export(DATA) is FAILURE
    assert len(rpc.requests) == 1


@grpc_exporters
def test_grpc_partial_success(
    exporter: Any, rpc: GrpcReceiver, started: Callable[..., Any]
) -> None:
    """A partial success must not be sent again (OTLP specification), so it is a success."""
    rpc.answer = PARTIAL
    assert started(exporter, rpc).export(DATA) is SUCCESS
    assert len(rpc.requests) == 1


@grpc_exporters
def test_grpc_splits_into_batches(
    exporter: Any, rpc: GrpcReceiver, started: Callable[..., Any]
) -> None:
    """A batch size splits the message; the other batches are sent although one fails."""
    rpc.failures = [grpc.StatusCode.INVALID_ARGUMENT]
    subject = started(exporter, rpc, max_export_batch_size=2)
    assert subject.export(DATA) is FAILURE
    assert [names_of(body) for _, body in rpc.requests] == [["c", "c"], ["h"]]
    assert subject.export(DATA) is SUCCESS


@grpc_exporters
def test_grpc_after_shutdown(exporter: Any, rpc: GrpcReceiver) -> None:
    """An exporter that is shut down sends nothing any more."""
    subject = exporter(endpoint=rpc.endpoint)
    subject.shutdown()
    assert subject.export(DATA) is FAILURE
    assert rpc.requests == []


@grpc_exporters
def test_grpc_counts_the_points(
    exporter: Any,
    rpc: GrpcReceiver,
    started: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exporter's own metrics tell how many points were exported."""
    assert points_counted(started, exporter, rpc, monkeypatch) == [3]


def names_of(body: bytes) -> list[str]:
    """Return the name of each point's metric."""
    [resource] = parsed(body).resource_metrics
    [scope] = resource.scope_metrics
    return [
        metric.name
        for metric in scope.metrics
        for _ in getattr(metric, metric.WhichOneof("data") or "").data_points
    ]


def points_counted(
    started: Callable[..., Any],
    exporter: Any,
    receiver: HttpReceiver | GrpcReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> list[float]:
    """Export, and return what the exporter says of itself."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    assert started(exporter, receiver, meter_provider=provider).export(DATA) is SUCCESS
    name = "otel.sdk.exporter.metric_data_point.exported"
    return [point.value for point in points(reader, name)]
