"""OTLP on the wire: the SDK's MetricsData to the bytes of an export request.

The official encoder builds a protobuf object for every point and every label of it, and
throws them away. Here the bytes of what stays the same from one collection to the next, a
series' attributes above all, are kept, and the rest is packed by columns. Whatever is unusual
(an attribute that is a list, a value of a type nobody has heard of) goes through the official
encoder, so that there is one truth about it.

Bytes are compared with the official encoder's by the tests. May import: OpenTelemetry, and of ours
:mod:`butterfly_otel.exporters.wire` and what there is to encode.
"""

from butterfly_otel.exporters.otlp_wire.encoder import Batch, MetricsEncoder

__all__ = ["Batch", "MetricsEncoder"]
