"""OpenTelemetry's exponential histograms as Prometheus' native ones, and as classic ones.

Sources: the OpenTelemetry specification, "Exponential Histograms" of "OTLP Metric points to
Prometheus"; the "Native histograms" specification of Prometheus. Both have buckets whose
boundaries are the powers of ``2 ** 2 ** -scale``, which Prometheus calls the schema. Bucket ``i``
of OpenTelemetry's ends where its number is ``i + 1``, which is what Prometheus calls it.

Everything here is pure and safe to call from any thread.
"""

from __future__ import annotations

from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

    #: How often each bucket was met, by the number that its upper boundary has.
    Counts: TypeAlias = Mapping[int, float]

#: The schemas that Prometheus knows.
COARSEST: Final = -4
FINEST: Final = 8
#: The width of the zero bucket where OpenTelemetry has none, as its specification says.
THRESHOLD: Final = 1e-128
#: Powers of two that are numbers other than 0.
_SMALLEST_POWER: Final = -1074
_GREATEST_POWER: Final = 1023
#: Boundaries by which exemplars are told apart: they stay where they are, whatever the scale.
_DECADES: Final = tuple(2.0**power for power in range(-128, 129))
SPREAD: Final = (*(-each for each in reversed(_DECADES)), 0.0, *_DECADES)


class Native(NamedTuple):
    """A native histogram.

    Attributes:
        schema: From -4, the coarsest, to 8.
        size: How many values.
        total: Their sum.
        threshold: The greatest distance from 0 of what the zero bucket counts.
        zeros: What that counts.
        positive: Counts of buckets above it; none is 0.
        negative: Likewise below, by the number of the boundary that is farther from 0.
    """

    schema: int
    size: float
    total: float
    threshold: float
    zeros: float
    positive: Counts
    negative: Counts


def is_representable(point: ExponentialHistogramDataPoint) -> bool:
    """Tell whether Prometheus has a schema for a point: finer scales are made coarser."""
    return point.scale >= COARSEST


def native_of(point: ExponentialHistogramDataPoint) -> Native:
    """Return a point that is representable as a native histogram. Nothing is lost but fineness."""
    schema = min(point.scale, FINEST)
    steps = point.scale - schema
    positive = _coarser(_counted(point.positive), steps)
    negative = _coarser(_counted(point.negative), steps)
    lowest = min((_lower(number, schema) for number in (*positive, *negative)), default=inf)
    # Where values lie nearer to 0 than that, a zero bucket of such a width would claim them.
    threshold = THRESHOLD if lowest >= THRESHOLD else 0.0
    threshold = getattr(point, "zero_threshold", 0.0) or threshold
    # Not point.count: Prometheus fails a scrape whose count is another than that of the buckets.
    size = point.zero_count + sum(positive.values()) + sum(negative.values())
    return Native(schema, size, point.sum, threshold, point.zero_count, positive, negative)


def added(histograms: Sequence[Native]) -> Native:
    """Return the sum of native histograms, at the coarsest of their schemas."""
    schema = min(each.schema for each in histograms)
    return Native(
        schema,
        sum(each.size for each in histograms),
        sum(each.total for each in histograms),
        max(each.threshold for each in histograms),
        sum(each.zeros for each in histograms),
        _sum(_coarser(each.positive, each.schema - schema) for each in histograms),
        _sum(_coarser(each.negative, each.schema - schema) for each in histograms),
    )


def classic_of(native: Native) -> tuple[tuple[float, ...], list[float]]:
    """Return boundaries of a classic histogram and the counts between them.

    They are powers of two, of the schema's where that is coarser: the same whichever schema
    there is, so that a series stays, and boundaries of the native buckets too, so that nothing
    is guessed. Only a negative value that is a boundary itself is counted on its other side.
    """
    # Powers of two that a bucket spans; of finer schemas the boundaries that are such powers.
    power = max(0, -native.schema)
    steps = max(0, native.schema)
    positive, negative = _coarser(native.positive, steps), _coarser(native.negative, steps)
    pairs: list[tuple[float, float]] = []
    if negative:
        numbers = range(max(negative), min(negative) - 2, -1)
        # What is beyond the boundary that is nearer to 0, one bucket after the other.
        pairs += ((-_power(each << power), negative.get(each + 1, 0)) for each in numbers)
    if native.zeros or negative:
        pairs.append((0.0, native.zeros))
    if positive:
        numbers = range(min(positive) - 1, max(positive) + 1)
        pairs += ((_power(each << power), positive.get(each, 0)) for each in numbers)
    bounds: list[float] = []
    counts: list[float] = []
    for bound, count in pairs:
        if bound == inf or (bounds and bound <= bounds[-1]):
            # Beyond what a number can be.
            if counts and bound != inf:
                counts[-1] += count
            continue
        if bound == -inf:
            continue
        # Never -0.0.
        bounds.append(bound + 0.0)
        counts.append(count)
    return tuple(bounds), [*counts, native.size - sum(counts)]


def classic_point(point: ExponentialHistogramDataPoint) -> HistogramDataPoint:
    """Return a point of an explicit histogram for one that is representable."""
    bounds, counts = classic_of(native_of(point))
    return HistogramDataPoint(
        point.attributes,
        point.start_time_unix_nano,
        point.time_unix_nano,
        point.count,
        point.sum,
        counts,  # type: ignore[arg-type]  # whole numbers as long as the point's are
        bounds,
        point.min,
        point.max,
    )


def is_whole(native: Native) -> bool:
    """Tell whether all counts are whole numbers."""
    numbers = (native.size, native.zeros, *native.positive.values(), *native.negative.values())
    return all(float(each).is_integer() for each in numbers)


def spans_of(counts: Counts) -> tuple[list[tuple[int, int]], list[float]]:
    """Return buckets as spans, and the count of each bucket in them.

    A span is an offset, from the end of the span before (the first from 0), and a length. One or
    two empty buckets are counted rather than leapt over, which is shorter, as Go's client has it.
    """
    spans: list[tuple[int, int]] = []
    listed: list[float] = []
    end = 0
    for number in sorted(counts):
        gap = number - end
        if spans and gap <= _LEAPT:
            spans[-1] = (spans[-1][0], spans[-1][1] + gap + 1)
            listed += [0] * gap
        else:
            spans.append((gap, 1))
        listed.append(counts[number])
        end = number + 1
    return spans, listed


def counts_of(spans: Iterable[tuple[int, int]], listed: Iterable[float]) -> dict[int, float]:
    """Return the buckets that spans and counts tell: the inverse of :func:`spans_of`."""
    numbers: list[int] = []
    end = 0
    for offset, length in spans:
        numbers += range(end + offset, end + offset + length)
        end += offset + length
    return {number: count for number, count in zip(numbers, listed, strict=True) if count}


def deltas_of(listed: Sequence[float]) -> list[float]:
    """Return what each count is more than the one before."""
    return [count - before for count, before in zip(listed, (0, *listed), strict=False)]


def undone_deltas(deltas: Iterable[float]) -> list[float]:
    """Return counts of what each is more than the one before."""
    return list(accumulate(deltas))


#: Empty buckets that are counted within a span.
_LEAPT: Final = 2


def _counted(buckets: Buckets) -> dict[int, float]:
    return {
        number: count
        for number, count in enumerate(buckets.bucket_counts, buckets.offset + 1)
        if count
    }


def _coarser(counts: Counts, steps: int) -> Counts:
    """Return buckets of a schema that is so many steps coarser, each of whole ones."""
    if not steps:
        return counts
    found: dict[int, float] = {}
    for number, count in counts.items():
        wider = ((number - 1) >> steps) + 1
        found[wider] = found.get(wider, 0) + count
    return found


def _sum(several: Iterable[Counts]) -> dict[int, float]:
    found: dict[int, float] = {}
    for counts in several:
        for number, count in counts.items():
            found[number] = found.get(number, 0) + count
    return found


def _lower(number: int, schema: int) -> float:
    """Return the lower boundary of a bucket, or a power of two below it."""
    exponent = (number - 1) >> schema if schema >= 0 else (number - 1) << -schema
    return _power(exponent)


def _power(exponent: int) -> float:
    """Return a power of two; 0 and infinity beyond what a number can be."""
    if exponent < _SMALLEST_POWER:
        return 0.0
    return inf if exponent > _GREATEST_POWER else 2.0**exponent
