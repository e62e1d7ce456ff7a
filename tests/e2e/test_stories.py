"""Example queries and panels, told stories by promtool as rules are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from butterfly_otel.catalog import queries

from . import grafana
from .promtool import run_tests
from .rule_cases.model import s

pytestmark = pytest.mark.e2e

#: For how long promtool is told of series: some queries look two hours back.
TIME = "80m"
FAULTS = "butterfly_byzantine_faults_detected_total"
LINK = s("butterfly_connection_active", from_node="a", to_node="b")


def example(tells: str) -> str:
    """The example query that tells this."""
    [expr] = [query.expr for query in queries.ALL if query.tells == tells]
    return expr


def panel(name: str, title: str) -> str:
    """The first query of a panel, with All chosen."""
    board = grafana.shipped()[name]
    [found] = [each for each in board["panels"] if each["title"] == title]
    return grafana.filled(found["targets"][0]["expr"], grafana.everything(board))


def told(
    promtool: Path, folder: Path, expr: str, series: Mapping[str, str], answer: Mapping[str, float]
) -> str:
    """What promtool has against this answer, at `TIME`, of a query; series have 15 s steps."""
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({expr})",
                "eval_time": TIME,
                "exp_samples": [
                    {"labels": labels, "value": value} for labels, value in answer.items()
                ],
            }
        ],
    }
    path = folder / "story.json"
    path.write_text(json.dumps({"rule_files": [], "evaluation_interval": "15s", "tests": [test]}))
    return run_tests(promtool, [path])[path]


@pytest.mark.parametrize("version", ["promtool3", "promtool2"])
@pytest.mark.parametrize("source", ["example", "panel"])
def test_what_missed_a_scrape_an_hour_ago_is_not_new(
    source: str, version: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Faults of the hour are what was added in it, and the first of a series born in it."""
    if source == "example":
        expr = example("Faults of each node within the hour, its first one included.")
        label = "node_id"
    else:
        expr, label = panel("byzantine", "Faults within an hour"), "fault_type"
    series = {
        # 80 steps are 20 minutes: the scrape that fails is an hour before the query.
        s(FAULTS, node_id="old", fault_type="old"): "500x78 stale _ _ 500x300",
        s(FAULTS, node_id="new", fault_type="new"): "_x200 3x200",
    }
    kinds = {"old": 0.0, "new": 3.0}
    if label == "node_id":
        answer = {s("", node_id="new", fault_type="new"): 3.0}
    else:
        answer = {s("", fault_type=kind): value for kind, value in kinds.items()}
    promtool = request.getfixturevalue(version)
    assert told(promtool, tmp_path, expr, series, answer) == ""


@pytest.mark.parametrize("board", ["overview", "communication"])
@pytest.mark.parametrize(
    ("series", "answer"),
    [
        ({}, {}),
        ({LINK: "1x400"}, {"{}": 0}),
        ({LINK: "0x400", LINK.replace('"b"', '"c"'): "1x400"}, {"{}": 1}),
    ],
    ids=["nobody tells", "all are up", "one is down"],
)
def test_no_connection_is_down_only_where_one_is_known(
    board: str,
    series: Mapping[str, str],
    answer: Mapping[str, float],
    promtool3: Path,
    tmp_path: Path,
) -> None:
    """Where nothing tells of connections, the panel is empty and not green."""
    expr = panel(board, "Connections down")
    assert told(promtool3, tmp_path, expr, series, answer) == ""


def test_processes_of_one_node_share_its_memory(promtool3: Path, tmp_path: Path) -> None:
    """Workers under one node id all report its limit, which is no error."""
    names = {"butterfly_otel_memory_limit_bytes": 100, "butterfly_otel_memory_used_bytes": 95}
    series = {
        s(name, node_id="n", instance=instance): f"{value}x400"
        for name, value in names.items()
        for instance in ("w1", "w2")
    }
    answer = {s("", node_id="n"): 5.0}
    expr = example("Memory that each node has left.")
    assert told(promtool3, tmp_path, expr, series, answer) == ""
    expr = example("Nodes that use more than nine tenths of their memory.")
    assert told(promtool3, tmp_path, expr, series, {s("", node_id="n"): 1.0}) == ""
