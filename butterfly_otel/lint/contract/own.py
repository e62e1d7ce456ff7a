"""Lint rules over a contract of one's own: Butterfly's, without what is Butterfly's alone.

A name in Prometheus' alphabet is exact and keeps Butterfly's rules; one with dots keeps those of
OpenTelemetry's semantic conventions, in which neither the unit nor the kind is part of a name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from butterfly_otel.catalog.naming import unit_words
from butterfly_otel.lint.contract import catalog as rules
from butterfly_otel.lint.contract import labels
from butterfly_otel.lint.contract.catalog import each
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Catalog, Metric

_EXACT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_DOTTED = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
_UNIT = re.compile(r"[^\s{}]+|[^\s{}]*\{[^\s{}]+\}(/[^\s{}]+|/\{[^\s{}]+\})*")
#: Words that end a name, and the unit that they promise.
_PROMISED = {"seconds": "s", "milliseconds": "ms", "bytes": "By", "celsius": "Cel", "ratio": "1"}


def name_shape(metric: Metric) -> Iterator[str]:
    """Demand snake_case, between dots if there are any."""
    if not (_EXACT if metric.exact else _DOTTED).fullmatch(metric.name):
        yield "The name is not snake_case, with dots between namespaces if with any."


def name_reserved(metric: Metric) -> Iterator[str]:
    """Refuse the names of the SDK's own metrics."""
    if metric.prometheus_name.startswith("butterfly_otel_"):
        yield "Names that begin with butterfly_otel_ are the SDK's own."


def counter_suffix(metric: Metric) -> Iterator[str]:
    """Demand ``_total`` of exact counters and of nothing else; with dots it is never written."""
    if metric.exact:
        yield from rules.counter_suffix(metric)
    elif metric.name.endswith(("_total", ".total")):
        yield "A name with dots has no total at its end: Prometheus' translation appends it."


def unit_suffix(metric: Metric) -> Iterator[str]:
    """Demand that an exact name has its unit at its end, so that none is ever added."""
    if not _UNIT.fullmatch(metric.unit):
        yield f"The unit {metric.unit!r} is neither UCUM nor an annotation such as {{request}}."
        return
    words = unit_words(metric.unit)
    if not metric.exact:
        last = re.split(r"[._]", metric.name)[-1]
        if words and last == words:
            yield f"A name with dots does not say its unit: take {last} away from its end."
        return
    base = metric.name.removesuffix("_total")
    if metric.unit == "1" and metric.type == "gauge":
        words = "ratio"
    promised = _PROMISED.get(base.rpartition("_")[2])
    if words and not base.endswith(f"_{words}"):
        yield f"The unit is {metric.unit!r}, so the name is to end with _{words}."
    elif promised and promised != metric.unit and not words:
        yield f"The unit is {metric.unit!r}, but the name asks for {promised!r}."


def sample_suffix(metric: Metric) -> Iterator[str]:
    """Refuse exact names that read like a sample of a histogram, a counter or an info."""
    if metric.exact:
        yield from rules.sample_suffix(metric)


def bucket_bounds(metric: Metric) -> Iterator[str]:
    """Demand ascending, finite bounds of 0 or more of histograms, and nothing of the others."""
    bounds = metric.buckets
    if (metric.type == "histogram") != bool(bounds):
        yield "Histograms, and they only, have buckets."
    elif not all(0 <= bound < inf for bound in bounds):
        yield "A bucket's bound is below 0 or not finite."
    elif not all(low < high for low, high in pairwise(bounds)):
        yield "The buckets' bounds do not ascend."


def query_subject(metric: Metric) -> Iterator[str]:
    """Demand that the example query selects the metric, by its name in Prometheus."""
    yield from rules.query_subject(replace(metric, name=metric.prometheus_name))


def label_key(metric: Metric) -> Iterator[str]:
    """Demand keys that nothing else claims, with dots between namespaces if with any."""
    keys = [label.prometheus_key for label in metric.labels]
    for key in metric.label_keys:
        if not _DOTTED.fullmatch(key):
            yield f"Label {key!r} is not snake_case, with dots between namespaces if with any."
    reserved = labels.label_key(replace(metric, labels=metric.labels))
    yield from (message for message in reserved if "is reserved" in message)
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        if metric.label_keys.count(key) < keys.count(key):
            yield f"Two labels are both {key!r} in Prometheus."


def label_default(metric: Metric) -> Iterator[str]:
    """Demand defaults that can be values of their label, and name this node but once."""
    kinds = {"node_id": {"identity"}, "node_role": {"closed", "open"}}
    for label in metric.labels:
        wanted = kinds.get(label.default or "")
        if wanted is not None and label.kind not in wanted:
            yield f"Label {label.key!r} is {label.kind}, so {label.default!r} can't be its default."
    if sum(label.default == "node_id" for label in metric.labels) > 1:
        yield "Two labels have this very node as default."


#: Every rule, in the order in which findings are reported.
RULES: tuple[rules.CatalogRule, ...] = (
    rules.unique_name,
    rules.sample_collision,
    each(name_shape),
    each(name_reserved),
    each(counter_suffix),
    each(unit_suffix),
    each(sample_suffix),
    each(rules.instrument_kind),
    each(bucket_bounds),
    each(rules.across_processes),
    each(rules.one_sentence, "warning"),
    each(query_subject),
    each(rules.stream_limit),
    each(label_key),
    each(labels.label_unique),
    each(labels.label_forbidden),
    each(labels.label_vocabulary),
    each(labels.label_budget),
    each(labels.label_keep),
    each(label_default),
)
_NAMES = frozenset(rule.__name__.replace("_", "-") for rule in RULES)


def lint_contract(contract: Catalog) -> list[Finding]:
    """Apply every rule to a contract, but for its exceptions.

    Returns:
        What is wrong, in the order of ``RULES``; exceptions that grant nothing are warnings.
    """
    granted = {(rule, metric) for rule, metric, _ in contract.exceptions}
    found = [finding for rule in RULES for finding in rule(contract.metrics)]
    used = {(finding.rule, finding.subject) for finding in found}
    kept = [each for each in found if (each.rule, each.subject) not in granted]
    return [*kept, *(_unused(rule, metric) for rule, metric in sorted(granted - used))]


def _unused(rule: str, metric: str) -> Finding:
    what = "has nothing against it" if rule in _NAMES else "is the name of no rule"
    message = f"The exception grants nothing, because {rule} {what}; take it away."
    return Finding("unused-exception", "warning", metric, message)
