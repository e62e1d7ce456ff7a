"""The official OTLP exporter for HTTP, sending the bytes of our encoder.

Transport, retries, compression, headers, TLS and timeouts are the official ones. Its connections
are not shared with forked children: requests of two processes on one connection would mix.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    ResourceMetrics,
    ScopeMetrics,
)
from requests import Session
from requests.adapters import HTTPAdapter

from butterfly_otel.exporters.otlp.batches import send_each
from butterfly_otel.exporters.otlp.wire import MetricsEncoder
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

    from butterfly_otel.exporters.otlp.wire import Batch

#: By these the official exporter is given a session that authenticates; it is used as it is.
_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
)


class EncodedRequest:
    """Stands for an ``ExportMetricsServiceRequest`` that has been encoded already.

    The exporter asks a message for its bytes, and for ``resource_metrics``, of which it counts
    the points. Whatever else it may ask for some day is answered by the message itself.
    """

    def __init__(self, batch: Batch) -> None:
        self._body, self._points = batch

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the bytes."""
        return self._body

    @property
    def resource_metrics(self) -> Sequence[ResourceMetrics]:
        """As many points as there are, with nothing in them."""
        gauge = Gauge.FromString(b"\x0a\x00" * self._points)
        return [ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[Metric(gauge=gauge)])])]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(ExportMetricsServiceRequest.FromString(self._body), name)


class HttpExporter(OTLPMetricExporter):
    """Exports by OTLP/HTTP; takes what the official exporter takes, by keyword."""

    def __init__(self, *, timeout: float = 10.0, **kwargs: Any) -> None:  # noqa: ANN401 - the official ones
        provided = any(map(os.environ.get, _CREDENTIAL_PROVIDERS))
        own = None if provided or kwargs.get("session") else Session()
        arguments: dict[str, Any] = {"session": own, **kwargs}
        super().__init__(timeout=timeout, **arguments)
        self._patience = timeout
        self._encoder = MetricsEncoder()
        self._own_session = own
        self._inherited: list[object] = []
        call_in_child(self._connect_anew)

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **kwargs: Any,  # noqa: ANN401 - as in the SDK
    ) -> MetricExportResult:
        """Encode and send, each batch with retries within the exporter's timeout."""
        if self._shutdown:
            return super().export(metrics_data, timeout_millis, **kwargs)
        batches = self._encoder.batches(metrics_data, self._max_export_batch_size)
        return send_each(batches, self._send, self._patience)

    def _connect_anew(self) -> None:
        """Leave the parent's connections alone in a forked child."""
        if self._own_session is not None:
            # Kept, because closing them takes locks that a thread of the parent may have held.
            self._inherited += self._own_session.adapters.values()
            for scheme in ("https://", "http://"):
                self._own_session.mount(scheme, HTTPAdapter())

    def _send(self, batch: Batch) -> MetricExportResult:
        request: Any = EncodedRequest(batch)
        return self._export_batch(request)
