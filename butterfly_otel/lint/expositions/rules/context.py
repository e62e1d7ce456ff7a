"""What the exposition rules look at: families matched with catalogue entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.model import histograms
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.expositions.model import (
        Exposition,
        Family,
        Format,
        HistogramSeries,
        Sample,
    )

#: The label of OTel's overflow point, in its escaped and in its UTF-8 spelling.
OVERFLOW_LABELS = frozenset({"otel_metric_overflow", "otel.metric.overflow"})
OVERFLOW_VALUE = "true"
_STRUCTURAL = (("histogram", "le"), ("summary", "quantile"))


@dataclass(frozen=True, slots=True)
class Exposed:
    """A metric of the catalogue and the family that exposes it.

    Attributes:
        metric: The catalogue's entry.
        family: The family, whatever its type says.
        samples: The family's samples without ``_created`` ones.
        usable: Whether the type is right, or at least not another one, so that rules about
            sample names and buckets make sense.
        histograms: The series of a usable histogram.
    """

    metric: Metric
    family: Family
    samples: tuple[Sample, ...]
    usable: bool
    histograms: tuple[HistogramSeries, ...]

    @property
    def structural(self) -> frozenset[str]:
        """Labels that the type itself brings: the contract's, or the one that is declared."""
        types = {self.metric.type, self.family.type}
        return frozenset(key for type_, key in _STRUCTURAL if type_ in types)


@dataclass(frozen=True, slots=True)
class Context:
    """One exposition, ready for the rules."""

    format: Format
    families: tuple[Family, ...]
    exposed: tuple[Exposed, ...]
    created: tuple[Sample, ...]
    unknown: tuple[Family, ...]
    contract: tuple[Metric, ...]
    names: Mapping[str, Metric]
    allowed: frozenset[str]
    expect_all: bool


#: A rule: pure, and silent about what other rules say.
Rule = Callable[[Context], Iterator[Finding]]


def family_name(metric: Metric, exposition_format: Format) -> str:
    """Name the family of a metric: in OpenMetrics a counter's lacks ``_total``."""
    if exposition_format == "openmetrics" and metric.type == "counter":
        return metric.name.removesuffix("_total")
    return metric.name


def expected_type(metric: Metric, exposition_format: Format) -> str:
    """Tell the TYPE of a metric's family.

    A counter whose name lacks ``_total`` cannot be one in OpenMetrics, where it is granted
    ``unknown`` (docs/contract.md, Names and types).
    """
    granted = metric.type == "counter" and not metric.name.endswith("_total")
    return "unknown" if granted and exposition_format == "openmetrics" else metric.type


def build_context(
    exposition: Exposition,
    *,
    contract: Iterable[Metric],
    names: Mapping[str, Metric],
    allowed: Collection[str],
    expect_all: bool,
) -> Context:
    """Match the families of an exposition with the catalogue."""
    exposed: list[Exposed] = []
    created: list[Sample] = []
    unknown: list[Family] = []
    for family in exposition.families:
        metric = _metric_of(family, exposition.format, names)
        if metric is not None:
            own = tuple(s for s in family.samples if not _is_created(s.name, names))
            created += [s for s in family.samples if _is_created(s.name, names)]
            exposed.append(_expose(metric, family, own, exposition.format))
        elif _is_created(family.name, names):
            created += family.samples
        elif is_ours(family.name, names):
            unknown.append(family)
    return Context(
        exposition.format,
        exposition.families,
        tuple(exposed),
        tuple(created),
        tuple(unknown),
        tuple(contract),
        names,
        frozenset(allowed),
        expect_all,
    )


def is_ours(name: str, names: Iterable[str]) -> bool:
    """Tell a name that claims to be Butterfly's, if only by a prefix before a known one."""
    if name.lower().startswith(("butterfly_", "butterfly.")):
        return True
    return any(name.endswith(f"_{known}") for known in names)


def is_overflow(sample: Sample) -> bool:
    """Tell OTel's overflow point, which has no other labels."""
    return any(key in OVERFLOW_LABELS and value == OVERFLOW_VALUE for key, value in sample.labels)


def exposed_name(family: Family, exposition_format: Format) -> str:
    """Name what a family's samples are called, apart from a histogram's suffixes."""
    if exposition_format == "openmetrics" and family.type == "counter":
        return f"{family.name}_total"
    return family.name


def _metric_of(
    family: Family, exposition_format: Format, names: Mapping[str, Metric]
) -> Metric | None:
    """Find the entry a family exposes, rightly declared or not."""
    if exposition_format == "openmetrics":
        metric = names.get(f"{family.name}_total")
        if metric is not None and "counter" in (metric.type, family.type):
            return metric
    return names.get(family.name)


def _is_created(name: str, names: Mapping[str, Metric]) -> bool:
    base = name.removesuffix("_created")
    return base != name and name not in names and (base in names or f"{base}_total" in names)


def _expose(
    metric: Metric,
    family: Family,
    samples: tuple[Sample, ...],
    exposition_format: Format,
) -> Exposed:
    expected = expected_type(metric, exposition_format)
    usable = family.type in (expected, None, "untyped", "unknown")
    series = (
        tuple(histograms(metric.name, samples).values())
        if usable and metric.type == "histogram"
        else ()
    )
    return Exposed(metric, family, samples, usable, series)
