"""Points of histograms and summaries, put together from their samples."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, HistogramDataPoint

from butterfly_otel.exporters.bridge.exemplars import exemplars_of, nanoseconds
from butterfly_otel.exporters.producing.model import QuantileValue, Summary, SummaryDataPoint
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client.samples import Sample

    from butterfly_otel.exporters.bridge.series import Labels, SeriesBook

#: Of a histogram without bounds that is none: kept from being exported.
_NONE: Any = None


def histogram_points(
    name: str,
    samples: Sequence[Sample],
    book: SeriesBook,
    created: Mapping[Labels, float],
    now: int,
) -> Histogram:
    """Return a histogram; series of it that are none are left out, which is logged once."""
    points: list[HistogramDataPoint] = []
    for labels, some in _by_series(samples, "le").items():
        try:
            points.append(_histogram(name, labels, some, book, created.get(labels), now))
        except ValueError as error:
            log_once(f"a series of the histogram {name} is not exported: {error}")
    return Histogram(points, AggregationTemporality.CUMULATIVE)


def _histogram(
    name: str,
    labels: Labels,
    samples: Sequence[Sample],
    book: SeriesBook,
    created: float | None,
    now: int,
) -> HistogramDataPoint:
    buckets = {
        float(each.labels["le"]): each.value for each in samples if each.name == f"{name}_bucket"
    }
    count, total = _value(samples, f"{name}_count"), _value(samples, f"{name}_sum")
    if count is not None:
        buckets.setdefault(inf, count)
    bounds = sorted(buckets)
    if not bounds or bounds[-1] != inf:
        raise ValueError("it has neither a count nor a bucket up to +Inf")
    below = [_whole(buckets[bound]) for bound in bounds]
    counts = [high - low for low, high in zip([0, *below], below, strict=False)]
    if min(counts) < 0:
        raise ValueError("its buckets do not grow with their bounds")
    time = nanoseconds(samples[0].timestamp, now)
    seen = book.see(name, labels, time, tuple(below), created)
    return HistogramDataPoint(
        attributes=seen.attributes,
        start_time_unix_nano=seen.start,
        time_unix_nano=time,
        count=below[-1],
        sum=_NONE if total is None else float(total),
        bucket_counts=counts,
        explicit_bounds=tuple(bounds[:-1]),
        min=_NONE,
        max=_NONE,
        exemplars=exemplars_of(samples, time),
    )


def summary_points(
    name: str,
    samples: Sequence[Sample],
    book: SeriesBook,
    created: Mapping[Labels, float],
    now: int,
) -> Summary:
    """Return a summary; series of it that are none are left out, which is logged once."""
    points: list[SummaryDataPoint] = []
    for labels, some in _by_series(samples, "quantile").items():
        try:
            points.append(_summary(name, labels, some, book, created.get(labels), now))
        except ValueError as error:
            log_once(f"a series of the summary {name} is not exported: {error}")
    return Summary(points)


def _summary(
    name: str,
    labels: Labels,
    samples: Sequence[Sample],
    book: SeriesBook,
    created: float | None,
    now: int,
) -> SummaryDataPoint:
    count, total = _value(samples, f"{name}_count"), _value(samples, f"{name}_sum")
    quantiles = [
        QuantileValue(float(each.labels["quantile"]), float(each.value))
        for each in samples
        if each.name == name and "quantile" in each.labels
    ]
    whole = 0 if count is None else _whole(count)
    time = nanoseconds(samples[0].timestamp, now)
    seen = book.see(name, labels, time, (whole,), created)
    return SummaryDataPoint(
        attributes=seen.attributes,
        start_time_unix_nano=seen.start,
        time_unix_nano=time,
        count=whole,
        sum=nan if total is None else float(total),
        quantile_values=tuple(sorted(quantiles, key=lambda each: each.quantile)),
    )


def _by_series(samples: Iterable[Sample], within: str) -> dict[Labels, list[Sample]]:
    found: dict[Labels, list[Sample]] = {}
    for sample in samples:
        labels = tuple(sorted(pair for pair in sample.labels.items() if pair[0] != within))
        found.setdefault(labels, []).append(sample)
    return found


def _value(samples: Iterable[Sample], name: str) -> float | None:
    return next((each.value for each in samples if each.name == name), None)


def _whole(count: float) -> int:
    if not isfinite(count) or count < 0 or count != int(count):
        raise ValueError(f"{count} is not a count")
    return int(count)
