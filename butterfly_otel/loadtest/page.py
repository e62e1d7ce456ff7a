"""What a page says of each metric: series, values, lines and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.lint.expositions.lines import parse_sample
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.views.streams import Stream

_OVERFLOW = "otel_metric_overflow"
_VIOLATIONS = "butterfly_otel_label_violations_total"
_INVALID = "butterfly_otel_invalid_measurements_total"


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


class Page:
    """A page in text 0.0.4.

    Attributes:
        samples: Its lines, comments aside.
        bytes: Its length.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, list[str]] = {}
        self.samples = 0
        self.bytes = len(text.encode())
        for line in text.splitlines():
            if not line.startswith("#"):
                self.samples += 1
                name = line.partition("{")[0].partition(" ")[0]
                self._lines.setdefault(name, []).append(line)

    def exported(self, stream: Stream) -> Exported:
        """Return what it has of a metric."""
        name = stream.metric.prometheus_name
        order = tuple(label.prometheus_key for label in stream.labels)
        parts = ("_count", "_bucket", "_sum") if stream.metric.type == "histogram" else ("",)
        series: dict[tuple[str, ...], float] = {}
        overflow = None
        for labels, value in self._series(f"{name}{parts[0]}"):
            if _OVERFLOW in labels:
                overflow = value
            else:
                series[tuple(labels.get(key, "") for key in order)] = value
        lines = sum(len(self._lines.get(f"{name}{part}", ())) for part in parts)
        return Exported(series, overflow, lines)

    def violations(self, metric: Metric) -> dict[tuple[str, str], float]:
        """Return how many labels of a metric had to be replaced, by key and reason."""
        return {
            (labels["label"], labels["reason"]): value
            for labels, value in self._series(_VIOLATIONS)
            if labels["metric"] == metric.name
        }

    def refused(self, metric: Metric) -> int:
        """Return how many values of a metric were refused."""
        found = self._series(_INVALID)
        return round(sum(value for labels, value in found if labels["metric"] == metric.name))

    def _series(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        for line in self._lines.get(name, ()):
            sample = parse_sample(line, 0, openmetrics=False)
            yield dict(sample.labels), sample.value
