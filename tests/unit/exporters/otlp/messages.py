"""Comparing the bytes of export requests."""

from __future__ import annotations

from math import inf

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import MetricsData


def official(data: MetricsData) -> bytes:
    """Return what the official encoder makes of it.

    But for a histogram's minimum and maximum where it has neither: the official encoder sends
    ``+Inf`` and ``-Inf``.
    """
    request = encode_metrics(data)
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in (
                    *metric.histogram.data_points,
                    *metric.exponential_histogram.data_points,
                ):
                    if (point.min, point.max) == (inf, -inf):
                        point.ClearField("min")
                        point.ClearField("max")
    return canonical(request.SerializeToString())


def canonical(body: bytes) -> bytes:
    """Return a request as protobuf itself writes the message that it is.

    Equal messages are equal here, also where a NaN makes them unequal to themselves, and
    what is no field of the message is still there.
    """
    return parsed(body).SerializeToString(deterministic=True)


def parsed(body: bytes) -> ExportMetricsServiceRequest:
    """Return the message."""
    return ExportMetricsServiceRequest.FromString(body)
