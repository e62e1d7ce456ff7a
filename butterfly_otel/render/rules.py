"""Renders the rule files in ``docs/``, and the same rules for the Prometheus Operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from butterfly_otel.operate.rules import Alert, Options, alert_groups, recording_groups
from butterfly_otel.operate.rules.promql import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.operate.rules import Group, RecordingRule

#: Names of the files, as the specification has them.
RULES_FILE, ALERTS_FILE = "prometheus_rules.yml", "prometheus_alerts.yml"
#: Name of the file with both for the Prometheus Operator.
OPERATOR_FILE = "prometheusrule.yaml"
#: Name of the file with both in the Helm chart, whose template adds what is around them.
CHART_FILE = "rules.yaml"
#: Where series of several clusters meet, each keeps the external labels of docs/prometheus.yml.
OF_STORAGE = Options(by=("cluster", "environment"))

_RULES_HEADER = """\
# Recording rules of Butterfly for Prometheus 2.42 and newer, also 3.
# Rendered by `butterfly-otel render`; `butterfly-otel rules` writes them with other options.
#
# They work with names as they arrive by pull and by OTLP. {alerts} needs them.
"""
_ALERTS_HEADER = """\
# Alerts of Butterfly for Prometheus 2.42 and newer, also 3.
# Rendered by `butterfly-otel render`; `butterfly-otel rules` writes them with other options.
#
# They need the series that {rules} records. Each has a runbook.
# Let Alertmanager inhibit NetworkPartition by NodeIsolated, once with `equal: [from_node]`,
# once with `equal: [to_node]`: a node that is gone takes all of its connections with it.
"""
_CHART_HEADER = """\
# {rules} and {alerts} for the chart's PrometheusRule.
# Rendered by `butterfly-otel render`; `butterfly-otel init helm` writes it with other options.
"""
_OPERATOR_HEADER = """\
# {rules} and {alerts} for the Prometheus Operator.
# Rendered by `butterfly-otel render`; `butterfly-otel rules` writes it with other options.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: butterfly
  labels:
    app.kubernetes.io/part-of: butterfly
spec:
"""


def render_rules(options: Options | None = None) -> str:
    """Return the text of the file of recording rules."""
    chosen = options or Options()
    lines = _groups(recording_groups(chosen), chosen)
    return _RULES_HEADER.format(alerts=ALERTS_FILE) + "\n".join(lines) + "\n"


def render_alerts(options: Options | None = None) -> str:
    """Return the text of the file of alerts."""
    chosen = options or Options()
    lines = _groups(alert_groups(chosen), chosen)
    return _ALERTS_HEADER.format(rules=RULES_FILE) + "\n".join(lines) + "\n"


def render_operator(options: Options | None = None) -> str:
    """Return the text of a PrometheusRule with all recording rules and alerts."""
    chosen = options or Options()
    groups = (*recording_groups(chosen), *alert_groups(chosen))
    lines = (f"  {line}" if line else line for line in _groups(groups, chosen))
    header = _OPERATOR_HEADER.format(rules=RULES_FILE, alerts=ALERTS_FILE)
    return header + "\n".join(lines) + "\n"


def render_chart(options: Options | None = None) -> str:
    """Return the text of the Helm chart's file with all recording rules and alerts."""
    chosen = options or Options()
    lines = _groups((*recording_groups(chosen), *alert_groups(chosen)), chosen)
    header = _CHART_HEADER.format(rules=RULES_FILE, alerts=ALERTS_FILE)
    return header + "\n".join(lines) + "\n"


def _groups(groups: Iterable[Group], options: Options) -> Iterator[str]:
    yield "groups:"
    for group in groups:
        yield f"  - name: {group.name}"
        if group.interval is not None:
            yield f"    interval: {duration(group.interval)}"
        yield "    rules:"
        for rule in group.rules:
            yield from _alert(rule, options) if isinstance(rule, Alert) else _record(rule, options)


def _record(rule: RecordingRule, options: Options) -> Iterator[str]:
    yield f"      - record: {rule.record}"
    yield from _expression(rule.expr)
    yield from _mapping("labels", (*rule.labels, *options.extra_labels))


def _alert(rule: Alert, options: Options) -> Iterator[str]:
    yield f"      - alert: {rule.name}"
    yield from _expression(rule.expr)
    if rule.after:
        yield f"        for: {duration(rule.after)}"
    labels = (("severity", rule.severity), *rule.labels, *options.extra_labels)
    yield from _mapping("labels", labels)
    annotations = (
        ("summary", rule.summary),
        ("description", rule.description),
        _runbook(rule.name, options),
    )
    yield from _mapping("annotations", annotations)


def _runbook(alert: str, options: Options) -> tuple[str, str]:
    """A link to an alert's runbook, or, where that would lead nowhere, what shows it."""
    if options.runbooks:
        return "runbook_url", options.runbook_url(alert)
    return "runbook", f"butterfly-otel runbook {alert}"


def _expression(text: str) -> Iterator[str]:
    yield "        expr: |-"
    yield from (f"          {line}" for line in text.splitlines())


def _mapping(key: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    found = list(pairs)
    if found:
        yield f"        {key}:"
    # A string of JSON is a string of YAML, and no value can be taken for anything else.
    yield from (f"          {k}: {json.dumps(v, ensure_ascii=False)}" for k, v in found)
