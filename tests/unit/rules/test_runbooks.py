"""Every alert has a runbook, and its queries name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from butterfly_otel.operate.rules import Alert, RecordingRule, alert_groups, recording_groups
from tests.promql_names import known, known_labels, labels, metrics

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
ALERTS = [rule for group in alert_groups() for rule in group.rules if isinstance(rule, Alert)]
RECORDED = {
    rule.record
    for group in recording_groups()
    for rule in group.rules
    if isinstance(rule, RecordingRule)
}


def queries(name: str) -> list[str]:
    """Return the queries of a page."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"^```promql\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    """A page is named as its alert, so that the link in the notification leads to it."""
    assert {path.stem for path in FOLDER.iterdir()} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_page_says_what_to_do(alert: Alert) -> None:
    """Symptom, meaning, queries and actions, the alert's own severity, and links that lead on."""
    text = (FOLDER / f"{alert.name}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^##? (.+)$", text, re.MULTILINE)
    assert headings == [alert.name, "Symptom", "Meaning", "Queries", "Actions"]
    assert f"Severity: {alert.severity}." in text
    assert len(queries(alert.name)) >= 2
    assert re.search(r"^1\. ", text, re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (FOLDER / link).is_file(), link


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_queries_name_what_there_is(alert: Alert) -> None:
    """No query of a page, and no alert, looks at a metric or label that does not exist."""
    for expr in (*queries(alert.name), alert.expr):
        assert [name for name in metrics(expr) if not known(name, RECORDED)] == []
        assert labels(expr) <= known_labels("metric"), expr


def test_a_wrong_name_is_found() -> None:
    """The check itself sees misspelt metrics and labels, and suffixes that do not belong."""
    expr = 'sum by (nodeid) (rate(butterfly_request_total{sort="x"}[5m])) > up'
    assert metrics(expr) == {"butterfly_request_total", "up"}
    assert not known("butterfly_request_total", RECORDED)
    assert not known("butterfly_request_duration_seconds", RECORDED)
    assert not known("butterfly_tasks_queued_total", RECORDED)
    assert labels(expr) == {"nodeid", "sort"}
