"""What Grafana asks Prometheus for a dashboard, without Grafana."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .prometheus import Prometheus

FOLDER = Path(__file__).parents[2] / "docs" / "dashboards"
#: The least that Grafana makes of `$__rate_interval`: four scrapes of a second.
MACROS = {"__rate_interval": "4s", "__interval": "1s", "__range": "1h"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_VALUES = re.compile(r"label_values\((.+), (\w+)\)", re.DOTALL)


@dataclass(frozen=True)
class Query:
    """An expression, and where it stands.

    Attributes:
        where: Dashboard and panel.
        expr: As it is written, with variables.
        kind: Of the panel; `annotation` for one.
    """

    where: str
    expr: str
    kind: str


def shipped() -> dict[str, dict[str, Any]]:
    """The dashboards in docs, by name."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
    }


def queries(name: str, board: Mapping[str, Any]) -> Iterator[Query]:
    """Every target of every panel, and every annotation."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Query(f"{name}: {panel['title']}", target["expr"], panel["type"])
    for each in board["annotations"].get("list", ()):
        yield Query(f"{name}: {each['name']}", each["target"]["expr"], "annotation")


def filled(expr: str, values: Mapping[str, str]) -> str:
    """An expression with variables and macros replaced; one that is unknown is an error."""
    return _VARIABLE.sub(lambda found: {**MACROS, **values}[found[1]], expr)


def everything(board: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a dashboard with All chosen."""
    asked = (each for each in board["templating"]["list"] if each["type"] == "query")
    return {each["name"]: each["allValue"] for each in asked}


def _asked(board: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, selector and label of each variable that is a query."""
    for each in board["templating"]["list"]:
        if each["type"] == "query":
            parts = _VALUES.fullmatch(each["query"]["query"])
            assert parts, each["query"]
            yield each["name"], parts[1], parts[2]


def selectors(board: Mapping[str, Any]) -> list[str]:
    """The selectors of the variables' queries."""
    return [selector for _, selector, _ in _asked(board)]


def offered(board: Mapping[str, Any], prometheus: Prometheus) -> dict[str, list[str]]:
    """The values that each variable offers, with All chosen of the others."""
    return {
        name: prometheus.api(
            f"label/{label}/values", ("match[]", filled(selector, everything(board)))
        )
        for name, selector, label in _asked(board)
    }


def chosen(values: Mapping[str, list[str]]) -> dict[str, str]:
    """Variables with each value chosen one by one, as Grafana writes several."""
    return {
        name: f"({'|'.join(re.escape(each).replace(chr(92), chr(92) * 2) for each in found)})"
        for name, found in values.items()
    }


def answered(prometheus: Prometheus, query: Query, values: Mapping[str, str]) -> bool:
    """Whether a query has a number for an answer; an annotation, within the last minutes."""
    expr = filled(query.expr, values)
    if query.kind == "annotation":
        expr = f"count_over_time(({expr})[5m:1s])"
    return any(not math.isnan(sample.value) for sample in prometheus.query(expr))
