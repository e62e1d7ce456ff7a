"""What a page says of each metric: series, values, lines and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.lint.expositions.lines import parse_sample
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from butterfly_otel.catalog.model import Metric

_OVERFLOW = "otel_metric_overflow"
VIOLATIONS = "butterfly_otel_label_violations_total"
INVALID = "butterfly_otel_invalid_measurements_total"


class Exported(NamedTuple):
    """What a page has of one metric.

    Attributes:
        series: The value of each series, a histogram's count, by its labels.
        overflow: Likewise of OpenTelemetry's overflow point; None where there is none.
        samples: Lines.
    """

    series: dict[tuple[str, ...], float]
    overflow: float | None
    samples: int

    @property
    def given(self) -> dict[tuple[str, ...], float]:
        """The series whose labels are as they were given."""
        return {key: value for key, value in self.series.items() if OTHER not in key}

    @property
    def folded(self) -> float:
        """What has gone to a series that several label sets share."""
        other = sum(value for key, value in self.series.items() if OTHER in key)
        return other + (self.overflow or 0)


def exported(text: str, metric: Metric, keys: Iterable[str]) -> Exported:
    """Return what a page in text 0.0.4 has of a metric.

    Args:
        text: The page.
        metric: The metric.
        keys: The labels that are kept of it.
    """
    order = tuple(keys)
    histogram = metric.type == "histogram"
    shown = f"{metric.name}_count" if histogram else metric.name
    names = {shown, f"{metric.name}_bucket", f"{metric.name}_sum"} if histogram else {shown}
    series: dict[tuple[str, ...], float] = {}
    overflow, lines = None, 0
    for line in text.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name not in names:
            continue
        lines += 1
        if name != shown:
            continue
        sample = parse_sample(line, 0, openmetrics=False)
        labels = dict(sample.labels)
        if _OVERFLOW in labels:
            overflow = sample.value
        else:
            series[tuple(labels.get(key, "") for key in order)] = sample.value
    return Exported(series, overflow, lines)


def counted(text: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the series of one of the SDK's own counters, by their labels."""
    found: dict[tuple[tuple[str, str], ...], float] = {}
    for line in text.splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            sample = parse_sample(line, 0, openmetrics=False)
            found[sample.labels] = sample.value
    return found


def violations(text: str, metric: Metric) -> Mapping[tuple[str, str], float]:
    """Return how many labels of a metric had to be replaced, by key and reason."""
    found: dict[tuple[str, str], float] = {}
    for labels, value in counted(text, VIOLATIONS).items():
        named = dict(labels)
        if named["metric"] == metric.name:
            found[named["label"], named["reason"]] = value
    return found


def refused(text: str, metric: Metric) -> float:
    """Return how many values of a metric were refused."""
    return sum(
        value
        for labels, value in counted(text, INVALID).items()
        if dict(labels)["metric"] == metric.name
    )
