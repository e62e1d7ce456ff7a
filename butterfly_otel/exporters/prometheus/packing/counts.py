"""Counts of histograms, thousands at a time: looked up rather than made, where they are small.

Most of what a scrape of histograms costs is this. What is kept is made at the first of them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from butterfly_otel.exporters.wire import varint

#: ``Histogram.bucket``.
BUCKET: Final = b"\x1a"
#: Numbers that are kept: those of two bytes.
_KEPT: Final = 1 << 14
#: The least number that takes four bytes.
_FOUR: Final = 1 << 21
#: What a bucket has beside its count: two tags and a boundary.
_REST: Final = 10


def varints(numbers: list[int]) -> list[bytes]:
    """Return many numbers, none of them negative."""
    if not numbers or max(numbers) >= _KEPT:
        return [*map(varint, numbers)]
    return [*map(_kept().__getitem__, numbers)]


def bucket_heads(counts: list[int]) -> list[bytes]:
    """Return what buckets of these cumulated counts begin with, up to their boundaries."""
    highest = max(counts, default=0)
    heads = _kept_heads()
    if highest < _KEPT:
        return [*map(heads.__getitem__, counts)]
    if highest >= _FOUR:
        return [*map(bucket_head, counts)]
    three, kept = _heads_of_three(), _kept()
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
def _kept() -> tuple[bytes, ...]:
    return tuple(map(varint, range(_KEPT)))


@cache
def _kept_heads() -> tuple[bytes, ...]:
    return tuple(map(bucket_head, range(_KEPT)))


@cache
def _heads_of_three() -> tuple[bytes, ...]:
    """Return the heads of counts of three bytes, up to their first byte, by its seven bits."""
    return tuple(b"%b%c\x08%c" % (BUCKET, 3 + _REST, low | 128) for low in range(128))
