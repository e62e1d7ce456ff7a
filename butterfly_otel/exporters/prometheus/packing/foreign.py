"""Families of prometheus_client as bytes.

What a format gives a family beside its values (when it began, and of histograms and summaries the
count and the sum) are fields here, not samples of their own. Samples of any other name, which only
a collector of one's own has, become families without a type, as they are read in text.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.samples import Timestamp

from butterfly_otel.exporters.prometheus.model.series import SeriesExemplar
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.packing.fields import (
    COUNTER_EXEMPLAR,
    COUNTER_START,
    HISTOGRAM_START,
    METRIC,
    NUMBERS,
    SUMMARY_START,
    TYPES,
    VALUE,
    double,
    exemplar,
    family,
    labels,
    timestamp,
    unit_of,
)
from butterfly_otel.exporters.prometheus.packing.histograms import buckets, histogram
from butterfly_otel.exporters.prometheus.packing.natives import native_fields
from butterfly_otel.exporters.prometheus.packing.samples import native_in
from butterfly_otel.exporters.wire import UINT64_MAX, delimited, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client.samples import Exemplar, NativeHistogram, Sample

    Labels = tuple[tuple[str, str], ...]

_BILLION: Final = 1_000_000_000
_UNTYPED: Final = TYPES["unknown"]
_TIMESTAMP_MS: Final = b"\x30"
#: What samples of each type are called after the family's name.
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "counter": frozenset(("", "_total", "_created")),
    "gauge": frozenset(("",)),
    "info": frozenset(("_info",)),
    "stateset": frozenset(("",)),
    "summary": frozenset(("", "_count", "_sum", "_created")),
    "histogram": frozenset(("", "_bucket", "_count", "_sum", "_created")),
    "gaugehistogram": frozenset(("", "_bucket", "_gcount", "_gsum", "_created")),
    "unknown": frozenset(("",)),
}
#: What the count and the sum of a histogram are called, and of one that may fall.
_COUNTS: Final = ("_count", "_gcount")
_SUMS: Final = ("_sum", "_gsum")
#: Labels by which the samples of one metric differ.
_WITHIN: Final = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile"}


class _Parts:
    """The samples that are one histogram or summary.

    Args:
        within: The label by which they differ.
    """

    def __init__(self, within: str) -> None:
        self.within = within
        self.by_part: dict[str, list[Sample]] = {}

    def add(self, part: str, sample: Sample) -> None:
        """Add a sample that is called so after the family's name."""
        self.by_part.setdefault(part, []).append(sample)

    def value(self, *parts: str) -> float | None:
        """Return the value of the last sample of one of these parts."""
        return next((self.by_part[part][-1].value for part in parts if part in self.by_part), None)

    def inner(self, part: str) -> list[tuple[float, Sample]]:
        """Return the samples of a part in the order of what they differ by."""
        samples = self.by_part.get(part, ())
        # A native histogram stands among those of the bare name.
        found = [
            (float(each.labels[self.within]), each)
            for each in samples
            if self.within in each.labels
        ]
        return sorted(found, key=_first)

    def native(self) -> NativeHistogram | None:
        """Return the native histogram, where there is one."""
        found = [
            each.native_histogram for each in self.by_part.get("", ()) if each.native_histogram
        ]
        return found[-1] if found else None

    def start(self, tag: bytes) -> bytes:
        """Return when it began."""
        return timestamp(tag, _nanoseconds(self.value("_created")))

    def time(self) -> bytes:
        """Return of what time it is, where that is told."""
        return next((_time(samples[-1]) for samples in self.by_part.values()), b"")


def pack_metric(metric: Metric) -> bytes:
    """Return a family whose names are those to be shown; several where it has samples of others.

    Lone surrogates, which UTF-8 has no form for, are replaced.

    Raises:
        Exception: When it is no valid family.
    """
    try:
        return _packed(metric)
    except UnicodeEncodeError:
        return _packed(cleaned(metric))


def cleaned(metric: Metric) -> Metric:
    """Return a family without lone surrogates."""
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


def _packed(metric: Metric) -> bytes:
    kind = TYPES.get(metric.type, _UNTYPED)
    known = _PARTS.get(metric.type, _PARTS["unknown"])
    within = _WITHIN.get(metric.type)
    began = {
        _key(each): each.value for each in metric.samples if each.name == f"{metric.name}_created"
    }
    families: dict[tuple[str, int], list[bytes]] = {}
    groups: dict[Labels, _Parts] = {}
    for sample in metric.samples:
        part = (
            sample.name.removeprefix(metric.name) if sample.name.startswith(metric.name) else None
        )
        if part is None or part not in known:
            families.setdefault((sample.name, _UNTYPED), []).append(_number(_UNTYPED, sample))
        elif within is not None:
            groups.setdefault(_key(sample, within), _Parts(within)).add(part, sample)
        elif part != "_created":
            started = began.get(_key(sample)) if kind == TYPES["counter"] else None
            families.setdefault((sample.name, kind), []).append(_number(kind, sample, started))
    if groups:
        one = _summary if kind == TYPES["summary"] else _histogram
        families[metric.name, kind] = [one(*each) for each in groups.items()]
    return b"".join(
        family(name, each, metric.documentation, _unit(metric, name), packed)
        for (name, each), packed in families.items()
    )


def _unit(metric: Metric, name: str) -> str:
    return "" if metric.type == "info" else unit_of(name, metric.unit)


def _key(sample: Sample, within: str | None = None) -> Labels:
    return tuple(sorted(pair for pair in sample.labels.items() if pair[0] != within))


def _number(kind: int, sample: Sample, began: float | None = None) -> bytes:
    more = b""
    if sample.exemplar and kind == TYPES["counter"]:
        more = exemplar(COUNTER_EXEMPLAR, _exemplar(sample.exemplar))
    more += timestamp(COUNTER_START, _nanoseconds(began))
    content = delimited(NUMBERS[kind], VALUE + double(sample.value) + more)
    return delimited(METRIC, labels(_key(sample)) + content + _time(sample))


def _summary(key: Labels, parts: _Parts) -> bytes:
    content: list[bytes] = []
    size, total = parts.value("_count"), parts.value("_sum")
    if size is not None:
        content.append(b"\x08" + varint(int(size)))
    if total is not None:
        content.append(b"\x11" + double(total))
    content += (
        delimited(b"\x1a", VALUE + double(quantile) + b"\x11" + double(each.value))
        for quantile, each in parts.inner("")
    )
    content.append(parts.start(SUMMARY_START))
    packed = delimited(b"\x22", b"".join(content))
    return delimited(METRIC, labels(key) + packed + parts.time())


def _histogram(key: Labels, parts: _Parts) -> bytes:
    told = parts.inner("_bucket")
    bounds = [bound for bound, _ in told if bound != inf]
    counts = [each.value for _, each in told]
    sampled = {
        index: _exemplar(each.exemplar) for index, (_, each) in enumerate(told) if each.exemplar
    }
    size, total = parts.value(*_COUNTS), parts.value(*_SUMS)
    rest: list[bytes] = []
    found = parts.native()
    if found is not None:
        native = native_in(found)
        size, total = native.size, native.total
        rest = native_fields(native, [*map(_exemplar, found.nh_exemplars or ())])
    if size is None:
        size = counts[-1] if counts else 0.0
    if len(counts) == len(bounds):
        counts.append(size)
    if min(size, *counts) < 0:
        raise ValueError(f"a bucket of {key} counts less than nothing")
    rest += buckets(bounds, counts, sampled)
    rest.append(parts.start(HISTOGRAM_START))
    return histogram(labels(key), size, total, b"".join(rest), parts.time())


def _exemplar(sampled: Exemplar) -> SeriesExemplar:
    pairs = tuple(sorted(sampled.labels.items()))
    return SeriesExemplar(pairs, sampled.value, _nanoseconds(sampled.timestamp), "")


def _time(sample: Sample) -> bytes:
    if sample.timestamp is None:
        return b""
    milliseconds = _nanoseconds(sample.timestamp) // 1_000_000
    return _TIMESTAMP_MS + varint(milliseconds & UINT64_MAX)


def _nanoseconds(seconds: float | Timestamp | None) -> int:
    """Return a time as it is told; 0 where it is not."""
    if seconds is None:
        return 0
    if isinstance(seconds, Timestamp):
        return seconds.sec * _BILLION + seconds.nsec
    whole, rest = divmod(seconds, 1)
    return int(whole) * _BILLION + round(rest * _BILLION)


def _first(pair: tuple[float, Sample]) -> float:
    return pair[0]
