"""Native histograms as prometheus_client has them in its samples, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.samples import BucketSpan, NativeHistogram

from butterfly_otel.exporters.prometheus.model.native import (
    COARSEST,
    FINEST,
    Native,
    counts_of,
    deltas_of,
    spans_of,
    undone_deltas,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.samples import Exemplar

    from butterfly_otel.exporters.prometheus.model.native import Counts


def sample_of(native: Native, exemplars: Sequence[Exemplar]) -> NativeHistogram:
    """Return a native histogram as a sample has it."""
    positive_spans, positive_deltas = _told(native.positive)
    negative_spans, negative_deltas = _told(native.negative)
    return NativeHistogram(
        native.size,
        native.total,
        native.schema,
        native.threshold,
        native.zeros,
        positive_spans,
        negative_spans,
        positive_deltas,
        negative_deltas,
        exemplars,
    )


def native_in(sample: NativeHistogram) -> Native:
    """Return the native histogram of a sample.

    Raises:
        ValueError: When it is no histogram that Prometheus would take: it fails the whole scrape.
    """
    positive = counts_of(sample.pos_spans or (), undone_deltas(sample.pos_deltas or ()))
    negative = counts_of(sample.neg_spans or (), undone_deltas(sample.neg_deltas or ()))
    size = sample.zero_count + sum(positive.values()) + sum(negative.values())
    counts = (sample.zero_count, *positive.values(), *negative.values())
    if not COARSEST <= sample.schema <= FINEST or min(counts) < 0:
        raise ValueError(f"{sample} is not a native histogram of an exponential schema")
    # Where the sum is not a number, a value was none either, and is in no bucket.
    if size > sample.count_value or (size != sample.count_value and _is_number(sample.sum_value)):
        raise ValueError(f"the buckets of {sample} count {size}")
    return Native(
        sample.schema,
        sample.count_value,
        sample.sum_value,
        sample.zero_threshold,
        sample.zero_count,
        positive,
        negative,
    )


def _is_number(value: float) -> bool:
    return value == value  # noqa: PLR0124 - all but NaN are equal to themselves


def _told(counts: Counts) -> tuple[list[BucketSpan], list[int]]:
    spans, listed = spans_of(counts)
    # Of counts that are no whole numbers as well, whatever the annotation says.
    deltas: list[int] = deltas_of(listed)  # type: ignore[assignment]
    return [BucketSpan(offset, length) for offset, length in spans], deltas
