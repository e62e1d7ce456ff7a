"""Exemplars: the latest one of each counter and each bucket, kept between scrapes.

The SDK empties its reservoirs at each collection, so that of two scrapers only one would
see an exemplar. Keeping the latest is what Prometheus' own clients do, and what the
OpenTelemetry specification ("Sums", "Histograms") asks for.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from butterfly_otel.engine.samples import exemplar as exemplar_of
from butterfly_otel.exporters.prometheus.model.names import escape_label_name
from butterfly_otel.exporters.prometheus.model.native import SPREAD
from butterfly_otel.exporters.prometheus.model.sampled import ids_of, packed
from butterfly_otel.exporters.prometheus.model.series import (
    Labels,
    Series,
    SeriesExemplar,
    label_block,
    layout_of,
)
from butterfly_otel.exporters.prometheus.model.text import clean_name, label_text, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    from butterfly_otel.engine.cells import Cell, Sample

    Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint

#: Characters that all label names and values of an exemplar may have together
#: (OpenMetrics 1.0, "Exemplars").
MAX_CHARACTERS = 128
#: From here on numbers are written with an exponent (see ``number_text``).
_MILLION = 1_000_000
#: Span, trace, value and seconds of nearly all exemplars.
_FORM = ' # {span_id="%016x",trace_id="%032x"} %r %r'


def keep_exemplars(series: Series, point: Point) -> None:
    """Keep the latest of a point's exemplars: of a histogram in the bucket each belongs to.

    Of an exponential one between two powers of two, because its buckets change.
    """
    bounds: tuple[float, ...] = ()
    if isinstance(point, HistogramDataPoint):
        bounds = layout_of(tuple(point.explicit_bounds)).bounds
    elif isinstance(point, ExponentialHistogramDataPoint):
        bounds = SPREAD
    series.exemplars = latest(series.exemplars, point.exemplars, bounds)


def latest(
    known: Mapping[int, SeriesExemplar], found: Iterable[Exemplar], bounds: tuple[float, ...]
) -> dict[int, SeriesExemplar]:
    """Return the latest exemplars by the bucket each belongs to; without bounds there is one.

    A new dict: another thread may be writing out the old one.
    """
    kept = dict(known) if known else {}
    for exemplar in found:
        index = bisect_left(bounds, exemplar.value)
        before = kept.get(index)
        if before is None or before.time_unix_nano <= exemplar.time_unix_nano:
            kept[index] = convert(exemplar)
    return kept


def rebinned(
    exemplars: Iterable[SeriesExemplar], bounds: tuple[float, ...]
) -> dict[int, SeriesExemplar]:
    """Return the latest of some exemplars by bucket, where there are other boundaries."""
    kept: dict[int, SeriesExemplar] = {}
    for exemplar in exemplars:
        index = bisect_left(bounds, exemplar.value)
        before = kept.get(index)
        if before is None or before.time_unix_nano <= exemplar.time_unix_nano:
            kept[index] = exemplar
    return kept


def latest_samples(
    known: Mapping[int, SeriesExemplar],
    found: Mapping[int, Sample],
    cell: Cell,
    *,
    pack: bool = False,
) -> dict[int, SeriesExemplar]:
    """Return the same of the engine's samples by bucket, written without an SDK exemplar each.

    Most have their labels in their text, or in their bytes, alone: see :func:`labelled`.
    """
    kept = dict(known) if known else {}
    # A copy, made in one step: who is just measuring may have the dict in hand.
    for index, sample in tuple(found.items()):
        value, time, parent, its = sample
        if kept and (before := kept.get(index)) is not None and before.time_unix_nano > time:
            continue
        ids = (parent.span_id, parent.trace_id) if parent is not None else (0, 0)
        plain = time > 0 and 0 < value < _MILLION and all(ids)
        if plain and not (its and its != cell.attributes):
            if pack:
                kept[index] = SeriesExemplar((), value, time, "", packed(*ids, value, time))
            else:
                text = _FORM % (*ids, float(value), time / 1e9)
                kept[index] = SeriesExemplar((), value, time, text)
        else:
            kept[index] = convert(exemplar_of(sample, cell.attributes))
    return kept


def labelled(exemplar: SeriesExemplar) -> SeriesExemplar:
    """Return an exemplar with the labels that its text has, or its bytes have."""
    if exemplar.labels or not (exemplar.packed or '"' in exemplar.text):
        return exemplar
    if exemplar.packed:
        span, trace = ids_of(exemplar.packed)
    else:
        _, span, _, trace, _ = exemplar.text.split('"')
    return exemplar._replace(labels=(("span_id", span), ("trace_id", trace)))


def text_of(exemplar: SeriesExemplar) -> str:
    """Return what OpenMetrics appends, of an exemplar that was made for protobuf as well."""
    if exemplar.text or not exemplar.packed:
        return exemplar.text
    span, trace = ids_of(exemplar.packed)
    return _FORM % (int(span, 16), int(trace, 16), exemplar.value, exemplar.time_unix_nano / 1e9)


def convert(exemplar: Exemplar) -> SeriesExemplar:
    """Return an SDK exemplar as OpenMetrics shows it."""
    trace, span, value = exemplar.trace_id, exemplar.span_id, exemplar.value
    if trace and span and not exemplar.filtered_attributes:
        # Nearly all are of this kind, and there may be one a bucket.
        labels, shown = _ids(span, trace)
        time = exemplar.time_unix_nano
        number = _small_text(value) if 0 < value < _MILLION else number_text(value)
        seconds = f" {time / 1e9!r}" if time else ""
        return SeriesExemplar(labels, value, time, f"{shown}{number}{seconds}")
    labels = _labels(exemplar)
    time = exemplar.time_unix_nano
    text = f" # {{{label_block(labels)}}} {number_text(exemplar.value)}"
    if time:
        text += f" {time / 1e9!r}"
    return SeriesExemplar(labels, exemplar.value, time, text)


def _small_text(value: float) -> str:
    """Return what ``number_text`` does of a number above 0 and below a million, at less."""
    kind = type(value)
    if kind is float:
        return repr(value)
    return f"{value}.0" if kind is int else number_text(value)


@lru_cache(maxsize=1024)
def _ids(span: int, trace: int) -> tuple[Labels, str]:
    """Return the labels of an exemplar that has no others, and its text up to the value.

    What one request measures has the same ids, in one metric after the other.
    """
    ids = f"{span:016x}", f"{trace:032x}"
    labels: Labels = (("span_id", ids[0]), ("trace_id", ids[1]))
    return labels, f' # {{span_id="{ids[0]}",trace_id="{ids[1]}"}} '


def _labels(exemplar: Exemplar) -> Labels:
    labels: dict[str, str] = {}
    if exemplar.trace_id:
        labels["trace_id"] = f"{exemplar.trace_id:032x}"
    if exemplar.span_id:
        labels["span_id"] = f"{exemplar.span_id:016x}"
    left = MAX_CHARACTERS - sum(len(key) + len(value) for key, value in labels.items())
    for key, value in _texts(exemplar.filtered_attributes or {}):
        left_after = left - len(key) - len(value)
        if key not in labels and left_after >= 0:
            labels[key] = value
            left = left_after
    return tuple(sorted(labels.items()))


def _texts(attributes: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for key in sorted(attributes):
        # Unlike the value of a label, that of an exemplar may have no NUL.
        yield escape_label_name(clean_name(key)), clean_name(label_text(attributes[key]))
