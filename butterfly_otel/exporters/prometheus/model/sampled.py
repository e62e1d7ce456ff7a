"""Exemplars of a span as protobuf has them: nearly all there are, and one a bucket.

Such a one is made in bytes where protobuf is asked for, and in text where OpenMetrics is, because
either costs as much as all else about it. Whoever asks for the other one has it made of that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from butterfly_otel.exporters.wire import pack_double, varint

_BILLION: Final = 1_000_000_000
#: ``Exemplar`` with the labels ``span_id`` and ``trace_id``, a value and a time.
_FORM: Final = (
    b"\x0a\x1b\x0a\x07span_id\x12\x10%016x\x0a\x2c\x0a\x08trace_id\x12\x20%032x\x11%b\x1a%b%b"
)
_SPAN, _TRACE = slice(13, 29), slice(43, 75)
#: Nanoseconds from here on take five bytes.
_FIVE: Final = 1 << 28


def packed(span: int, trace: int, value: float, time: int) -> bytes:
    """Return an exemplar.

    Args:
        span: The span's id.
        trace: The trace's id.
        value: The value.
        time: When it was measured, in nanoseconds since the epoch.
    """
    seconds, rest = divmod(time, _BILLION)
    if rest >= _FIVE:
        nanoseconds = bytes(
            (
                rest & 127 | 128,
                rest >> 7 & 127 | 128,
                rest >> 14 & 127 | 128,
                rest >> 21 & 127 | 128,
                rest >> 28,
            )
        )
    else:
        nanoseconds = varint(rest)
    head = _second(seconds, len(nanoseconds))
    return _FORM % (span, trace, pack_double(value), head, nanoseconds)


def ids_of(exemplar: bytes) -> tuple[str, str]:
    """Return the ids of span and trace of an exemplar, in hexadecimal digits."""
    return exemplar[_SPAN].decode(), exemplar[_TRACE].decode()


@lru_cache(maxsize=256)
def _second(seconds: int, rest: int) -> bytes:
    """Return a time up to its nanoseconds, with its length before it."""
    packed_seconds = varint(seconds)
    return b"%c\x08%b\x10" % (len(packed_seconds) + rest + 2, packed_seconds)
