"""What a histogram has where it is a native one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.native import deltas_of, is_whole, spans_of
from butterfly_otel.exporters.prometheus.packing.fields import double, exemplar
from butterfly_otel.exporters.wire import delimited, packed_varints, sint32, uint32, varint, zigzag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from butterfly_otel.exporters.prometheus.model.native import Counts, Native
    from butterfly_otel.exporters.prometheus.model.series import SeriesExemplar

#: Exemplars of one native histogram, the latest: as many as the SDK samples of one.
_MOST_EXEMPLARS = 20
_SCHEMA, _THRESHOLD = b"\x28", b"\x31"
_ZEROS, _FLOAT_ZEROS = b"\x38", b"\x41"
#: Spans, deltas and counts that are no whole numbers.
_POSITIVE = b"\x62", b"\x6a", b"\x72"
_NEGATIVE = b"\x4a", b"\x52", b"\x5a"
_EXEMPLARS = b"\x82\x01"
_OFFSET, _LENGTH = b"\x08", b"\x10"
#: Tells a native histogram whose zero bucket has no width, and which is empty, from a classic one.
_NO_SPAN = delimited(_POSITIVE[0], b"\x08\x00\x10\x00")


def native_fields(native: Native, exemplars: Iterable[SeriesExemplar]) -> list[bytes]:
    """Return them, in parts.

    Args:
        native: The histogram.
        exemplars: Its exemplars. Prometheus takes those that have a time, in the order of time.
    """
    whole = is_whole(native)
    zeros = _ZEROS + varint(int(native.zeros)) if whole else _FLOAT_ZEROS + double(native.zeros)
    parts = [_SCHEMA + sint32(native.schema), _THRESHOLD + double(native.threshold), zeros]
    parts += _buckets(_NEGATIVE, native.negative, whole=whole)
    parts += _buckets(_POSITIVE, native.positive, whole=whole)
    if not (native.positive or native.negative or native.threshold or native.zeros):
        parts.append(_NO_SPAN)
    timed = sorted((each for each in exemplars if each.time_unix_nano), key=_time)
    parts += (exemplar(_EXEMPLARS, each) for each in timed[-_MOST_EXEMPLARS:])
    return parts


def _buckets(tags: Sequence[bytes], counts: Counts, *, whole: bool) -> list[bytes]:
    if not counts:
        return []
    span_tag, delta_tag, count_tag = tags
    spans, listed = spans_of(counts)
    parts = [
        delimited(span_tag, b"%b%b%b%b" % (_OFFSET, sint32(offset), _LENGTH, uint32(length)))
        for offset, length in spans
    ]
    if whole:
        deltas = [zigzag(int(each)) for each in deltas_of(listed)]
        return [*parts, delimited(delta_tag, packed_varints(deltas))]
    return [*parts, delimited(count_tag, b"".join(map(double, listed)))]


def _time(sampled: SeriesExemplar) -> int:
    return sampled.time_unix_nano
