"""Points of sums and gauges."""

from __future__ import annotations

from struct import error as StructError  # noqa: N812 - an exception, named as one
from typing import TYPE_CHECKING

from butterfly_otel.exporters.otlp_wire.series import (
    START,
    Kept,
    Layout,
    keep,
    put_together,
    times,
)
from butterfly_otel.exporters.wire import (
    INT64_MAX,
    INT64_MIN,
    pack_double,
    pack_sfixed64,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import NumberDataPoint

_ATTRIBUTES = b"\x3a"
_EXEMPLARS = b"\x2a"
_AS_INT = b"\x31"
_AS_DOUBLE = b"\x21"

_SUM = Layout(_ATTRIBUTES, START, rest=8 + 9 + 9)
_GAUGE = Layout(_ATTRIBUTES, rest=9 + 9)


def encode_sums(points: Sequence[NumberDataPoint], kept: Kept | None) -> tuple[bytes, Kept]:
    """Return the points of a sum, and what to keep of them.

    Raises:
        Exception: Of any kind, when a point is out of the ordinary.
    """
    starts = [point.start_time_unix_nano for point in points]
    return _encode(points, kept, _SUM, starts)


def encode_gauges(points: Sequence[NumberDataPoint], kept: Kept | None) -> tuple[bytes, Kept]:
    """Return the points of a gauge, likewise: they have no start."""
    return _encode(points, kept, _GAUGE, [])


def _encode(
    points: Sequence[NumberDataPoint], kept: Kept | None, layout: Layout, starts: list[int]
) -> tuple[bytes, Kept]:
    kept = keep(kept, layout, [point.attributes for point in points], starts)
    tag, values = _values([point.value for point in points])
    columns = [kept.packed_starts] if starts else []
    content = put_together(points, kept, [*columns, times(points, tag), values], _EXEMPLARS)
    return content, kept


def _values(values: list[int | float]) -> tuple[bytes, list[bytes]]:
    """Return the tag that all values have, empty where each has its own, and the values."""
    kinds = set(map(type, values))
    try:
        if kinds == {int}:
            return _AS_INT, [*map(pack_sfixed64, values)]
    except StructError:  # one of them is too large
        pass
    if kinds == {float}:
        return _AS_DOUBLE, [*map(pack_double, values)]
    return b"", [*map(_value, values)]


def _value(value: object) -> bytes:
    """Return a value with its tag.

    The official encoder raises for an integer beyond 64 bits, so that a single such counter
    ends every export of the process. Here it goes as the nearest double.
    """
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return _AS_INT + pack_sfixed64(value)
    if isinstance(value, (int, float)):
        return _AS_DOUBLE + pack_double(value)
    raise TypeError(f"{value!r} is no number")
