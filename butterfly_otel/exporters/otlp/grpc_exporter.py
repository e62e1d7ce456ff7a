"""The official OTLP exporter for gRPC, sending the bytes of our encoder.

Channel, retries, compression, headers, TLS, timeouts and batches are the official ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from butterfly_otel.exporters.otlp.batches import send_each
from butterfly_otel.exporters.otlp.wire import MetricsEncoder

if TYPE_CHECKING:
    import grpc
    from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

    from butterfly_otel.exporters.otlp.wire import Batch

#: The path of the service, from its ``.proto`` file.
_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class _Stub:
    """The official stub, but that a request is bytes already."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.Export: Any = channel.unary_unary(
            _EXPORT,
            request_serializer=None,
            response_deserializer=ExportMetricsServiceResponse.FromString,
        )


class GrpcExporter(OTLPMetricExporter):
    """Exports by OTLP/gRPC; takes what the official exporter takes, by keyword."""

    def __init__(self, *, timeout: float = 10.0, **kwargs: Any) -> None:  # noqa: ANN401 - the official ones
        super().__init__(timeout=timeout, **kwargs)
        self._patience = timeout
        self._encoder = MetricsEncoder()

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        channel: Any = self._channel
        self._client: Any = _Stub(channel)

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - nor does the base use it
        **_kwargs: Any,  # noqa: ANN401 - as in the SDK
    ) -> MetricExportResult:
        """Encode and send, each batch with retries within the exporter's timeout."""
        batches = self._encoder.batches(metrics_data, self._max_export_batch_size)
        return send_each(batches, self._send, self._patience)

    def _send(self, batch: Batch) -> MetricExportResult:
        data: Any = batch
        return self._export(data=data)

    def _translate_data(self, data: Any) -> Any:  # noqa: ANN401 - data and a message in the base
        return data.body

    def _count_data(self, data: Any) -> int:  # noqa: ANN401
        points: int = data.points
        return points
