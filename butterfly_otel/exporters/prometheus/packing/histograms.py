"""Histograms: buckets with boundaries, and native ones with those beside them."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, repeat
from math import inf
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

from butterfly_otel.exporters.prometheus.model.exemplars import rebinned
from butterfly_otel.exporters.prometheus.model.native import classic_of, native_of
from butterfly_otel.exporters.prometheus.model.series import layout_of
from butterfly_otel.exporters.prometheus.packing.counts import (
    BUCKET,
    bucket_head,
    bucket_heads,
    varints,
)
from butterfly_otel.exporters.prometheus.packing.fields import (
    BUCKET_EXEMPLAR,
    HISTOGRAM_START,
    double,
    doubles,
    exemplar,
    labels,
    labels_of,
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

_METRIC = b"\x22"
_HISTOGRAM = b"\x3a"
_SUM = b"\x11"
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
        return bucket_head(int(count), len(sampled)) + _end(bound) + sampled
    return delimited(BUCKET, _FLOAT + double(count) + _end(bound) + sampled)


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
    block.tails.absorb(block.fresh(), pack=True)
    for chunk in block.chunks:
        yield _chunk(block, chunk, block.tails.known(chunk.cells))


def _chunk(block: Block, chunk: Chunk, known: Mapping[int, Mapping[int, SeriesExemplar]]) -> bytes:
    cells: list[Any] = chunk.cells
    if chunk.packed is None:
        chunk.packed = labels_of(block, cells)
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
    parts[::2], parts[1::2] = bucket_heads(counts), [*ends] * len(cells)
    last = {
        place: _sample(parts, counts, sizes[place], place * number, number, exemplars)
        for place, exemplars in known.items()
    }
    rests = [b"".join(parts[at : at + width]) for at in _places(len(cells), width)]
    for place, each in last.items():
        rests[place] += each
    return _written(chunk.packed, varints(sizes), doubles(totals), rests)


def _written(
    labels_: list[bytes], sizes: list[bytes], totals: list[bytes], rests: list[bytes]
) -> bytes:
    """Return the metrics of columns: their labels, counts, sums, and buckets."""
    lengths = [len(size) + len(rest) + 10 for size, rest in zip(sizes, rests, strict=True)]
    inner = varints(lengths)
    outer = varints(
        [
            len(each) + len(tag) + length + 1
            for each, tag, length in zip(labels_, inner, lengths, strict=True)
        ]
    )
    number = len(rests)
    columns = [[_METRIC] * number, outer, labels_, [_HISTOGRAM] * number, inner]
    columns += [[_COUNT] * number, sizes, [_SUM] * number, totals, rests]
    parts = [b""] * (len(columns) * number)
    for index, column in enumerate(columns):
        parts[index :: len(columns)] = column
    return b"".join(parts)


def _sample(
    parts: list[bytes],
    counts: list[int],
    size: int,
    first: int,
    number: int,
    exemplars: Mapping[int, SeriesExemplar],
) -> bytes:
    """Put exemplars into the buckets of one series; return what comes after them."""
    rest = b""
    for index, each in exemplars.items():
        sampled = exemplar(BUCKET_EXEMPLAR, each)
        if index < number:
            at = first + index
            parts[2 * at] = bucket_head(counts[at], len(sampled))
            parts[2 * at + 1] += sampled
        else:
            rest = bucket(size, inf, sampled)
    return rest


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
        if kept != BUCKET:
            labels_ = labels(each.labels)
            each.packed = (BUCKET, labels_)
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


@lru_cache(maxsize=1024)
def _ends(bounds: tuple[float, ...]) -> tuple[bytes, ...]:
    """Return what buckets of these boundaries end in."""
    return tuple(map(_end, bounds))


def _end(bound: float) -> bytes:
    return _BOUND + pack_double(bound)
