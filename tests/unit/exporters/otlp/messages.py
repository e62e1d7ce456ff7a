"""Comparing the bytes of export requests."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import MetricsData


def official(data: MetricsData) -> bytes:
    """Return what the official encoder makes of it."""
    return canonical(encode_metrics(data).SerializeToString())


def canonical(body: bytes) -> bytes:
    """Return a request as protobuf itself writes the message that it is.

    Equal messages are equal here, also where a NaN makes them unequal to themselves, and
    what is no field of the message is still there.
    """
    return parsed(body).SerializeToString(deterministic=True)


def parsed(body: bytes) -> ExportMetricsServiceRequest:
    """Return the message."""
    return ExportMetricsServiceRequest.FromString(body)
