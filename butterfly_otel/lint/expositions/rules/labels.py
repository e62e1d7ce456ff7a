"""Rules about labels: keys, vocabularies, budgets, pairs, cores, overflow."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.lint.expositions.rules.context import (
    OVERFLOW_LABELS,
    OVERFLOW_VALUE,
    is_overflow,
)
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Label
    from butterfly_otel.lint.expositions.model import Sample, SeriesKey
    from butterfly_otel.lint.expositions.rules.context import Context, Exposed, Rule
    from butterfly_otel.lint.findings import Severity

_SCOPE_PREFIXES = ("otel_scope_", "otel.scope.")
_SCOPE_HINT = (
    "leave scopes out: `without_scope_info: true` in the Collector's Prometheus exporter,"
    " `scope_info_enabled=False` in OTel Python's, `promote_scope_metadata: false` in Prometheus"
)
_RESOURCE_PREFIXES = ("service_", "host_", "process_", "telemetry_", "os_", "k8s_", "container_")
_RESOURCE_HINT = (
    "a resource attribute: turn off `resource_to_telemetry_conversion` in the Collector, or"
    " `promote_resource_attributes` in Prometheus"
)
_TARGET_HINT = "if a scrape added it, pass --allow-label {key}"


def missing_label(context: Context) -> Iterator[Finding]:
    """A series has every label of the contract; one that may be empty may be left out."""
    for exposed in context.exposed:
        needed = [label.key for label in exposed.metric.labels if label.default != "empty"]
        for sample in exposed.samples:
            keys = {key for key, _ in sample.labels}
            if is_overflow(sample):
                continue
            for key in needed:
                if key not in keys:
                    message = f"label `{key}` is missing"
                    yield _finding("label-missing", exposed, message, sample)


def extra_label(context: Context) -> Iterator[Finding]:
    """A series has no label beyond the contract's."""
    for exposed in context.exposed:
        contract = {*exposed.metric.label_keys, *context.allowed}
        structural = exposed.structural
        hints: dict[str, str] = {}
        for sample in exposed.samples:
            for key, value in sample.labels:
                if key in contract or (key in OVERFLOW_LABELS and value == OVERFLOW_VALUE):
                    continue
                if key in structural and (key != "le" or sample.name.endswith("_bucket")):
                    continue
                if not key.startswith(_SCOPE_PREFIXES):
                    if key not in hints:
                        hints[key] = _extra_hint(key, exposed)
                    message = f"label `{key}` is not in the contract ({hints[key]})"
                    yield _finding("label-extra", exposed, message, sample)


def scope_label(context: Context) -> Iterator[Finding]:
    """No metric of the contract has labels that name the instrumentation scope.

    One setting adds them to all metrics at once, so there is one finding.
    """
    found = [
        (sample.line, key, exposed.metric.name)
        for exposed in context.exposed
        for sample in exposed.samples
        for key, _ in sample.labels
        if key.startswith(_SCOPE_PREFIXES) and key not in context.allowed
    ]
    if found:
        keys = ", ".join(f"`{key}`" for key in sorted({key for _, key, _ in found}))
        metrics = len({name for _, _, name in found})
        message = f"labels of the scope on {metrics} metric(s): {keys}; {_SCOPE_HINT}"
        yield Finding("scope-label", "error", "", message, min(line for line, _, _ in found))


def _extra_hint(key: str, exposed: Exposed) -> str:
    if key.removeprefix("exported_") in exposed.metric.label_keys:
        return "a scrape renamed the metric's own label, because a target label has its name"
    if key.startswith(_RESOURCE_PREFIXES):
        return _RESOURCE_HINT
    close = get_close_matches(key, exposed.metric.label_keys, n=1)
    return f"did you mean `{close[0]}`?" if close else _TARGET_HINT.format(key=key)


def strange_value(context: Context) -> Iterator[Finding]:
    """A value of a closed label is in its vocabulary."""
    for exposed, label, value, sample in _labelled(context):
        if label.kind != "closed" or not value or value in (OTHER, *label.values):
            continue
        close = get_close_matches(value, label.values, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(label.values)}"
        message = f'label `{label.key}` has the value "{value}", outside its vocabulary ({hint})'
        yield _finding("label-value", exposed, message, sample)


def other_value(context: Context) -> Iterator[Finding]:
    """No label has the value that replaces what broke its vocabulary or budget."""
    for exposed, label, value, sample in _labelled(context):
        if value == OTHER and OTHER not in label.values:
            message = f'label `{label.key}` is "{OTHER}": values broke its vocabulary or budget'
            yield _finding("label-other", exposed, message, sample)


def empty_value(context: Context) -> Iterator[Finding]:
    """No label is empty, unless its empty value means something."""
    for exposed, label, value, sample in _labelled(context):
        if not value and label.default != "empty":
            message = f"label `{label.key}` is empty: it was left out where the metric was measured"
            yield _finding("label-empty", exposed, message, sample)


def budget(context: Context) -> Iterator[Finding]:
    """A label has no more distinct values a process than its budget.

    Processes are told apart by the allowed labels, which is where ``instance`` is.
    """
    seen: dict[tuple[str, str, SeriesKey], set[str]] = {}
    for exposed, label, value, sample in _labelled(context):
        if label.kind == "closed" or value in ("", OTHER):
            continue
        process = frozenset(pair for pair in sample.labels if pair[0] in context.allowed)
        values = seen.setdefault((exposed.metric.name, label.key, process), set())
        if value not in values:
            values.add(value)
            if len(values) == label.budget + 1:
                message = f"label `{label.key}` has more than {label.budget} values, its budget"
                yield _finding("label-budget", exposed, message, sample)


def unsorted_pair(context: Context) -> Iterator[Finding]:
    """A pair of nodes is ``a_b`` with ``a`` not after ``b``.

    Ids may hold underscores, so a value passes if any way to split it is sorted.
    """
    for exposed, label, value, sample in _labelled(context):
        if label.kind != "pair" or value in ("", OTHER):
            continue
        parts = value.split("_")
        splits = [("_".join(parts[:at]), "_".join(parts[at:])) for at in range(1, len(parts))]
        if not any(first and second and first <= second for first, second in splits):
            message = f'label `{label.key}` is "{value}", not two sorted ids joined by `_`'
            yield _finding("pair-order", exposed, message, sample)


def mixed_cores(context: Context) -> Iterator[Finding]:
    """A node reports its cores together or one by one, never both at once."""
    for exposed in context.exposed:
        if "core" not in exposed.metric.label_keys:
            continue
        aggregated: dict[SeriesKey, Sample] = {}
        single: dict[SeriesKey, Sample] = {}
        for sample in exposed.samples:
            if not is_overflow(sample):
                kind = single if sample.label("core") else aggregated
                kind.setdefault(sample.key(without=("core",)), sample)
        for node, sample in aggregated.items():
            if node in single:
                message = "a node reports all cores together and single cores at once"
                later = max(sample, single[node], key=lambda item: item.line)
                yield _finding("core-mixed", exposed, message, later)


def overflow(context: Context) -> Iterator[Finding]:
    """No stream went over its cardinality limit."""
    for exposed in context.exposed:
        for sample in exposed.samples:
            if is_overflow(sample):
                message = "the stream went over its cardinality limit: this is its overflow point"
                yield _finding("overflow", exposed, message, sample)


_WARNINGS = frozenset({"label-other", "label-empty", "overflow"})


def _finding(rule: str, exposed: Exposed, message: str, sample: Sample) -> Finding:
    severity: Severity = "warning" if rule in _WARNINGS else "error"
    return Finding(rule, severity, exposed.metric.name, message, sample.line)


def _labelled(context: Context) -> Iterator[tuple[Exposed, Label, str, Sample]]:
    """Walk over every value of every label of the contract."""
    for exposed in context.exposed:
        labels = {label.key: label for label in exposed.metric.labels}
        for sample in exposed.samples:
            for key, value in sample.labels:
                if key in labels:
                    yield exposed, labels[key], value, sample


LABEL_RULES: tuple[Rule, ...] = (
    missing_label,
    extra_label,
    scope_label,
    strange_value,
    other_value,
    empty_value,
    budget,
    unsorted_pair,
    mixed_cores,
    overflow,
)
