"""Points of exponential histograms, whose length differs from point to point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.extremes import are_unset
from butterfly_otel.exporters.otlp_wire.exemplars import encode_exemplars
from butterfly_otel.exporters.otlp_wire.series import POINT, START, TIME, Kept, Layout, keep
from butterfly_otel.exporters.wire import (
    delimited,
    pack_double,
    pack_fixed64,
    packed_varints,
    sint32,
    uint32,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

_LAYOUT = Layout(b"\x0a")
_COUNT = b"\x21"
_SUM = b"\x29"
_SCALE = b"\x30"
_ZERO_COUNT = b"\x39"
_POSITIVE = b"\x42"
_NEGATIVE = b"\x4a"
_FLAGS = b"\x50"
_EXEMPLARS = b"\x5a"
_MIN = b"\x61"
_MAX = b"\x69"
_OFFSET = b"\x08"
_BUCKET_COUNTS = b"\x12"


def encode_exponential_histograms(
    points: Sequence[ExponentialHistogramDataPoint], kept: Kept | None
) -> tuple[bytes, Kept]:
    """Return the points of an exponential histogram, and what to keep of them.

    Raises:
        Exception: Of any kind, when a point is out of the ordinary.
    """
    starts = [point.start_time_unix_nano for point in points]
    kept = keep(kept, _LAYOUT, [point.attributes for point in points], starts)
    rows = zip(points, kept.heads, kept.packed_starts, strict=True)
    return b"".join([delimited(POINT, _content(*row)) for row in rows]), kept


def _content(point: ExponentialHistogramDataPoint, attributes: bytes, start: bytes) -> bytes:
    fields = [
        attributes,
        START,
        start,
        TIME,
        pack_fixed64(point.time_unix_nano),
        _COUNT,
        pack_fixed64(point.count),
        _double(_SUM, point.sum),
        _SCALE,
        sint32(point.scale),
        _ZERO_COUNT,
        pack_fixed64(point.zero_count),
        _buckets(_POSITIVE, point.positive),
        _buckets(_NEGATIVE, point.negative),
        _FLAGS,
        uint32(point.flags),
        *(() if are_unset(point) else (_double(_MIN, point.min), _double(_MAX, point.max))),
        encode_exemplars(point.exemplars, _EXEMPLARS),
    ]
    return b"".join(fields)


def _double(tag: bytes, value: float | None) -> bytes:
    return b"" if value is None else tag + pack_double(value)


def _buckets(tag: bytes, buckets: Buckets) -> bytes:
    counts = buckets.bucket_counts
    if not counts:
        return b""
    packed = delimited(_BUCKET_COUNTS, packed_varints(counts))
    return delimited(tag, _OFFSET + sint32(buckets.offset) + packed)
