"""Points of summaries, which neither the SDK nor the official encoder has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.otlp_wire.attributes import encode_attributes
from butterfly_otel.exporters.otlp_wire.series import POINT, START, TIME, Kept
from butterfly_otel.exporters.wire import delimited, pack_double, pack_fixed64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.exporters.producing.model import QuantileValue, SummaryDataPoint

_COUNT = b"\x21"
_SUM = b"\x29"
_QUANTILE_VALUES = b"\x32"
_ATTRIBUTES = b"\x3a"
_QUANTILE = b"\x09"
_VALUE = b"\x11"


def encode_summaries(
    points: Sequence[SummaryDataPoint], _kept: Kept | None
) -> tuple[bytes, Kept | None]:
    """Return the points of a summary; nothing is kept of them.

    Raises:
        Exception: Of any kind, when a point is out of the ordinary.
    """
    return b"".join([delimited(POINT, _point(each)) for each in points]), None


def _point(point: SummaryDataPoint) -> bytes:
    fields = [
        START + pack_fixed64(point.start_time_unix_nano),
        TIME + pack_fixed64(point.time_unix_nano),
        _COUNT + pack_fixed64(point.count),
        _SUM + pack_double(point.sum),
        *[delimited(_QUANTILE_VALUES, _quantile(each)) for each in point.quantile_values],
        encode_attributes(point.attributes, _ATTRIBUTES)[0],
    ]
    return b"".join(fields)


def _quantile(each: QuantileValue) -> bytes:
    return _QUANTILE + pack_double(each.quantile) + _VALUE + pack_double(each.value)
