"""What an exposition holds, whoever asks: metadata, samples, families, histograms."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from butterfly_otel.lint.findings import Finding

ExpositionFormat = Literal["text", "openmetrics"]
#: Besides, what is pushed is read into this model.
Format = Literal["text", "openmetrics", "otlp"]
Keyword = Literal["TYPE", "HELP", "UNIT"]
Labels = tuple[tuple[str, str], ...]
#: A set of labels without empty ones, which for Prometheus are no labels at all.
SeriesKey = frozenset[tuple[str, str]]

NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?|nan",
    re.IGNORECASE | re.ASCII,
)


def as_number(text: str) -> float | None:
    """Read a number as Prometheus does, None where it is none.

    Python's ``float`` takes more, such as ``1_0``.
    """
    return float(text) if NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Metadata:
    """A ``# TYPE``, ``# HELP`` or ``# UNIT`` line, its text without escapes."""

    keyword: Keyword
    name: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Exemplar:
    """What an OpenMetrics sample carries after ``#``."""

    labels: Labels
    value: float
    timestamp: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample line. A timestamp is in the format's own unit: text ms, OpenMetrics s."""

    name: str
    labels: Labels
    value: float
    line: int
    timestamp: float | None = None
    exemplar: Exemplar | None = None

    def label(self, key: str) -> str:
        """Return a label's value; empty where it is missing, which says the same."""
        return next((value for name, value in self.labels if name == key), "")

    def key(self, without: Collection[str] = ()) -> SeriesKey:
        """Identify the series as Prometheus does, but for some labels."""
        return frozenset((key, value) for key, value in self.labels if value and key not in without)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One ``_bucket`` sample; ``bound`` is NaN where ``le`` is missing or no number."""

    bound: float
    spelling: str
    sample: Sample


@dataclass(slots=True)
class HistogramSeries:
    """All samples of one histogram series, in the order they were written."""

    line: int
    buckets: list[Bucket] = field(default_factory=list[Bucket])
    count: Sample | None = None
    sum: Sample | None = None

    @property
    def infinity(self) -> Bucket | None:
        """The ``+Inf`` bucket, where there is one."""
        return next((item for item in self.buckets if item.bound == math.inf), None)


def histograms(name: str, samples: Iterable[Sample]) -> dict[SeriesKey, HistogramSeries]:
    """Put the samples of the histogram ``name`` together, a series each."""
    series: dict[SeriesKey, HistogramSeries] = {}
    for sample in samples:
        one = series.setdefault(sample.key(without=("le",)), HistogramSeries(sample.line))
        part = sample.name.removeprefix(name)
        if part == "_bucket":
            spelling = sample.label("le")
            bound = as_number(spelling)
            one.buckets.append(Bucket(math.nan if bound is None else bound, spelling, sample))
        elif part == "_count":
            one.count = one.count or sample
        elif part == "_sum":
            one.sum = one.sum or sample
    return series


@dataclass(frozen=True, slots=True)
class Family:
    """Everything an exposition says about one family, wherever it stands.

    A family that was never declared is named like its samples.
    """

    name: str
    types: tuple[Metadata, ...] = ()
    helps: tuple[Metadata, ...] = ()
    units: tuple[Metadata, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def type(self) -> str | None:
        """The first declared type, which is the one that readers use."""
        return self.types[0].text if self.types else None

    @property
    def lines(self) -> tuple[int, ...]:
        """The lines of the family, ascending."""
        metadata = [item.line for item in (*self.types, *self.helps, *self.units)]
        return tuple(sorted([*metadata, *(sample.line for sample in self.samples)]))


@dataclass(frozen=True)
class Exposition:
    """What was read, and what could not be."""

    format: Format
    families: tuple[Family, ...]
    findings: tuple[Finding, ...]

    @cached_property
    def samples(self) -> Mapping[str, list[Sample]]:
        """All samples, by name."""
        found: dict[str, list[Sample]] = {}
        for family in self.families:
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample)
        return found

    @property
    def malformed(self) -> tuple[Finding, ...]:
        """The lines that could not be read."""
        return tuple(each for each in self.findings if each.rule == "malformed-line")
