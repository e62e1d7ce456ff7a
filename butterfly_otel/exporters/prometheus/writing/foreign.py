"""Families of prometheus_client as a scraper is shown them, written by prometheus_client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import (
    generate_latest as generate_openmetrics,  # pyright: ignore[reportUnknownVariableType]
)
from prometheus_client.samples import Exemplar

from butterfly_otel.exporters.prometheus.model.escaping import (
    is_legacy_label_name,
    is_legacy_metric_name,
    shown_label_name,
    shown_metric_name,
)
from butterfly_otel.exporters.prometheus.model.families import HISTOGRAM_SUFFIXES
from butterfly_otel.exporters.prometheus.model.text import clean_name
from butterfly_otel.exporters.prometheus.packing.foreign import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.samples import Sample

    from butterfly_otel.exporters.prometheus.model.escaping import Escaping
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
#: What a family's name lacks here and its samples' names have.
_PARTS = {"counter": "_total", "info": "_info"}


def metric_claims(metric: Metric) -> set[str]:
    """Return the names nothing else may have beside a family of prometheus_client."""
    names = {metric.name, *(metric.name + each for each in _SUFFIXES.get(metric.type, ()))}
    names.update(sample.name for sample in metric.samples)
    return names


def shown(metric: Metric, escaping: Escaping) -> Metric:
    """Return a family with the names that a scraper is shown; the same where none changes.

    prometheus_client escapes by itself, but takes the colons from samples' names, and not
    from their TYPE, in OpenMetrics.
    """
    samples = metric.samples
    names = {metric.name, *(sample.name for sample in samples)}
    keys = set[str]().union(*(sample.labels for sample in samples))
    exemplars = [sample.exemplar for sample in samples if sample.exemplar]
    if (
        all(map(is_legacy_metric_name, names))
        and all(map(is_legacy_label_name, keys))
        and all(_exemplar(each) is each for each in exemplars)
    ):
        return metric
    part = _PARTS.get(metric.type, "")
    name = shown_metric_name(clean_name(metric.name + part), escaping).removesuffix(part)
    copy = Metric(name, metric.documentation, metric.type)
    copy.unit = metric.unit if name.endswith(f"_{metric.unit}") else ""
    suffixes = _SUFFIXES.get(metric.type, ())
    copy.samples = [
        sample._replace(
            name=_sample_name(sample, metric.name, name, suffixes, escaping),
            labels=_labels(sample.labels, escaping),
            exemplar=_exemplar(sample.exemplar) if sample.exemplar else None,
        )
        for sample in samples
    ]
    return copy


def _sample_name(
    sample: Sample, family: str, shown_family: str, suffixes: tuple[str, ...], escaping: Escaping
) -> str:
    suffix = sample.name.removeprefix(family)
    if sample.name.startswith(family) and (not suffix or suffix in suffixes):
        return shown_family + suffix
    return shown_metric_name(clean_name(sample.name), escaping)


def _labels(labels: Mapping[str, str], escaping: Escaping) -> dict[str, str]:
    """Return labels by their shown names; values whose names become the same are joined."""
    found: dict[str, str] = {}
    for key in sorted(labels):
        name = shown_label_name(clean_name(key), escaping)
        found[name] = f"{found[name]};{labels[key]}" if name in found else labels[key]
    return found


def _exemplar(exemplar: Exemplar) -> Exemplar:
    """Return an exemplar that every parser can read: its labels are never quoted."""
    labels = exemplar.labels
    if all(map(is_legacy_label_name, labels)) and not any("\0" in each for each in labels.values()):
        return exemplar
    mended = {key: clean_name(value) for key, value in _labels(labels, "underscores").items()}
    return Exemplar(mended, exemplar.value, exemplar.timestamp)


def metric_lines(metric: Metric, form: Format) -> str:
    """Return a family whose names are those to be shown as prometheus_client writes it.

    Lone surrogates, which make prometheus_client fail, are replaced.

    Raises:
        Exception: What prometheus_client raises on a family that is no valid one.
    """
    try:
        return _written(_Holder(metric), form)
    except UnicodeEncodeError:
        return _written(_Holder(cleaned(metric)), form)


def _written(holder: _Holder, form: Format) -> str:
    if form.kind == "text":
        return generate_text(holder, ALLOWUTF8).decode()
    body = cast("bytes", generate_openmetrics(holder, ALLOWUTF8))  # type: ignore[no-untyped-call]
    return body.decode().removesuffix(_EOF)


class _Holder:
    """The one method that prometheus_client's encoders need of a registry."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
