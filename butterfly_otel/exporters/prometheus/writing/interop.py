"""Our families as prometheus_client's own encoders take them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint
from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

from butterfly_otel.exporters.prometheus.model.exemplars import labelled, rebinned
from butterfly_otel.exporters.prometheus.model.native import classic_point, native_of
from butterfly_otel.exporters.prometheus.model.series import layout_of
from butterfly_otel.exporters.prometheus.model.text import number_text
from butterfly_otel.exporters.prometheus.packing.samples import sample_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.model.series import Series, SeriesExemplar


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
            yield from _histogram_samples(family.name, labels, point, series.exemplars)
            continue
        if isinstance(point, ExponentialHistogramDataPoint):
            yield from _native_samples(family.name, labels, series, point)
            continue
        exemplar = _exemplar(series.exemplars.get(0)) if may_have_exemplars else None
        yield Sample(family.name, labels, float(point.value), None, exemplar)


def _native_samples(
    name: str, labels: dict[str, str], series: Series, point: ExponentialHistogramDataPoint
) -> Iterator[Sample]:
    """Yield a native histogram, for a format that has them, and the classic one beside it."""
    timed = [_exemplar(each) for each in series.exemplars.values()]
    exemplars = [each for each in timed if each is not None]
    yield Sample(name, labels, 0.0, native_histogram=sample_of(native_of(point), exemplars))
    classic = classic_point(point)
    sampled = rebinned(series.exemplars.values(), tuple(classic.explicit_bounds))
    yield from _histogram_samples(name, labels, classic, sampled)


def _histogram_samples(
    name: str,
    labels: dict[str, str],
    point: HistogramDataPoint,
    exemplars: Mapping[int, SeriesExemplar],
) -> Iterator[Sample]:
    layout = layout_of(tuple(point.explicit_bounds))
    counts = list(accumulate(point.bucket_counts))
    if layout.picks is not None:
        counts = [counts[pick] for pick in layout.picks]
    bounds = [*(number_text(bound) for bound in layout.bounds), "+Inf"]
    for index, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
        exemplar = _exemplar(exemplars.get(index))
        yield Sample(f"{name}_bucket", labels | {"le": bound}, float(count), None, exemplar)
    yield Sample(f"{name}_count", labels, float(counts[-1]))
    yield Sample(f"{name}_sum", labels, float(point.sum))


def _exemplar(exemplar: SeriesExemplar | None) -> Exemplar | None:
    if exemplar is None:
        return None
    time = exemplar.time_unix_nano
    return Exemplar(dict(labelled(exemplar).labels), exemplar.value, time / 1e9 if time else None)
