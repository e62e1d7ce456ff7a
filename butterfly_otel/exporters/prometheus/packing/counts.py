"""Counts of histograms, thousands at a time: looked up rather than made, where they are small.

Most of what a scrape of histograms costs is this. What is kept is made at the first of them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from butterfly_otel.exporters.wire import varint

if TYPE_CHECKING:
    from collections.abc import Callable

#: ``Histogram.bucket``.
BUCKET: Final = b"\x1a"
#: Numbers that are kept: those of two bytes.
_KEPT: Final = 1 << 14
#: Of those as many as are made at first.
_LEAST: Final = 1 << 10
#: The least number that takes four bytes.
_FOUR: Final = 1 << 21
#: What a bucket has beside its count: two tags and a boundary.
_REST: Final = 10


def varints(numbers: list[int]) -> list[bytes]:
    """Return many numbers, none of them negative."""
    highest = max(numbers, default=0)
    if highest >= _KEPT:
        return [*map(varint, numbers)]
    return [*map(_VARINTS.up_to(highest).__getitem__, numbers)]


def bucket_heads(counts: list[int]) -> list[bytes]:
    """Return what buckets of these cumulated counts begin with, up to their boundaries."""
    highest = max(counts, default=0)
    if highest < _KEPT:
        return [*map(_HEADS.up_to(highest).__getitem__, counts)]
    if highest >= _FOUR:
        return [*map(bucket_head, counts)]
    three, kept, heads = _heads_of_three(), _VARINTS.up_to(_KEPT - 1), _HEADS.up_to(_KEPT - 1)
    return [
        heads[count] if count < _KEPT else three[count & 127] + kept[count >> 7] for count in counts
    ]


def bucket_head(count: int, more: int = 0) -> bytes:
    """Return the same of one.

    Args:
        count: The count.
        more: How many bytes the bucket has after its boundary.
    """
    counted = varint(count)
    return b"%b%b\x08%b" % (BUCKET, varint(len(counted) + _REST + more), counted)


@cache
def _heads_of_three() -> tuple[bytes, ...]:
    """Return the heads of counts of three bytes, up to their first byte, by its seven bits."""
    return tuple(b"%b%c\x08%c" % (BUCKET, 3 + _REST, low | 128) for low in range(128))


class _Table:
    """What a function returns of the least numbers, as many as have been asked for."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make
        self._kept: tuple[bytes, ...] = ()

    def up_to(self, number: int) -> tuple[bytes, ...]:
        """Return those of all numbers up to this one, at least."""
        kept = self._kept
        if number >= len(kept):
            # At least twice as many. Two threads that meet here make the same.
            more = range(len(kept), max(_LEAST, 1 << number.bit_length()))
            self._kept = kept = (*kept, *map(self._make, more))
        return kept


_VARINTS: Final = _Table(varint)
_HEADS: Final = _Table(bucket_head)
