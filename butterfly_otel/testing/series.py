"""What has been measured, as plain data: series, histograms, violations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from butterfly_otel.lint.expositions.compare import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.metrics.export import MetricsData

#: What was counted of broken measurements, in production mode, and by which labels.
_VIOLATIONS = {
    "butterfly_otel_label_violations_total": "label",
    "butterfly_otel_invalid_measurements_total": "value",
    "butterfly_otel_callback_errors_total": "callback",
}


@dataclass(frozen=True, slots=True)
class HistogramValue:
    """What one series of a histogram has.

    Attributes:
        count: How many values were recorded.
        sum: Their sum, in the metric's unit.
        buckets: How many were at most each upper bound, as ``le`` has it; infinity last.
    """

    count: int
    sum: float
    buckets: Mapping[float, int]

    def minus(self, earlier: HistogramValue) -> HistogramValue:
        """Return what was recorded since ``earlier``."""
        buckets = {le: n - earlier.buckets.get(le, 0) for le, n in self.buckets.items()}
        return HistogramValue(self.count - earlier.count, self.sum - earlier.sum, buckets)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one metric.

    Attributes:
        metric: The metric's name, as OpenTelemetry has it.
        unit: Its UCUM unit.
        labels: The labels, all of them.
        value: A number, or what a histogram has.
    """

    metric: str
    unit: str
    labels: Mapping[str, str]
    value: float | HistogramValue

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What tells it from every other series."""
        return self.metric, tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class Violation:
    """Measurements that broke the contract and were mended or ignored (``strict=False``).

    Attributes:
        kind: ``label``, ``value`` or ``callback``.
        metric: The metric that was measured.
        label: The label's key; empty where it was none.
        reason: What was wrong, as the counters of violations name it.
        count: How many times.
    """

    kind: str
    metric: str
    label: str
    reason: str
    count: int


def series_of(data: MetricsData | None) -> list[Series]:
    """Return the series of a collection, those of the contract and all others."""
    if data is None:
        return []
    return [
        Series(metric.name, metric.unit or "", _labels(point), _value(point))
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def violations_of(series: Iterable[Series]) -> tuple[Violation, ...]:
    """Return what the SDK's own counters say about broken measurements."""
    return tuple(
        Violation(
            _VIOLATIONS[each.metric],
            each.labels.get("metric", ""),
            each.labels.get("label", ""),
            each.labels.get("reason", ""),
            int(each.value),
        )
        for each in series
        if each.metric in _VIOLATIONS and not isinstance(each.value, HistogramValue) and each.value
    )


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as PromQL writes them, ``{}`` where there are none."""
    return "{" + ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"


def value_text(value: float | HistogramValue) -> str:
    """Return what a series has, on one line."""
    if not isinstance(value, HistogramValue):
        return spelled(value)
    steps: list[str] = []
    below = 0
    for bound, count in value.buckets.items():
        if count > below:
            steps.append(f"{count - below} at most {spelled(bound)}")
        below = count
    return f"count {value.count}, sum {spelled(value.sum)} ({', '.join(steps) or 'empty'})"


def _labels(point: Any) -> dict[str, str]:  # noqa: ANN401 - any of the SDK's data points
    attributes: Mapping[str, object] = point.attributes or {}
    return {key: label_value(value) for key, value in attributes.items()}


def label_value(value: object) -> str:
    """Return a label's value as it is exported."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(point: Any) -> float | HistogramValue:  # noqa: ANN401 - as above
    bounds = getattr(point, "explicit_bounds", None)
    if bounds is not None:
        buckets: dict[float, int] = {}
        total = 0
        for bound, count in zip((*bounds, float("inf")), point.bucket_counts, strict=True):
            total += count
            buckets[bound] = total
        return HistogramValue(point.count, point.sum, buckets)
    if hasattr(point, "value"):
        value: float = point.value
        return value
    return HistogramValue(point.count, point.sum, {float("inf"): point.count})
