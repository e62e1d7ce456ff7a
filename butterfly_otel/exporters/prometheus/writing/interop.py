"""Between our families and prometheus_client's: either may be asked to show the other's."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, cast

from opentelemetry.sdk.metrics.export import HistogramDataPoint
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import (
    ALLOWUTF8,
    UNDERSCORES,
)
from prometheus_client.openmetrics.exposition import (
    generate_latest as generate_openmetrics,  # pyright: ignore[reportUnknownVariableType]
)
from prometheus_client.samples import Exemplar, Sample

from butterfly_otel.exporters.prometheus.model.families import HISTOGRAM_SUFFIXES
from butterfly_otel.exporters.prometheus.model.series import layout_of
from butterfly_otel.exporters.prometheus.model.text import clean, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.model.series import Series, SeriesExemplar
    from butterfly_otel.exporters.prometheus.writing.formats import Format

_EOF = "# EOF\n"
#: The names a family of prometheus_client may show beside its own, in either format.
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "summary": ("_sum", "_count", "_created"),
    "histogram": HISTOGRAM_SUFFIXES,
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "info": ("_info",),
}


class FamilyMetric(Metric):
    """One of our families as prometheus_client's Metric, its samples made when asked for.

    A counter whose name lacks ``_total`` is of type ``unknown`` here: prometheus_client
    would write a TYPE line for a name that has it.
    """

    def __init__(self, family: Family) -> None:
        kind = family.type
        if kind == "counter" and family.stem == family.name:
            kind = "unknown"
        name = family.stem if kind in {"counter", "info"} else family.name
        super().__init__(name, family.help, kind)
        if family.unit and kind != "info" and name.endswith(f"_{family.unit}"):
            self.unit = family.unit
        self.family = family

    @property
    def samples(  # pyright: ignore[reportIncompatibleVariableOverride] - made when asked for
        self,
    ) -> list[Sample]:
        """The samples; a new list at each access."""
        return list(_samples(self.family))

    @samples.setter
    def samples(self, value: list[Sample]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Ignore what the base class initialises."""


def _samples(family: Family) -> Iterator[Sample]:
    # prometheus_client refuses an exemplar anywhere but on a bucket or a name with _total.
    may_have_exemplars = family.stem != family.name
    for series, point in zip(family.series, family.points, strict=True):
        labels = dict(series.labels)
        if isinstance(point, HistogramDataPoint):
            yield from _histogram_samples(family.name, labels, series, point)
            continue
        exemplar = _exemplar(series.exemplars.get(0)) if may_have_exemplars else None
        yield Sample(family.name, labels, float(point.value), None, exemplar)


def _histogram_samples(
    name: str, labels: dict[str, str], series: Series, point: HistogramDataPoint
) -> Iterator[Sample]:
    layout = layout_of(tuple(point.explicit_bounds))
    counts = list(accumulate(point.bucket_counts))
    if layout.picks is not None:
        counts = [counts[pick] for pick in layout.picks]
    bounds = [*(number_text(bound) for bound in layout.bounds), "+Inf"]
    for index, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
        exemplar = _exemplar(series.exemplars.get(index))
        yield Sample(f"{name}_bucket", labels | {"le": bound}, float(count), None, exemplar)
    yield Sample(f"{name}_count", labels, float(counts[-1]))
    yield Sample(f"{name}_sum", labels, float(point.sum))


def _exemplar(exemplar: SeriesExemplar | None) -> Exemplar | None:
    if exemplar is None:
        return None
    time = exemplar.time_unix_nano
    return Exemplar(dict(exemplar.labels), exemplar.value, time / 1e9 if time else None)


def metric_claims(metric: Metric) -> set[str]:
    """Return the names nothing else may have beside a family of prometheus_client."""
    names = {metric.name, *(metric.name + each for each in _SUFFIXES.get(metric.type, ()))}
    names.update(sample.name for sample in metric.samples)
    return names


def metric_lines(metric: Metric, form: Format) -> str:
    """Return a family of prometheus_client exactly as prometheus_client writes it.

    Lone surrogates, which make prometheus_client fail, are replaced.

    Raises:
        Exception: What prometheus_client raises on a family that is no valid one.
    """
    holder = _Holder(metric)
    escaping = ALLOWUTF8 if form.utf8 else UNDERSCORES
    try:
        return _written(holder, form, escaping)
    except UnicodeEncodeError:
        return _written(_Holder(_cleaned(metric)), form, escaping)


def _written(holder: _Holder, form: Format, escaping: str) -> str:
    if form.kind == "text":
        return generate_text(holder, escaping).decode()
    body = cast("bytes", generate_openmetrics(holder, escaping))  # type: ignore[no-untyped-call]
    return body.decode().removesuffix(_EOF)


def _cleaned(metric: Metric) -> Metric:
    copy = Metric(clean(metric.name), clean(metric.documentation), metric.type)
    copy.unit = metric.unit
    copy.samples = [
        sample._replace(
            name=clean(sample.name),
            labels={clean(key): clean(value) for key, value in sample.labels.items()},
        )
        for sample in metric.samples
    ]
    return copy


class _Holder:
    """The one method that prometheus_client's encoders need of a registry."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
