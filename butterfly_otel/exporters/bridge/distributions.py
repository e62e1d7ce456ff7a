"""Points of histograms and summaries, put together from their samples."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, HistogramDataPoint

from butterfly_otel.exporters.bridge.exemplars import exemplars_of, nanoseconds
from butterfly_otel.exporters.producing.model import QuantileValue, Summary, SummaryDataPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.samples import Sample

    from butterfly_otel.exporters.bridge.series import Labels, SeriesBook

T = TypeVar("T")

#: What a histogram that is read from a registry does not tell.
_NONE: Any = None


class Reading(NamedTuple):
    """What is read of one family at one time.

    Attributes:
        name: The family's name.
        book: What is known of its series.
        created: When series began, in seconds since the epoch, where that is told.
        now: When it is read, in nanoseconds since the epoch.
        left_out: Told of each series that is none, and why.
    """

    name: str
    book: SeriesBook
    created: Mapping[Labels, float]
    now: int
    left_out: Callable[[str, ValueError], None]


def histogram_of(samples: Iterable[Sample], reading: Reading) -> Histogram:
    """Return a histogram; series of it that are none are left out, and told."""
    points = _points(samples, "le", reading, _histogram)
    return Histogram(points, AggregationTemporality.CUMULATIVE)


def summary_of(samples: Iterable[Sample], reading: Reading) -> Summary:
    """Return a summary, likewise."""
    return Summary(_points(samples, "quantile", reading, _summary))


def _points(
    samples: Iterable[Sample],
    within: str,
    reading: Reading,
    make: Callable[[Labels, list[Sample], Reading], T],
) -> list[T]:
    points: list[T] = []
    for labels, some in _by_series(samples, within).items():
        try:
            points.append(make(labels, some, reading))
        except ValueError as error:  # noqa: PERF203 - one series must not cost the others
            reading.left_out(reading.name, error)
    return points


def _histogram(labels: Labels, samples: list[Sample], reading: Reading) -> HistogramDataPoint:
    name = reading.name
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
    time = nanoseconds(samples[0].timestamp, reading.now)
    seen = reading.book.see(name, labels, time, tuple(below), reading.created.get(labels))
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


def _summary(labels: Labels, samples: list[Sample], reading: Reading) -> SummaryDataPoint:
    name = reading.name
    count, total = _value(samples, f"{name}_count"), _value(samples, f"{name}_sum")
    quantiles = [
        QuantileValue(float(each.labels["quantile"]), float(each.value))
        for each in samples
        if each.name == name and "quantile" in each.labels
    ]
    whole = 0 if count is None else _whole(count)
    time = nanoseconds(samples[0].timestamp, reading.now)
    seen = reading.book.see(name, labels, time, (whole,), reading.created.get(labels))
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
