"""Points of histograms with explicit boundaries."""

from __future__ import annotations

from itertools import repeat, starmap
from math import inf
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, TypeVar

from butterfly_otel.exporters.extremes import are_unset
from butterfly_otel.exporters.otlp_wire.series import (
    START,
    Kept,
    Layout,
    keep,
    put_together,
    times,
)
from butterfly_otel.exporters.wire import delimited, pack_fixed64, varint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import HistogramDataPoint

T = TypeVar("T")

_COUNT = b"\x21"
_BUCKET_COUNTS = b"\x32"
_EXPLICIT_BOUNDS = b"\x3a"
_EXEMPLARS = b"\x42"
_ATTRIBUTES = b"\x4a"
#: Doubles that may be missing, with their tags.
_OPTIONAL = (("sum", 0x29), ("min", 0x59), ("max", 0x61))

#: Of a fixed64 or a double, and of one with its tag.
_EIGHT, _NINE = 8, 9
_pack_tagged_double = Struct("<Bd").pack


class _UnevenError(Exception):
    """The points do not all have the same fields."""


def encode_histograms(
    points: Sequence[HistogramDataPoint], kept: Kept | None
) -> tuple[bytes, Kept | None]:
    """Return the points of a histogram, and what to keep of them.

    Raises:
        Exception: Of any kind, when a point is out of the ordinary.
    """
    try:
        return _encode(points, kept)
    except _UnevenError:  # no SDK makes such points, of one metric
        return b"".join([_encode([each], None)[0] for each in points]), None


def _encode(points: Sequence[HistogramDataPoint], kept: Kept | None) -> tuple[bytes, Kept]:
    counts = [point.bucket_counts for point in points]
    buckets = _only(set(map(len, counts)))
    header = _BUCKET_COUNTS + varint(_EIGHT * buckets)
    optional = _optional(points)
    rest = _EIGHT + _NINE * (2 + len(optional)) + len(header) + _EIGHT * buckets
    kept = keep(
        kept,
        Layout(_ATTRIBUTES, _bounds(points) + START, rest),
        [point.attributes for point in points],
        [point.start_time_unix_nano for point in points],
    )
    columns = (
        kept.packed_starts,
        times(points, _COUNT),
        [*map(pack_fixed64, [point.count for point in points])],
        *optional,
        header,
        [*starmap(Struct(f"<{buckets}Q").pack, counts)],
    )
    return put_together(points, kept, columns, _EXEMPLARS), kept


def _optional(points: Sequence[HistogramDataPoint]) -> list[list[bytes]]:
    """Return those of the optional fields that the points have."""
    found: list[list[bytes]] = []
    columns = {name: [*map(attrgetter(name), points)] for name, _ in _OPTIONAL}
    optional: tuple[tuple[str, int], ...] = _OPTIONAL
    if inf in columns["min"]:
        # Nearly always none of a metric's points has a minimum then.
        if len({are_unset(point) for point in points}) > 1:
            raise _UnevenError
        optional = _OPTIONAL[:1] if are_unset(points[0]) else _OPTIONAL
    for name, tag in optional:
        values = columns[name]
        missing = values.count(None)
        if 0 < missing < len(values):
            raise _UnevenError
        if not missing:
            found.append([*map(_pack_tagged_double, repeat(tag), values)])
    return found


def _bounds(points: Sequence[HistogramDataPoint]) -> bytes:
    # Nearly always they share one tuple.
    by_identity = {id(point.explicit_bounds): point.explicit_bounds for point in points}
    return _only(
        {
            delimited(_EXPLICIT_BOUNDS, Struct(f"<{len(bounds)}d").pack(*bounds))
            for bounds in by_identity.values()
        }
    )


def _only(found: set[T]) -> T:
    if len(found) > 1:
        raise _UnevenError
    return found.pop()
