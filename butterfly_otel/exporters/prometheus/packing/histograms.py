"""Histograms: buckets with boundaries, and native ones with those beside them."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import accumulate, repeat
from math import inf
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

from butterfly_otel.exporters.prometheus.model.exemplars import rebinned
from butterfly_otel.exporters.prometheus.model.native import classic_of, native_of
from butterfly_otel.exporters.prometheus.model.series import layout_of
from butterfly_otel.exporters.prometheus.packing.fields import (
    BUCKET_EXEMPLAR,
    HISTOGRAM_START,
    double,
    exemplar,
    labels,
    timestamp,
)
from butterfly_otel.exporters.prometheus.packing.natives import native_fields
from butterfly_otel.exporters.wire import delimited, pack_double, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.chunks import Chunk
    from butterfly_otel.exporters.prometheus.model.series import Series, SeriesExemplar

#: Counts whose beginnings of buckets are kept: making one costs more than looking it up.
_KEPT = 1 << 14
_BUCKET = b"\x1a"
_BOUND = b"\x11"
_COUNT = b"\x08"
#: A count that is no whole number, of a bucket and of all.
_FLOAT = b"\x21"


def histogram(
    labels_: bytes, size: float, total: float | None, rest: bytes, more: bytes = b""
) -> bytes:
    """Return a metric.

    Args:
        labels_: The labels.
        size: How many values.
        total: Their sum, where there is one.
        rest: The buckets, and whatever else the message has.
        more: What the metric has beside it.
    """
    count = _COUNT + varint(int(size)) if size == int(size) else _FLOAT + double(size)
    summed = b"" if total is None else b"\x11" + double(total)
    return delimited(b"\x22", labels_ + delimited(b"\x3a", count + summed + rest) + more)


def bucket(count: float, bound: float, sampled: bytes = b"") -> bytes:
    """Return a bucket: its cumulated count, its upper boundary and its exemplar."""
    if count == int(count):
        return _bucket_head(int(count), len(sampled)) + _end(bound) + sampled
    return delimited(_BUCKET, _FLOAT + double(count) + _end(bound) + sampled)


def buckets(
    bounds: Sequence[float],
    counts: Sequence[float],
    exemplars: Mapping[int, SeriesExemplar],
) -> list[bytes]:
    """Return buckets.

    Args:
        bounds: The finite upper boundaries.
        counts: Cumulated counts, one more than boundaries. The last one is told only where it has
            an exemplar: it is that of all values.
        exemplars: Exemplars by bucket.
    """
    found: list[bytes] = []
    for index, (bound, count) in enumerate(zip((*bounds, inf), counts, strict=True)):
        sampled = exemplars.get(index)
        if sampled is not None:
            found.append(bucket(count, bound, exemplar(BUCKET_EXEMPLAR, sampled)))
        elif index < len(bounds):
            found.append(bucket(count, bound))
    return found


def block_histograms(block: Block) -> Iterator[bytes]:
    """Yield the metrics of a block."""
    block.tails.absorb(block.fresh())
    for chunk in block.chunks:
        yield from _chunk(block, chunk, block.tails.known(chunk.cells))


def _chunk(
    block: Block, chunk: Chunk, known: Mapping[int, Mapping[int, SeriesExemplar]]
) -> Iterator[bytes]:
    cells: list[Any] = chunk.cells
    if chunk.packed is None:
        chunk.packed = [labels(block.labels(cell)) for cell in cells]
    ends = _ends(cells[0].table.bounds)
    number, width = len(ends), 2 * len(ends)
    counts: list[int] = []
    totals: list[float] = []
    for cell in cells:
        # Of one instant: nothing is called here.
        several, total = cell.counts[:], cell.total
        counts += accumulate(several)
        totals.append(total)
    sizes = counts[number :: number + 1]
    del counts[number :: number + 1]
    parts = [b""] * (width * len(cells))
    parts[::2], parts[1::2] = _bucket_heads(counts), [*ends] * len(cells)
    rests = [b"".join(parts[at : at + width]) for at in _places(len(cells), width)]
    for place, exemplars in known.items():
        cumulated = (*counts[place * number : (place + 1) * number], sizes[place])
        rests[place] = b"".join(buckets(cells[place].table.bounds, cumulated, exemplars))
    for labels_, size, total, rest in zip(
        chunk.packed, map(varint, sizes), totals, rests, strict=True
    ):
        length = len(size) + len(rest) + 10
        inner = varint(length)
        outer = varint(len(labels_) + len(inner) + length + 1)
        yield b"\x22%b%b\x3a%b\x08%b\x11%b%b" % (outer, labels_, inner, size, double(total), rest)


def _places(number: int, width: int) -> Iterable[int]:
    """Return where so many parts of a list begin, all of one width."""
    return range(0, number * width, width) if width else repeat(0, number)


def point_histograms(
    series: Sequence[Series],
    points: Sequence[HistogramDataPoint | ExponentialHistogramDataPoint],
    *,
    created: bool,
) -> Iterator[bytes]:
    """Yield the metrics of some series, of either kind.

    Args:
        series: The series.
        points: Their points.
        created: Whether it is told when they began.
    """
    for each, point in zip(series, points, strict=True):
        kept, labels_ = each.packed
        if kept != _BUCKET:
            labels_ = labels(each.labels)
            each.packed = (_BUCKET, labels_)
        if isinstance(point, ExponentialHistogramDataPoint):
            native = native_of(point)
            bounds, between = classic_of(native)
            cumulated = [*accumulate(between)]
            sampled = rebinned(each.exemplars.values(), bounds)
            parts = native_fields(native, each.exemplars.values())
        else:
            layout = layout_of(tuple(point.explicit_bounds))
            cumulated = [*accumulate(point.bucket_counts)]
            if layout.picks is not None:
                cumulated = [cumulated[pick] for pick in layout.picks]
            bounds, sampled, parts = layout.bounds, each.exemplars, []
        parts += buckets(bounds, cumulated, sampled)
        if created:
            parts.append(timestamp(HISTOGRAM_START, point.start_time_unix_nano or 0))
        # The last rather than point.count: measured at the same instant as the buckets.
        yield histogram(labels_, cumulated[-1], point.sum, b"".join(parts))


def _bucket_heads(counts: list[int]) -> list[bytes]:
    """Return what the buckets of these counts begin with, up to their boundaries."""
    if counts and max(counts) < _KEPT:
        return [*map(_kept_heads().__getitem__, counts)]
    return [*map(_bucket_head, counts)]


def _bucket_head(count: int, more: int = 0) -> bytes:
    counted = varint(count)
    return b"%b%b%b%b" % (_BUCKET, varint(len(counted) + more + 10), _COUNT, counted)


@cache
def _kept_heads() -> tuple[bytes, ...]:
    return tuple(map(_bucket_head, range(_KEPT)))


@lru_cache(maxsize=1024)
def _ends(bounds: tuple[float, ...]) -> tuple[bytes, ...]:
    """Return what buckets of these boundaries end in."""
    return tuple(map(_end, bounds))


def _end(bound: float) -> bytes:
    return _BOUND + pack_double(bound)
