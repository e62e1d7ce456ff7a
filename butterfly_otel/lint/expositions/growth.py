"""What an endpoint said at one time, and what has grown between two."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.lint.expositions.model import histograms
from butterfly_otel.lint.expositions.scan import detect_format, scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.lint.expositions.fetch import Answer
    from butterfly_otel.lint.expositions.model import Exposition, Sample, SeriesKey

#: Counts below and up to each upper bound, ascending.
Buckets: TypeAlias = "list[tuple[float, float]]"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What an endpoint said at one time.

    Attributes:
        at: Monotonic seconds.
        exposition: What it said.
    """

    at: float
    exposition: Exposition

    def select(self, name: str, **labels: str) -> list[Sample]:
        """Return the finite samples that have these labels."""
        return [
            sample
            for sample in self.exposition.samples.get(name, ())
            if isfinite(sample.value)
            and all(sample.label(key) == value for key, value in labels.items())
        ]

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of the samples that have these labels."""
        return [sample.value for sample in self.select(name, **labels)]


def read_scrape(answer: Answer, at: float) -> Scrape:
    """Read an exposition; what is malformed is left out."""
    kind = detect_format(answer.text, answer.content_type or "")
    return Scrape(at, scan(answer.text, kind))


def increase(before: Scrape, now: Scrape, name: str, **labels: str) -> float | None:
    """Return how much counters have grown, None where there are none.

    A counter that fell started anew, so all that it has is growth, as in PromQL's ``rate()``;
    so is what a new series has: the endpoint was there before it.
    """
    earlier = {sample.key(): sample.value for sample in before.select(name, **labels)}
    grown = [
        sample.value - old if sample.value >= old else sample.value
        for sample in now.select(name, **labels)
        for old in (earlier.get(sample.key(), 0.0),)
    ]
    return sum(grown) if grown else None


def bucket_increase(before: Scrape, now: Scrape, name: str, **labels: str) -> Buckets:
    """Return the growth of a histogram's buckets, summed over its series.

    A series of which any bucket fell started anew as a whole.
    """
    earlier = _buckets(before, name, labels)
    together: dict[float, float] = {}
    for key, buckets in _buckets(now, name, labels).items():
        old = earlier.get(key, {})
        if any(count < old.get(bound, 0.0) for bound, count in buckets.items()):
            old = {}
        for bound, count in buckets.items():
            together[bound] = together.get(bound, 0.0) + count - old.get(bound, 0.0)
    return sorted(together.items())


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """Return a quantile by linear interpolation, as PromQL's ``histogram_quantile()``.

    >>> quantile(0.5, [(1.0, 2.0), (3.0, 6.0), (inf, 6.0)])
    1.5

    Returns:
        None where nothing was counted; the highest finite bound where the quantile is
        above it.
    """
    if not buckets or buckets[-1][1] <= 0 or buckets[-1][0] != inf:
        return None
    rank = q * buckets[-1][1]
    lower = below = 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == inf:
                return lower if len(buckets) > 1 else None
            share = (rank - below) / (count - below) if count > below else 1.0
            return lower + (bound - lower) * share
        lower, below = bound, count
    return None


def is_beyond(q: float, buckets: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a quantile is above the highest finite bound, which is all that is known of it.

    >>> is_beyond(0.5, [(1.0, 1.0), (3.0, 2.0), (inf, 6.0)])
    True
    """
    if len(buckets) < 2 or buckets[-1][0] != inf or buckets[-1][1] <= 0:  # noqa: PLR2004
        return False
    return buckets[-2][1] < q * buckets[-1][1]


def _buckets(
    scrape: Scrape, name: str, labels: Mapping[str, str]
) -> dict[SeriesKey, dict[float, float]]:
    series = histograms(name, scrape.select(f"{name}_bucket", **labels))
    return {
        key: {each.bound: each.sample.value for each in one.buckets if not isnan(each.bound)}
        for key, one in series.items()
    }
