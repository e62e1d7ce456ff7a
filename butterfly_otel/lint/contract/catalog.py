"""Lint rules over a catalogue: what every entry must be, and the exceptions granted.

A rule is a small pure function; ``RULES`` lists them all. Source of the rules: the
specification's naming conventions, as resolved by ``docs/contract.md``.
"""

from __future__ import annotations

import re
from functools import wraps
from itertools import pairwise
from math import inf, prod
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from butterfly_otel.catalog import BUTTERFLY
from butterfly_otel.catalog.model import STREAM_CAP, Across
from butterfly_otel.lint.contract.labels import (
    label_budget,
    label_default,
    label_forbidden,
    label_keep,
    label_key,
    label_unique,
    label_vocabulary,
    node_budget,
)
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from butterfly_otel.catalog.model import InstrumentKind, Metric, PrometheusType
    from butterfly_otel.lint.findings import Severity

    CatalogRule = Callable[[tuple[Metric, ...]], Iterator[Finding]]

_NAME = re.compile(r"butterfly(_[a-z][a-z0-9]*)+")
_ANNOTATION = re.compile(r"\{[a-z]+(_[a-z]+)*\}")
_SENTENCE = re.compile(r"[A-Z0-9](?:[^.!?\n]|[.!?](?=\S))*\.")
_UNIT_SUFFIXES = {"s": "_seconds", "By": "_bytes", "Cel": "_celsius", "1": "_ratio"}
#: Suffixes that OpenMetrics gives to the samples of counters, histograms and infos.
_SAMPLE_SUFFIXES = ("_count", "_sum", "_bucket", "_created", "_info")
_INSTRUMENTS: Mapping[PrometheusType, frozenset[InstrumentKind]] = {
    "counter": frozenset({"counter", "observable_counter"}),
    "gauge": frozenset(
        {"gauge", "observable_gauge", "up_down_counter", "observable_up_down_counter"}
    ),
    "histogram": frozenset({"histogram"}),
}
_HELP_LENGTH = 120
#: What is measured by steps rather than by values.
_ADDING = frozenset({"up_down_counter", "observable_up_down_counter"})

#: Which rule is not asked of which metric of Butterfly's, and the decision that says so.
EXCEPTIONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {(rule, metric): reason for rule, metric, reason in BUTTERFLY.exceptions}
)


def name_shape(metric: Metric) -> Iterator[str]:
    """Demand the prefix ``butterfly_`` and snake_case."""
    if not _NAME.fullmatch(metric.name):
        yield "The name is not butterfly_ and snake_case."


def name_category(metric: Metric) -> Iterator[str]:
    """Demand ``butterfly_otel_`` of the SDK's own metrics, and of no other."""
    if metric.name.startswith("butterfly_otel_") != (metric.category == "telemetry"):
        yield "Names that begin with butterfly_otel_ are those of the category telemetry."


def counter_suffix(metric: Metric) -> Iterator[str]:
    """Demand ``_total`` of counters, and of nothing else."""
    if metric.name.endswith("_total") != (metric.type == "counter"):
        yield f"Counters end with _total and nothing else does, but this is a {metric.type}."


def unit_suffix(metric: Metric) -> Iterator[str]:
    """Demand the suffix of the unit and the unit of the suffix, so that none is ever added.

    A gauge of unit ``1`` would gain ``_ratio``, so what is merely counted has an annotation.
    """
    base = metric.name.removesuffix("_total")
    expected = next((u for u, suffix in _UNIT_SUFFIXES.items() if base.endswith(suffix)), None)
    if expected is None and _ANNOTATION.fullmatch(metric.unit):
        return
    if metric.unit != expected:
        yield f"The unit is {metric.unit!r}, but the name asks for {expected or '{annotation}'!r}."


def sample_suffix(metric: Metric) -> Iterator[str]:
    """Refuse names that read like a sample of a histogram, a counter or an info."""
    if metric.name.removesuffix("_total").endswith(_SAMPLE_SUFFIXES):
        yield f"None of {', '.join(_SAMPLE_SUFFIXES)} may end a name."


def instrument_kind(metric: Metric) -> Iterator[str]:
    """Demand an OTel instrument that is exported as the Prometheus type."""
    if metric.instrument not in _INSTRUMENTS[metric.type]:
        yield f"The instrument {metric.instrument} is not exported as a {metric.type}."


def bucket_bounds(metric: Metric) -> Iterator[str]:
    """Demand ascending, positive, finite floats of histograms, and nothing of the others."""
    bounds = metric.buckets
    if (metric.type == "histogram") != bool(bounds):
        message = "Histograms, and they only, have buckets."
    elif not all(type(bound) is float and 0 < bound < inf for bound in bounds):
        message = "A bucket's bound is not a positive, finite float."
    elif not all(low < high for low, high in pairwise(bounds)):
        message = "The buckets' bounds do not ascend."
    else:
        return
    yield message


def one_sentence(metric: Metric) -> Iterator[str]:
    """Demand that each text for people is one sentence, and that HELP is short."""
    texts = {"HELP": metric.help, "reason for its instrument": metric.why}
    if metric.across_why:
        texts["reason for how processes are merged"] = metric.across_why
    texts |= {f"help of label {label.key!r}": label.help for label in metric.labels}
    for what, text in texts.items():
        if not _SENTENCE.fullmatch(text):
            yield f"The {what} is not one sentence."
    if len(metric.help) > _HELP_LENGTH:
        yield f"The HELP is longer than {_HELP_LENGTH} characters."


def across_processes(metric: Metric) -> Iterator[str]:
    """Demand of what only grows that it is added, or read once a node, and a reason of all."""
    if metric.type != "gauge" and metric.across not in {"sum", "node"}:
        yield f"A {metric.type} of several processes is a sum or the node's, not {metric.across!r}."
    if metric.instrument in _ADDING and metric.across not in {"sum", "node"}:
        yield f"Steps of several processes add up, so {metric.across!r} would lose some."
    if metric.across not in get_args(Across):
        yield f"Processes can't be merged by {metric.across!r}; use {', '.join(get_args(Across))}."
    if not metric.across_why:
        yield "There is no reason for how values of several processes are merged."


def query_subject(metric: Metric) -> Iterator[str]:
    """Demand that the example query selects the metric it is an example of."""
    suffix = "(_bucket|_sum|_count)" if metric.type == "histogram" else ""
    if not re.search(rf"\b{re.escape(metric.name)}{suffix}\b", metric.query):
        yield "The example query does not select the metric."


def stream_limit(metric: Metric) -> Iterator[str]:
    """Demand that a limit of its own says something: reachable, and within the largest cap."""
    if metric.limit is None:
        return
    reachable = prod(label.seats for label in metric.labels)
    if not 0 < metric.limit <= min(reachable, STREAM_CAP):
        yield f"The limit {metric.limit} is not between 1 and {min(reachable, STREAM_CAP)}."


def unique_name(metrics: tuple[Metric, ...]) -> Iterator[Finding]:
    """Demand that no name occurs twice."""
    names = [metric.name for metric in metrics]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield Finding("unique-name", "error", name, "The name occurs twice.")


def sample_collision(metrics: tuple[Metric, ...]) -> Iterator[Finding]:
    """Demand that no family or sample name of one metric is that of another.

    This is what reserves the counter name of ``butterfly_consensus_log_entries_total`` and
    the histogram name of ``butterfly_checkpoint_count``, both of them gauges.
    """
    owners: dict[str, str] = {}
    for metric in metrics:
        taken = {owners.get(name, metric.name) for name in _exposed_names(metric)}
        for other in sorted(taken - {metric.name}):
            message = f"Its samples collide with {other}'s."
            yield Finding("sample-collision", "error", metric.name, message)
        for name in _exposed_names(metric):
            owners.setdefault(name, metric.name)


def _exposed_names(metric: Metric) -> tuple[str, ...]:
    """Family and sample names that the metric takes in any of the text formats."""
    name = metric.prometheus_name
    if metric.type == "gauge":
        return (name,)
    family = name.removesuffix("_total")
    suffixes = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("_total",)
    return (family, f"{family}_created", *(family + suffix for suffix in suffixes))


def each(rule: Callable[[Metric], Iterator[str]], severity: Severity = "error") -> CatalogRule:
    """Make findings over a catalogue of what a rule, named as its function, says of a metric."""
    name = rule.__name__.replace("_", "-")

    @wraps(rule)
    def over_all(metrics: tuple[Metric, ...]) -> Iterator[Finding]:
        for metric in metrics:
            for message in rule(metric):
                yield Finding(name, severity, metric.name, message)

    return over_all


#: Every rule, in the order in which findings are reported.
RULES: tuple[CatalogRule, ...] = (
    unique_name,
    sample_collision,
    each(name_shape),
    each(name_category),
    each(counter_suffix),
    each(unit_suffix),
    each(sample_suffix),
    each(instrument_kind),
    each(bucket_bounds),
    each(across_processes),
    each(one_sentence, "warning"),
    each(query_subject),
    each(stream_limit),
    each(label_key),
    each(label_unique),
    each(label_forbidden),
    each(label_vocabulary),
    each(label_budget),
    each(node_budget),
    each(label_keep),
    each(label_default),
)


def lint_catalog(
    metrics: Iterable[Metric], *, exceptions: Iterable[tuple[str, str]] = EXCEPTIONS
) -> list[Finding]:
    """Apply every rule to a catalogue.

    Args:
        metrics: The whole catalogue: some rules compare its entries with each other.
        exceptions: Pairs of a rule and the name of a metric it is not asked of.

    Returns:
        What is wrong, in the order of ``RULES``; nothing if all is well.
    """
    entries = tuple(metrics)
    granted = frozenset(exceptions)
    return [
        finding
        for rule in RULES
        for finding in rule(entries)
        if (finding.rule, finding.subject) not in granted
    ]
