"""The few rules of the protobuf wire format that metrics need: OTLP's, and those of a scrape.

Source: https://protobuf.dev/programming-guides/encoding/. A tag is
``field number << 3 | wire type``; wire types are 0 for a varint, 1 for eight bytes and 2 for
what has a length before it.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1
UINT64_MAX = (1 << 64) - 1

pack_fixed64 = Struct("<Q").pack
pack_sfixed64 = Struct("<q").pack
pack_double = Struct("<d").pack

_SMALL = tuple(bytes((number,)) for number in range(0x80))
#: Numbers of two bytes.
_MIDDLE = 1 << 14


def varint(number: int) -> bytes:
    """Return a number that is not negative."""
    if number < 0x80:  # noqa: PLR2004 - seven bits are what fits in a byte
        return _SMALL[number]
    if number < _MIDDLE:
        return b"%c%c" % (number & 0x7F | 0x80, number >> 7)
    found = bytearray()
    while number >= 0x80:  # noqa: PLR2004
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def uint32(number: int) -> bytes:
    """Return a number of type ``uint32``.

    Raises:
        OverflowError: When it is none.
    """
    if not 0 <= number < 1 << 32:
        raise OverflowError(f"{number} is no uint32")
    return varint(number)


def sint32(number: int) -> bytes:
    """Return a number of type ``sint32``.

    Raises:
        OverflowError: When it is none.
    """
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError(f"{number} is no sint32")
    return varint(zigzag(number))


def zigzag(number: int) -> int:
    """Return a number as ``sint32`` and ``sint64`` have it: small ones of either sign are small."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def packed_varints(numbers: Sequence[int]) -> bytes:
    """Return numbers of type ``uint64`` as they are in a packed field.

    Raises:
        OverflowError: When one is none.
    """
    lowest, highest = min(numbers), max(numbers)
    if lowest < 0 or highest > UINT64_MAX:
        raise OverflowError(f"{lowest} or {highest} is no uint64")
    if highest < 0x80:  # noqa: PLR2004 - each is a byte, as most buckets are
        return bytes(numbers)
    return b"".join(map(varint, numbers))


def delimited(tag: bytes, content: bytes) -> bytes:
    """Return a field whose content has its length before it."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


def text(tag: bytes, value: str | None) -> bytes:
    """Return a field of text; nothing where there is none, as proto3 has it.

    Raises:
        TypeError: When it is no text.
        UnicodeEncodeError: When UTF-8 has no form for it.
    """
    return delimited(tag, str.encode(value)) if value else b""


def message(tag: bytes, parts: Iterable[bytes]) -> list[bytes]:
    """Return a field that is a message, in parts: large ones are put together once only."""
    content = list(parts)
    return [tag + varint(sum(map(len, content))), *content]
