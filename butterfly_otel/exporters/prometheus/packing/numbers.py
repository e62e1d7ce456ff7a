"""Metrics that have one number: counters, gauges, and what is neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.packing.fields import (
    COUNTER,
    COUNTER_EXEMPLAR,
    COUNTER_START,
    METRIC,
    VALUE,
    double,
    doubles,
    exemplar,
    labels,
    labels_of,
    timestamp,
)
from butterfly_otel.exporters.wire import delimited, varint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.metrics.export import NumberDataPoint

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.chunks import Chunk
    from butterfly_otel.exporters.prometheus.model.series import Series, SeriesExemplar

#: Of a message that has a number and nothing else, its tag and its length included.
_LENGTH = 11


def number(tag: bytes, labels_: bytes, value: float, more: bytes = b"") -> bytes:
    """Return a metric.

    Args:
        tag: The field that has the number.
        labels_: The labels.
        value: The number.
        more: What else stands beside it: an exemplar, a start.
    """
    content = delimited(tag, VALUE + double(value) + more)
    return delimited(METRIC, labels_ + content)


def head(tag: bytes, labels_: bytes) -> bytes:
    """Return all of a metric but its number, which comes last and always is as long."""
    return b"%b%b%b%b\x09%b" % (METRIC, varint(len(labels_) + _LENGTH), labels_, tag, VALUE)


def block_numbers(block: Block, tag: bytes) -> Iterator[bytes]:
    """Yield the metrics of a block."""
    sampled = tag == COUNTER
    if sampled:
        block.tails.absorb(block.fresh(), pack=True)
    for chunk in block.chunks:
        known = block.tails.known(chunk.cells) if sampled else {}
        yield _chunk(block, chunk, tag, known)


def _chunk(
    block: Block, chunk: Chunk, tag: bytes, known: Mapping[int, Mapping[int, SeriesExemplar]]
) -> bytes:
    kept, heads = chunk.packed if chunk.packed is not None else (b"", ())
    if kept != tag:
        heads = [head(tag, each) for each in labels_of(block, chunk.cells)]
        chunk.packed = (tag, heads)
    values = [cell.value for cell in chunk.cells]
    parts = [b""] * (2 * len(values))
    parts[::2], parts[1::2] = heads, doubles(values)
    for place, exemplars in known.items():
        parts[2 * place] = _sampled(parts[2 * place], parts[2 * place + 1], exemplars[0])
        parts[2 * place + 1] = b""
    return b"".join(parts)


def _sampled(start: bytes, value: bytes, sampled: SeriesExemplar) -> bytes:
    """Return a counter with its exemplar, of what it begins with where it has none."""
    at = 1
    while start[at] >= 0x80:  # noqa: PLR2004 - a length is as long as its bytes have the high bit
        at += 1
    content = delimited(COUNTER, VALUE + value + exemplar(COUNTER_EXEMPLAR, sampled))
    return delimited(METRIC, start[at + 1 : -3] + content)


def point_numbers(
    series: Sequence[Series], points: Sequence[NumberDataPoint], tag: bytes, *, created: bool
) -> Iterator[bytes]:
    """Yield the metrics of some series.

    Args:
        series: The series.
        points: Their points.
        tag: The field that has the number.
        created: Whether it is told when they began.
    """
    for each, point in zip(series, points, strict=True):
        kept, start = each.packed
        if kept != tag:
            start = head(tag, labels(each.labels))
            each.packed = (tag, start)
        sampled = each.exemplars.get(0) if tag == COUNTER else None
        if sampled is None and not created:
            yield start
            yield double(point.value)
            continue
        more = b"" if sampled is None else exemplar(COUNTER_EXEMPLAR, sampled)
        if created and tag == COUNTER:
            more += timestamp(COUNTER_START, point.start_time_unix_nano or 0)
        yield number(tag, labels(each.labels), point.value, more)
