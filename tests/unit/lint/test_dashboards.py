"""Each lint rule on dashboards finds its mistake, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel.lint.dashboards import lint_dashboard
from butterfly_otel.lint.dashboards.promql import Selector, selectors

Document = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TARGET = 'job=~"$job", instance=~"$instance"'


def variable(name: str, query: str) -> Document:
    """Return a variable as it should be."""
    return {
        "name": name,
        "type": "query",
        "query": {"query": query},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "refresh": 2,
        "datasource": SOURCE,
    }


def panel(number: int, kind: str, expr: str, form: str = "time_series") -> Document:
    """Return a panel as it should be."""
    return {
        "id": number,
        "type": kind,
        "title": f"Panel {number}",
        "description": "What it shows.",
        "datasource": SOURCE,
        "gridPos": {"x": 12 * (number % 2), "y": 0, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": "s"}},
        "options": {"calculate": False},
        "targets": [{"expr": expr, "format": form, "datasource": SOURCE}],
    }


def good() -> Document:
    """Return a dashboard without a mistake."""
    rate = f"rate(butterfly_request_duration_seconds_bucket{{{TARGET}}}[$__rate_interval])"
    return {
        "uid": "butterfly-x",
        "tags": ["butterfly"],
        "editable": False,
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "query": "prometheus",
                    "label": "Data source",
                },
                variable("job", "label_values(up, job)"),
                variable("instance", 'label_values(up{job=~"$job"}, instance)'),
            ]
        },
        "annotations": {
            "list": [{"name": "Alerts", "datasource": SOURCE, "target": {"expr": "ALERTS"}}]
        },
        "panels": [
            panel(1, "timeseries", f"sum(butterfly_tasks_queued{{{TARGET}}})"),
            panel(2, "heatmap", f"sum by (le) ({rate})", "heatmap"),
        ],
    }


def asked(expr: str) -> Callable[[Document], None]:
    """Return a change of the first panel's expression."""

    def change(board: Document) -> None:
        board["panels"][0]["targets"][0]["expr"] = expr

    return change


def put(*path: Any) -> Callable[[Document], None]:
    """Return a change that puts the last of ``path`` where the rest leads."""

    def change(board: Document) -> None:
        *way, last, value = path
        part: Any = board
        for step in way:
            part = part[step]
        part[last] = value

    return change


V, P = ("templating", "list"), ("panels", 0)
MISTAKES: list[tuple[str, Callable[[Document], None]]] = [
    ("template-datasource", put(*V, 0, "query", "loki")),
    ("template-datasource", put(*V, 0, "label", "DS")),
    ("template-job", put(*V, 1, "multi", 0)),
    ("template-instance", put(*V, 2, "includeAll", 0)),
    ("template-on-time-change-reload", put(*V, 1, "refresh", 1)),
    ("template-all-value", put(*V, 1, "allValue", ".+")),
    ("template-datasource-used", put(*V, 1, "datasource", {"uid": "prom"})),
    ("template-datasource-used", put("annotations", "list", 0, "datasource", "prom")),
    ("variable-undefined", put(*P, "title", "Of $node")),
    ("variable-undefined", asked(f'sum(butterfly_tasks_queued{{{TARGET}, node_id=~"${{node}}"}})')),
    ("variable-unused", lambda board: board["templating"]["list"].append(variable("zone", "up"))),
    ("variable-order", put(*V, 1, "query", 'label_values(up{instance=~"$instance"}, job)')),
    ("variable-order", put(*V, 1, "query", 'label_values(up{job=~"$job"}, job)')),
    ("uneditable-dashboard", put("editable", 1)),
    ("dashboard-identity", put("uid", "")),
    ("dashboard-identity", put("tags", [])),
    ("panel-id-unique", put(*P, "id", 2)),
    ("panel-id-unique", lambda board: board["panels"][0].pop("id")),
    ("panel-title-unique", put(*P, "title", "Panel 2")),
    ("panel-title-description", put(*P, "description", "")),
    ("panel-units", put(*P, "fieldConfig", {"defaults": {}})),
    ("panel-datasource", put(*P, "datasource", None)),
    ("panel-datasource", put(*P, "targets", 0, "datasource", {"uid": "prom"})),
    ("panel-no-targets", put(*P, "targets", [])),
    ("panel-heatmap", put("panels", 1, "targets", 0, "format", "time_series")),
    ("panel-heatmap", put("panels", 1, "options", {"calculate": True})),
    ("layout", put(*P, "gridPos", {"x": 6, "y": 7, "w": 12, "h": 8})),
    ("layout", put(*P, "gridPos", {"x": 13, "y": 8, "w": 12, "h": 8})),
    ("layout", put(*P, "gridPos", {})),
    ("target-promql", asked("sum(butterfly_tasks_queued")),
    ("target-promql", asked("1 + 1")),
    ("target-promql", put("annotations", "list", 0, "target", {"expr": "ALERTS{"})),
    (
        "target-rate-interval",
        asked(f"sum(rate(butterfly_tokens_processed_total{{{TARGET}}}[5m]))"),
    ),
    ("target-job", asked('sum(butterfly_tasks_queued{instance=~"$instance"})')),
    ("target-instance", asked('sum(butterfly_tasks_queued{job=~"$job"})')),
    ("target-instance", asked('sum(butterfly_tasks_queued{job=~"$job", instance="$instance"})')),
    ("target-counter-agg", asked(f"sum(butterfly_tokens_processed_total{{{TARGET}}})")),
    (
        "target-counter-agg",
        asked(f"rate(sum(butterfly_network_bytes_sent_total{{{TARGET}}})[5m:])"),
    ),
    (
        "target-gauge-rate",
        asked(f"rate(butterfly_tasks_queued{{{TARGET}}}[$__rate_interval])"),
    ),
    (
        "target-gauge-rate",
        asked(f"increase(butterfly_consensus_log_entries_total{{{TARGET}}}[1h])"),
    ),
    ("target-gauge-rate", asked("increase(butterfly:request_rate:1m[1h])")),
    ("target-metric", asked(f"sum(butterfly_tasks_waiting{{{TARGET}}})")),
    ("target-metric", asked(f"sum(butterfly_tasks_queued_total{{{TARGET}}})")),
    ("target-metric", asked(f'sum(butterfly_tasks_queued{{{TARGET}, model=~"$job"}})')),
]


def test_a_good_dashboard_has_no_finding() -> None:
    """The dashboard that the mistakes are made in has none to begin with."""
    assert lint_dashboard(good()) == []


@pytest.mark.parametrize(("rule", "mistake"), MISTAKES)
def test_a_mistake_is_found_by_its_rule(rule: str, mistake: Callable[[Document], Any]) -> None:
    """One mistake in a good dashboard is found, by the rule against it and by no other."""
    board = json.loads(json.dumps(good()))
    mistake(board)
    assert {finding.rule for finding in lint_dashboard(board)} == {rule}


def test_missing_variables_are_found() -> None:
    """Without any variable, those that are needed are named."""
    board = good()
    board["templating"] = {"list": []}
    rules = {finding.rule for finding in lint_dashboard(board)}
    assert {"template-datasource", "template-job", "template-instance"} <= rules


def test_what_is_no_dashboard_is_no_crash() -> None:
    """Parts that are missing altogether are findings, not exceptions."""
    assert lint_dashboard({})


def test_panels_of_collapsed_rows_are_looked_at() -> None:
    """A row that is folded hides nothing from the rules."""
    board = good()
    inner = board["panels"].pop(0)
    inner["fieldConfig"] = {}
    place = {"x": 0, "y": 9, "w": 24, "h": 1}
    row = {"id": 9, "type": "row", "title": "Row", "gridPos": place, "panels": [inner]}
    board["panels"].append(row)
    assert {finding.rule for finding in lint_dashboard(board)} == {"panel-units"}


def test_selectors_of_an_expression() -> None:
    """Functions around, matchers with braces in their strings, ranges, grouping in either place."""
    expr = (
        'topk(3, sum by (a, le) (rate(x_bucket{a="{b}", c!~"d"}[5m] offset 1h)))'
        ' / on (a) group_left (e) avg(y) without (f) > bool 2 and {__name__=~"z.+"} or 1h'
    )
    assert list(selectors(expr.removesuffix(" or 1h"))) == [
        Selector("x_bucket", (("a", "=", "{b}"), ("c", "!~", "d")), "5m", ("rate", "sum", "topk")),
        Selector("y", (), "", ("avg",)),
        Selector("", (("__name__", "=~", "z.+"),), "", ()),
    ]


@pytest.mark.parametrize("expr", ["sum(x", "sum(x))", 'x{a="b"', "x[5m", 'x{a="b}', "x}"])
def test_what_is_not_closed_is_an_error(expr: str) -> None:
    """Whatever is opened has to be closed."""
    with pytest.raises(ValueError, match="closed"):
        list(selectors(expr))
