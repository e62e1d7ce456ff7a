"""Attributes in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.otlp_wire import official
from butterfly_otel.exporters.wire import (
    INT64_MAX,
    INT64_MIN,
    UINT64_MAX,
    delimited,
    pack_double,
    varint,
)

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

_KEY = b"\x0a"
_VALUE = b"\x12"
_STRING = b"\x0a"
_INT = b"\x18"
_DOUBLE = b"\x21"
_FALSE, _TRUE = b"\x10\x00", b"\x10\x01"


#: A key and a string short enough for each length to be one byte, as nearly all are.
_SHORT = 0x80 - 6
_short_pair = b"%b%c\x0a%c%b\x12%c\x0a%c%b".__mod__


def encode_attributes(attributes: Attributes, tag: bytes) -> tuple[bytes, bool]:
    """Return attributes as a repeated field, and whether they may be kept.

    Kept may be what can't change: strings, numbers and booleans. Anything else is a case for
    the official encoder, every time.
    """
    if not attributes:
        return b"", True
    fields: list[bytes] = []
    try:
        for name, value in attributes.items():
            # str's own method, so that anything else raises.
            key = str.encode(name)
            if type(value) is str:
                string = value.encode()
                long, key_long = len(string), len(key)
                total = long + key_long
                if total < _SHORT:
                    pair = tag, total + 6, key_long, key, long + 2, long, string
                    fields.append(_short_pair(pair))
                    continue
                content = delimited(_STRING, string)
            else:
                content = _number(value)
            fields.append(delimited(tag, delimited(_KEY, key) + delimited(_VALUE, content)))
    except (TypeError, UnicodeEncodeError):  # also a lone surrogate
        theirs = official.encode_attributes(attributes)
        return b"".join([delimited(tag, each) for each in theirs]), False
    return b"".join(fields), True


def _number(value: object) -> bytes:
    """Return the content of a value that is no string.

    Exactly these types: what is derived from one of them may do anything.

    Raises:
        TypeError: When it is of another type, or too large.
    """
    if type(value) is bool:
        return _TRUE if value else _FALSE
    if type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return _INT + varint(value & UINT64_MAX)
    if type(value) is float:
        return _DOUBLE + pack_double(value)
    raise TypeError(f"{value!r} is no number")
