"""Is an exposition, of any implementation in any language, true to the contract?"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from butterfly_otel import catalog
from butterfly_otel.lint.expositions.rules.context import build_context, expected_type, family_name
from butterfly_otel.lint.expositions.rules.families import (
    FAMILY_RULES,
    missing_metadata,
    unknown_family,
)
from butterfly_otel.lint.expositions.rules.labels import LABEL_RULES
from butterfly_otel.lint.expositions.rules.values import TEXT_VALUE_RULES, VALUE_RULES
from butterfly_otel.lint.expositions.scan import detect_format, scan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.expositions.model import ExpositionFormat
    from butterfly_otel.lint.expositions.rules.context import Rule
    from butterfly_otel.lint.findings import Finding

#: All rules that look at families; the scanner adds its own findings about lines.
RULES: tuple[Rule, ...] = (*FAMILY_RULES, *LABEL_RULES, *VALUE_RULES)
#: Those that say something of what is pushed by OTLP as well, which has no lines of text.
OTLP_RULES: tuple[Rule, ...] = (
    unknown_family,
    missing_metadata,
    *LABEL_RULES,
    *(rule for rule in VALUE_RULES if rule not in TEXT_VALUE_RULES),
)

#: What every rule name of a finding means.
RULE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "absent": "a metric of the contract is missing (only where all are expected)",
        "after-eof": "something stands behind `# EOF`",
        "bucket-cumulative": "a bucket counts less than a narrower one",
        "bucket-duplicate": "a boundary is there twice",
        "bucket-extra": "a boundary is not the contract's",
        "bucket-inf": "the +Inf bucket is missing",
        "bucket-le": "a bucket's `le` is missing or no number",
        "bucket-missing": "a boundary of the contract is missing",
        "bucket-order": "buckets do not ascend",
        "bucket-spelling": "boundaries are spelled `5` rather than `5.0`",
        "core-mixed": "a node reports all cores together and single ones at once",
        "counter-value": "a counter or bucket is negative or not finite, or a sum is NaN",
        "coverage": "how many metrics of the contract are there",
        "created-sample": "a metric of the contract has `_created` samples",
        "duplicate-series": "a series is there twice",
        "exemplar": "an exemplar is where OpenMetrics allows none, or too long",
        "family-name": "OpenMetrics metadata of a counter names it with `_total`",
        "final-newline": "the last line has no line feed",
        "flag-value": "a gauge that says yes or no is neither 0 nor 1",
        "gauge-value": "a gauge is not finite",
        "help-empty": "HELP says nothing",
        "help-missing": "there is no HELP line",
        "histogram-count": "a histogram's count is missing or differs from its +Inf bucket",
        "histogram-sum": "a histogram's sum is missing",
        "interleaved": "the lines of a family do not stand together",
        "label-budget": "a label has more values than its budget",
        "label-empty": "a label has no value",
        "label-extra": "a label is not the contract's",
        "label-missing": "a label of the contract is missing",
        "label-other": "a label has the value that replaces what broke the contract",
        "label-value": "a value is outside its closed vocabulary",
        "line-ending": "lines end with CR LF",
        "malformed-line": "a line is none that the format allows",
        "metadata-duplicate": "a family has two TYPE, HELP or UNIT lines",
        "missing-eof": "OpenMetrics does not end with `# EOF`",
        "name-mismatch": "TYPE and samples spell one name in two ways",
        "no-metrics": "there is no metric of the contract at all",
        "overflow": "a stream went over its cardinality limit",
        "pair-order": "a pair of nodes is not two sorted ids joined by `_`",
        "ratio-range": "a ratio is outside 0 to 1",
        "sample-name": "a sample is not called as its type demands",
        "scope-label": "a label names the instrumentation scope",
        "timestamp": "samples carry timestamps",
        "type-invalid": "a TYPE is none that the format knows",
        "type-late": "TYPE stands behind the first sample",
        "type-missing": "there is no TYPE line",
        "type-wrong": "TYPE is not the contract's",
        "unit": "UNIT contradicts the contract or the name",
        "unknown-family": "a name claims to be Butterfly's and is not in the contract",
    }
)

_SEVERITIES = ("error", "warning", "info")
_SHOWN = 10


def in_prometheus(metric: Metric) -> Metric:
    """Return a metric with the names that it and its labels have in Prometheus."""
    if metric.exact and all(label.key == label.prometheus_key for label in metric.labels):
        return metric
    labels = tuple(replace(label, key=label.prometheus_key) for label in metric.labels)
    return replace(metric, name=metric.prometheus_name, labels=labels)


def check_exposition(
    text: str,
    *,
    metrics: Iterable[Metric] = catalog.CONTRACT,
    known: Iterable[Metric] = catalog.EXTENSIONS,
    expect_all: bool = False,
    allow_labels: Collection[str] = (),
    exposition_format: ExpositionFormat | Literal["auto"] = "auto",
) -> list[Finding]:
    """Compare an exposition with the contract.

    Args:
        text: Prometheus text 0.0.4 or OpenMetrics 1.0.
        metrics: The contract.
        known: Metrics that are known besides, and checked where they are there: the SDK's own.
        expect_all: Report each metric of the contract that is absent. Without it, a metric
            that has not been measured yet is no mistake, but none at all is.
        allow_labels: Labels that are no mistake on any metric, such as ``job`` and
            ``instance`` after federation. Label budgets then hold for each of their values.
        exposition_format: The format, or ``auto`` to tell it by ``# EOF``.

    Returns:
        The findings: errors, then warnings, then facts, each in the order of lines. Equal
        findings are one, which has the first line and says how many there are; each rule
        shows ten a metric and counts the rest. Rule names are the keys of ``RULE_NAMES``.
    """
    contract = tuple(metrics)
    names = {metric.name: metric for metric in (*known, *contract)}
    used = detect_format(text) if exposition_format == "auto" else exposition_format
    known_types = {
        family_name(metric, used): expected_type(metric, used) for metric in names.values()
    }
    exposition = scan(text, used, known_types=known_types)
    context = build_context(
        exposition, contract=contract, names=names, allowed=allow_labels, expect_all=expect_all
    )
    found = chain(exposition.findings, *(rule(context) for rule in RULES))
    return sort_findings(shorten(merge(found)))


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity, then by line; what has no line comes last."""
    return sorted(
        findings,
        key=lambda item: (
            _SEVERITIES.index(item.severity),
            item.line is None,
            item.line or 0,
            item.subject,
            item.rule,
        ),
    )


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Make one of findings that differ in nothing but the line, if they have one."""
    groups: dict[Finding, list[int | None]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, line=None), []).append(finding.line)
    merged: list[Finding] = []
    for finding, lines in groups.items():
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        line = min((each for each in lines if each is not None), default=None)
        merged.append(replace(finding, message=finding.message + more, line=line))
    return merged


def shorten(findings: Iterable[Finding]) -> list[Finding]:
    """Keep the first findings of a rule about a metric, and count the others."""
    kept: list[Finding] = []
    groups: dict[Finding, int] = {}
    for finding in findings:
        group = replace(finding, message="", line=None)
        groups[group] = groups.get(group, 0) + 1
        if groups[group] <= _SHOWN:
            kept.append(finding)
    kept += [
        replace(group, message=f"{count - _SHOWN} more findings of this rule are not shown")
        for group, count in groups.items()
        if count > _SHOWN
    ]
    return kept
