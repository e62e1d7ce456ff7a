"""The official OTLP exporter for gRPC, sending the bytes of our encoder.

Channel, retries, compression, headers, TLS, timeouts and batches are the official ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from butterfly_otel.exporters.otlp_wire import MetricsEncoder

if TYPE_CHECKING:
    import grpc
    from opentelemetry.sdk.metrics.export import MetricsData

#: The path of the service, from its ``.proto`` file.
_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class _Stub:
    """The official stub, but that a request is bytes already."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.Export = channel.unary_unary(
            _EXPORT,
            request_serializer=_serialize,
            response_deserializer=ExportMetricsServiceResponse.FromString,
        )


def _serialize(request: Any) -> bytes:  # noqa: ANN401
    """Return the bytes of a request, were it a message after all."""
    body: bytes = request if isinstance(request, bytes) else request.SerializeToString()
    return body


class GrpcExporter(OTLPMetricExporter):
    """Exports by OTLP/gRPC; takes what the official exporter takes.

    Where a batch size is given, nothing is kept between batches, so each is encoded afresh.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the official ones
        super().__init__(*args, **kwargs)
        self._encoder = MetricsEncoder()

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        channel: Any = self._channel
        self._client: Any = _Stub(channel)

    def _translate_data(self, data: MetricsData) -> Any:  # noqa: ANN401 - a message in the base
        return self._encoder.encode(data)
