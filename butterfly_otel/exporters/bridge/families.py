"""A family of prometheus_client as OpenTelemetry metrics.

Most families are one metric. What of a family is of no kind that OTLP has (a gauge histogram, a
sample under a name of its own) is a gauge under that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, NumberDataPoint, Sum

from butterfly_otel.exporters.bridge.distributions import Reading, histogram_of, summary_of
from butterfly_otel.exporters.bridge.exemplars import exemplars_of, nanoseconds
from butterfly_otel.exporters.bridge.units import unit_of
from butterfly_otel.exporters.producing.model import PrometheusMetric
from butterfly_otel.exporters.prometheus.model.text import clean, clean_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import Metric
    from prometheus_client.samples import Sample

    from butterfly_otel.exporters.bridge.series import Labels, SeriesBook
    from butterfly_otel.exporters.prometheus.model.names import MetricKind

_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
#: What the samples of a family have after its name, of what makes its one metric. ``_created``
#: tells when a series began.
_PARTS: Final = {
    "counter": ("_total", ""),
    "gauge": ("",),
    "unknown": ("",),
    "info": ("_info", ""),
    "stateset": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("", "_count", "_sum"),
}
#: Types that are a flag for each set of labels: sums that are not monotonic, says the
#: specification.
_FLAGS: Final = frozenset({"info", "stateset"})
_WITH_STARTS: Final = frozenset({"counter", "histogram", "summary"})


def metrics_of(
    family: Metric,
    book: SeriesBook,
    now: int,
    left_out: Callable[[str, ValueError], None],
) -> list[PrometheusMetric]:
    """Return the metrics of a family.

    Args:
        family: A family, of any collector.
        book: What is known of its series.
        now: When it was read, in nanoseconds since the epoch.
        left_out: Told of each series of a histogram or summary that is none, and why.

    Raises:
        Exception: Of any kind, where something is wrong with it.
    """
    kind, parts = family.type, _PARTS.get(family.type, ())
    own: list[Sample] = []
    others: dict[str, list[Sample]] = {}
    created: dict[Labels, float] = {}
    for sample in family.samples:
        suffix = sample.name.removeprefix(family.name) if _is_of(sample, family) else None
        if getattr(sample, "native_histogram", None):
            continue
        if suffix == "_created" and kind in _WITH_STARTS:
            created[labels_of(sample)] = sample.value
        elif suffix in parts:
            own.append(sample)
        else:
            others.setdefault(sample.name, []).append(sample)
    reading = Reading(family.name, book, created, now, left_out)
    metrics = _metrics(family, own, reading) if own else []
    for name, samples in others.items():
        metrics.append(_made(family, name, Gauge(_numbers(name, samples, reading)), "gauge"))
    return metrics


def _is_of(sample: Sample, family: Metric) -> bool:
    return sample.name.startswith(family.name)


def labels_of(sample: Sample) -> Labels:
    """Return a sample's labels in a fixed order."""
    return tuple(sorted(sample.labels.items()))


def _metrics(family: Metric, samples: Sequence[Sample], reading: Reading) -> list[PrometheusMetric]:
    kind = family.type
    if kind == "histogram":
        return [_made(family, family.name, histogram_of(samples, reading), "histogram")]
    if kind == "summary":
        return [_made(family, family.name, summary_of(samples, reading), "gauge")]
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    grows = kind == "counter"
    made: list[PrometheusMetric] = []
    for name, some in by_name.items():
        points = _numbers(name, some, reading, grows=grows)
        if grows or kind in _FLAGS:
            each: MetricKind = "counter" if grows else "up_down_counter"
            made.append(_made(family, name, Sum(points, _CUMULATIVE, grows), each))
        else:
            made.append(_made(family, name, Gauge(points), "gauge"))
    return made


def _made(family: Metric, name: str, data: Any, kind: MetricKind) -> PrometheusMetric:  # noqa: ANN401
    whole = isinstance(data, Gauge) and family.type not in {"gauge", "unknown"}
    return PrometheusMetric(
        name=clean_name(name),
        description=clean(family.documentation),
        unit=unit_of(name, family.unit or "", kind),
        data=data,
        prometheus_type="gauge" if whole else family.type,
    )


def _numbers(
    name: str, samples: Iterable[Sample], reading: Reading, *, grows: bool = False
) -> list[NumberDataPoint]:
    points: list[NumberDataPoint] = []
    for sample in samples:
        labels = labels_of(sample)
        value, time = float(sample.value), nanoseconds(sample.timestamp, reading.now)
        totals, began = ((value,), reading.created.get(labels)) if grows else ((), None)
        seen = reading.book.see(name, labels, time, totals, began)
        exemplars = exemplars_of([sample], time) if grows else []
        points.append(NumberDataPoint(seen.attributes, seen.start, time, value, exemplars))
    return points
