"""Exemplars in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.otlp_wire.attributes import encode_attributes
from butterfly_otel.exporters.wire import (
    delimited,
    pack_double,
    pack_fixed64,
    pack_sfixed64,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics import Exemplar

_TIME = b"\x11"
_AS_DOUBLE = b"\x19"
_SPAN_ID = b"\x22\x08"
_TRACE_ID = b"\x2a\x10"
_AS_INT = b"\x31"
_ATTRIBUTES = b"\x3a"


def encode_exemplars(exemplars: Sequence[Exemplar], tag: bytes) -> bytes:
    """Return exemplars as a repeated field.

    Raises:
        Exception: Of any kind, when one is out of the ordinary.
    """
    return b"".join([delimited(tag, _exemplar(each)) for each in exemplars])


def _exemplar(exemplar: Exemplar) -> bytes:
    value = exemplar.value
    fields = [
        _TIME,
        pack_fixed64(exemplar.time_unix_nano),
        # A float that is also an int does not exist; a bool is an int.
        _AS_DOUBLE + pack_double(value) if isinstance(value, float) else _integer(value),
        encode_attributes(exemplar.filtered_attributes, _ATTRIBUTES)[0],
    ]
    span, trace = exemplar.span_id, exemplar.trace_id
    if span is not None and trace is not None:
        fields += [_SPAN_ID, span.to_bytes(8, "big"), _TRACE_ID, trace.to_bytes(16, "big")]
    return b"".join(fields)


def _integer(value: int) -> bytes:
    return _AS_INT + pack_sfixed64(value)
