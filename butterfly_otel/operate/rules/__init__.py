"""Recording rules, alerts and objectives of the contract, as plain data.

:func:`recording_groups` and :func:`alert_groups` are pure: the same options give the same
groups. Writing them as YAML is :mod:`butterfly_otel.render.rules`.

An alert or a rule is an entry in the module of its group. May import: ``catalog``, ``errors``.
"""

from __future__ import annotations

from butterfly_otel.operate.rules import alerts, gpus, operations, recording, slo
from butterfly_otel.operate.rules.model import Alert, Group, RecordingRule, Severity
from butterfly_otel.operate.rules.options import Options, Thresholds, parse_labels
from butterfly_otel.operate.rules.promql import Promql

__all__ = [
    "Alert",
    "Group",
    "Options",
    "RecordingRule",
    "Severity",
    "Thresholds",
    "alert_groups",
    "parse_labels",
    "recording_groups",
]


def recording_groups(options: Options | None = None) -> tuple[Group, ...]:
    """Return the recording rules: the specification's, and those of the objectives."""
    promql = Promql(options or Options())
    return recording.aggregations(promql), slo.recordings(promql)


def alert_groups(options: Options | None = None) -> tuple[Group, ...]:
    """Return the alerts: the specification's, the objectives', GPUs', those on the monitoring."""
    promql = Promql(options or Options())
    of_the_cluster = alerts.alerts(promql), slo.alerts(promql), gpus.alerts(promql)
    return *of_the_cluster, operations.alerts(promql)
