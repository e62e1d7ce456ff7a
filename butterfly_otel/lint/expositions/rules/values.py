"""Rules about series and values: buckets, counters, ratios, duplicates, timestamps."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.lint.expositions.model import Bucket, HistogramSeries, Sample
    from butterfly_otel.lint.expositions.rules.context import Context, Exposed, Rule

#: Gauges that say yes or no.
_FLAGS = frozenset({"butterfly_connection_active"})
_EXEMPLAR_RUNES = 128
#: A boundary that only OpenTelemetry's default ones have.
_OTEL_DEFAULT = 7500.0
_POINT_BEFORE_EXPONENT = 6


def canonical_bound(bound: float) -> str:
    """Spell a boundary as OpenMetrics recommends: ``5.0``, ``1e+06``, ``+Inf``."""
    if math.isinf(bound):
        return "+Inf" if bound > 0 else "-Inf"
    text = repr(bound)
    point = text.find(".")
    if point <= _POINT_BEFORE_EXPONENT:
        return text
    digits = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0").rstrip(".")
    return f"{digits}e+{point - 1:02d}"


def missing_buckets(context: Context) -> Iterator[Finding]:
    """A histogram has all boundaries of the contract, compared as numbers, and +Inf."""
    for exposed, series in _histograms(context):
        bounds = {bucket.bound for bucket in series.buckets}
        absent = [bound for bound in exposed.metric.buckets if bound not in bounds]
        if not bounds:
            yield _error("bucket-missing", exposed, "has no buckets", series.line)
        elif absent:
            message = f"boundaries are missing: {_spelled(absent)}"
            yield _error("bucket-missing", exposed, message, series.line)
        if bounds and math.inf not in bounds:
            yield _error("bucket-inf", exposed, 'bucket le="+Inf" is missing', series.line)


def strange_buckets(context: Context) -> Iterator[Finding]:
    """A histogram has no boundary but the contract's, and each once."""
    for exposed, series in _histograms(context):
        expected = {*exposed.metric.buckets, math.inf}
        seen: set[float] = set()
        extra: list[Bucket] = []
        for bucket in series.buckets:
            line = bucket.sample.line
            if math.isnan(bucket.bound):
                message = f'a bucket has le="{bucket.spelling}", which is no number'
                yield _error("bucket-le", exposed, message, line)
            elif bucket.bound in seen:
                message = f'bucket le="{bucket.spelling}" is there twice, if only as a number'
                yield _error("bucket-duplicate", exposed, message, line)
            elif bucket.bound not in expected:
                extra.append(bucket)
            seen.add(bucket.bound)
        if extra:
            bounds = [bucket.bound for bucket in extra]
            hint = (
                " (OpenTelemetry's default ones: no View matches)"
                if _OTEL_DEFAULT in bounds
                else ""
            )
            message = f"boundaries are not in the contract: {_spelled(bounds)}{hint}"
            yield _error("bucket-extra", exposed, message, extra[0].sample.line)


def _spelled(bounds: Iterable[float]) -> str:
    return ", ".join(canonical_bound(bound) for bound in bounds)


def bucket_spelling(context: Context) -> Iterator[Finding]:
    """Boundaries are spelled canonically; Prometheus before 3 compares them as text."""
    for exposed, series in _histograms(context):
        for bucket in series.buckets:
            canonical = canonical_bound(bucket.bound)
            if not math.isnan(bucket.bound) and bucket.spelling != canonical:
                message = "boundaries are not spelled canonically (`5.0`, `1e+06`, `+Inf`)"
                line = bucket.sample.line
                yield Finding("bucket-spelling", "info", exposed.metric.name, message, line)


def bucket_counts(context: Context) -> Iterator[Finding]:
    """Buckets ascend, and their counts are cumulative."""
    for exposed, series in _histograms(context):
        previous = None
        for bucket in series.buckets:
            if previous is not None and bucket.bound < previous.bound:
                message = "buckets do not ascend"
                name, line = exposed.metric.name, bucket.sample.line
                yield Finding("bucket-order", "warning", name, message, line)
            previous = bucket
        numbers = [bucket for bucket in series.buckets if not math.isnan(bucket.bound)]
        ascending = sorted(numbers, key=lambda bucket: bucket.bound)
        for lower, upper in pairwise(ascending):
            if upper.sample.value < lower.sample.value:
                message = "buckets are not cumulative: one counts less than a narrower one"
                yield _error("bucket-cumulative", exposed, message, upper.sample.line)


def histogram_totals(context: Context) -> Iterator[Finding]:
    """A histogram with buckets has a sum, and a count that equals its +Inf bucket."""
    for exposed, series in _histograms(context):
        if not series.buckets:
            continue
        if series.sum is None:
            message = f"`{exposed.metric.name}_sum` is missing"
            yield _error("histogram-sum", exposed, message, series.line)
        if series.count is None:
            message = f"`{exposed.metric.name}_count` is missing"
            yield _error("histogram-count", exposed, message, series.line)
        elif series.infinity and series.infinity.sample.value != series.count.value:
            message = "the count differs from the +Inf bucket"
            yield _error("histogram-count", exposed, message, series.count.line)


def counter_values(context: Context) -> Iterator[Finding]:
    """What counts is finite and not negative; a histogram's sum is a number."""
    for exposed in context.exposed:
        if exposed.metric.type == "gauge":
            continue
        for sample in exposed.samples:
            is_sum = exposed.metric.type == "histogram" and sample.name.endswith("_sum")
            if math.isnan(sample.value):
                message = f"`{sample.name}` is NaN"
            elif not is_sum and (sample.value < 0 or math.isinf(sample.value)):
                message = f"`{sample.name}` is {sample.value:g}, and counts"
            else:
                continue
            yield _error("counter-value", exposed, message, sample.line)


def gauge_values(context: Context) -> Iterator[Finding]:
    """A gauge is finite, a ratio within 0 and 1, a flag 0 or 1."""
    for exposed in context.exposed:
        name = exposed.metric.name
        if exposed.metric.type != "gauge":
            continue
        for sample in exposed.samples:
            value, line = sample.value, sample.line
            if not math.isfinite(value):
                message = f"is {value:g}; what cannot be told is left out"
                yield Finding("gauge-value", "warning", name, message, line)
            elif name in _FLAGS and value not in (0, 1):
                yield Finding("flag-value", "error", name, f"is {value:g}, neither 0 nor 1", line)
            elif exposed.metric.unit == "1" and not 0 <= value <= 1:
                message = f"is {value:g}, outside 0 to 1: is it a percentage?"
                yield Finding("ratio-range", "warning", name, message, line)


def duplicate_series(context: Context) -> Iterator[Finding]:
    """A series is there once; an empty label makes no other series."""
    timed = context.format != "text"
    for family in context.families:
        first: dict[object, int] = {}
        for sample in family.samples:
            key = (sample.name, sample.key(), sample.timestamp if timed else None)
            line = first.setdefault(key, sample.line)
            if line != sample.line:
                pushed = context.format == "otlp"
                message = "a series is there twice" + ("" if pushed else f", first in line {line}")
                yield Finding("duplicate-series", "error", family.name, message, sample.line)


def timestamps(context: Context) -> Iterator[Finding]:
    """Samples carry no timestamps, which switch off Prometheus' staleness handling."""
    timed = [
        sample
        for exposed in context.exposed
        for sample in exposed.samples
        if sample.timestamp is not None
    ]
    if timed:
        message = f"samples of the contract's metrics carry timestamps ({len(timed)})"
        yield Finding("timestamp", "info", "", message, min(sample.line for sample in timed))


def created_samples(context: Context) -> Iterator[Finding]:
    """Contract metrics have no ``_created`` samples (docs/contract.md, Names and types)."""
    if context.created:
        message = f"the contract's metrics have `_created` samples ({len(context.created)})"
        line = min(sample.line for sample in context.created)
        yield Finding("created-sample", "info", "", message, line)


def exemplars(context: Context) -> Iterator[Finding]:
    """Exemplars are on buckets and counters only, and short, as OpenMetrics demands."""
    for family in context.families:
        for sample in family.samples:
            if sample.exemplar is None or family.type is None:
                continue
            runes = sum(len(key) + len(value) for key, value in sample.exemplar.labels)
            if not _may_have_exemplar(family.type, sample):
                message = "an exemplar is on neither a bucket nor a counter"
                yield Finding("exemplar", "error", family.name, message, sample.line)
            elif runes > _EXEMPLAR_RUNES:
                message = f"an exemplar's labels are longer than {_EXEMPLAR_RUNES} characters"
                yield Finding("exemplar", "error", family.name, message, sample.line)


def _may_have_exemplar(family_type: str | None, sample: Sample) -> bool:
    if family_type == "counter":
        return sample.name.endswith("_total")
    return family_type in ("histogram", "gaugehistogram") and sample.name.endswith("_bucket")


def _histograms(context: Context) -> Iterator[tuple[Exposed, HistogramSeries]]:
    for exposed in context.exposed:
        for series in exposed.histograms:
            yield exposed, series


def _error(rule: str, exposed: Exposed, message: str, line: int) -> Finding:
    return Finding(rule, "error", exposed.metric.name, message, line)


VALUE_RULES: tuple[Rule, ...] = (
    missing_buckets,
    strange_buckets,
    bucket_spelling,
    bucket_counts,
    histogram_totals,
    counter_values,
    gauge_values,
    duplicate_series,
    timestamps,
    created_samples,
    exemplars,
)

#: Those about how values are written down.
TEXT_VALUE_RULES: frozenset[Rule] = frozenset(
    {bucket_spelling, timestamps, created_samples, exemplars}
)
