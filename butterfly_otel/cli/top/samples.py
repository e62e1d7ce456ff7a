"""One scrape as samples to ask, and what has changed between two."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.expositions.scan import detect_format, scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from butterfly_otel.expositions.fetch import Answer

_Labels: TypeAlias = "frozenset[tuple[str, str]]"
#: Counts below and up to each upper bound, ascending.
Buckets: TypeAlias = "list[tuple[float, float]]"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What an endpoint said at one time.

    Attributes:
        at: Monotonic seconds.
        samples: Values by name and labels.
        malformed: How many lines could not be read.
    """

    at: float
    samples: Mapping[str, Mapping[_Labels, float]]
    malformed: int

    def select(self, name: str, **labels: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """Return labels and value of the finite samples that have these labels."""
        for key, value in self.samples.get(name, {}).items():
            if key >= labels.items() and isfinite(value):
                yield dict(key), value

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of the samples that have these labels."""
        return [value for _, value in self.select(name, **labels)]


def read_scrape(answer: Answer, at: float) -> Scrape:
    """Read an exposition; what is malformed is left out and counted."""
    kind = detect_format(answer.text, answer.content_type or "")
    exposition = scan(answer.text, kind)
    samples: dict[str, dict[_Labels, float]] = {}
    for family in exposition.families:
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels)] = sample.value
    malformed = sum(finding.rule == "malformed-line" for finding in exposition.findings)
    return Scrape(at, samples, malformed)


def increase(before: Scrape, now: Scrape, name: str, **labels: str) -> float | None:
    """Return how much counters have grown, None where there are none.

    A counter that fell started anew, so all that it has is growth, as in PromQL's ``rate()``;
    so is what a new series has: the endpoint was there before it.
    """
    earlier = before.samples.get(name, {})
    grown = [
        value - earlier.get(key, 0.0) if value >= earlier.get(key, 0.0) else value
        for key, value in now.samples.get(name, {}).items()
        if key >= labels.items() and isfinite(value)
    ]
    return sum(grown) if grown else None


def bucket_increase(before: Scrape, now: Scrape, name: str, **labels: str) -> Buckets:
    """Return the growth of a histogram's buckets, summed over its series.

    A series of which any bucket fell started anew as a whole.
    """
    earlier = _histograms(before, name, labels)
    together: dict[float, float] = {}
    for key, buckets in _histograms(now, name, labels).items():
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


def _histograms(
    scrape: Scrape, name: str, labels: Mapping[str, str]
) -> dict[_Labels, dict[float, float]]:
    found: dict[_Labels, dict[float, float]] = {}
    for key, value in scrape.samples.get(f"{name}_bucket", {}).items():
        if key >= labels.items() and isfinite(value):
            rest = dict(key)
            try:
                bound = float(rest.pop("le", "nan"))
            except ValueError:
                continue
            if not isnan(bound):
                found.setdefault(frozenset(rest.items()), {})[bound] = value
    return found
