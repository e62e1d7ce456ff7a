"""Lint rules over a dashboard's variables, panels and layout."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from butterfly_otel.lint.dashboards.parts import name_of, part_of, query_of
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.lint.dashboards.parts import Board, Part

_COLUMNS = 24
_SOURCES = frozenset({"${datasource}", "$datasource"})
_ON_TIME_CHANGE = 2
#: Panels that show no values: nothing of theirs has a unit or a target.
_WITHOUT_VALUES = frozenset({"text", "dashlist", "alertlist", "news", "annolist"})


def _found(rule: str, subject: str, message: str) -> Finding:
    return Finding(rule, "error", subject, message)


def template_datasource(board: Board) -> Iterator[Finding]:
    """The data source is a variable, so that the dashboard fits into any Grafana."""
    sources = [each for each in board.variables if each.get("type") == "datasource"]
    if not any(each.get("name") == "datasource" for each in sources):
        yield _found("template-datasource", "", "there is no data source variable `datasource`")
    for each in sources:
        if each.get("query") != "prometheus" or each.get("label") != "Data source":
            message = "the variable is to choose a `prometheus` and to be labelled Data source"
            yield _found("template-datasource", str(each.get("name")), message)


def template_target(board: Board) -> Iterator[Finding]:
    """Job and instance can be chosen, several at once and all."""
    for name in ("job", "instance"):
        [*found] = (each for each in board.variables if each.get("name") == name)
        if not found:
            yield _found(f"template-{name}", "", f"there is no variable `{name}`")
        for each in found:
            if not (each.get("type") == "query" and each.get("multi") and each.get("includeAll")):
                message = "the variable is to be a query, with several values and all"
                yield _found(f"template-{name}", name, message)


def template_reload(board: Board) -> Iterator[Finding]:
    """Queries of variables are asked again when the time range changes."""
    for each in board.variables:
        if each.get("type") == "query" and each.get("refresh") != _ON_TIME_CHANGE:
            message = "the variable is not refreshed when the time range changes"
            yield _found("template-on-time-change-reload", str(each.get("name")), message)


def template_all(board: Board) -> Iterator[Finding]:
    """All of a variable is everything, also what lacks the label."""
    for each in board.variables:
        if each.get("type") == "query" and each.get("includeAll") and each.get("allValue") != ".*":
            message = "all of the variable is to be `.*`, so that series without the label are in"
            yield _found("template-all-value", str(each.get("name")), message)


def template_datasource_used(board: Board) -> Iterator[Finding]:
    """Queries of variables and annotations go to the chosen data source."""
    asking = [each for each in board.variables if each.get("type") == "query"]
    for each in (*asking, *board.annotations):
        if _source(each) not in _SOURCES:
            yield _found(
                "template-datasource-used", str(each.get("name")), "it asks another data source"
            )


def variable_undefined(board: Board) -> Iterator[Finding]:
    """Whatever is used is a variable of the dashboard or one of Grafana's own."""
    known = {str(each.get("name")) for each in board.variables}
    for name in sorted(board.used() - known):
        if not name.startswith("__"):
            yield _found("variable-undefined", name, "there is no such variable")


def variable_unused(board: Board) -> Iterator[Finding]:
    """A choice that changes nothing misleads."""
    used = board.used()
    for each in board.variables:
        if each.get("name") not in used:
            yield _found("variable-unused", str(each.get("name")), "nothing uses the variable")


def variable_order(board: Board) -> Iterator[Finding]:
    """A variable's query uses only those before it, else they would wait for each other."""
    later = [str(each.get("name")) for each in board.variables]
    for each in board.variables:
        for name in later:
            if f'${name}"' in query_of(each):
                message = f"its query uses {name}, which does not come before it"
                yield _found("variable-order", str(each.get("name")), message)
        later = later[1:]


def uneditable(board: Board) -> Iterator[Finding]:
    """What is provisioned is overwritten: no one should edit it in Grafana."""
    if board.document.get("editable") is not False:
        yield _found("uneditable-dashboard", "", "set `editable` to false")


def identity(board: Board) -> Iterator[Finding]:
    """Uid and tag are set, and ids and titles are unique: links and tests rely on them."""
    tag = board.contract.name
    if not board.document.get("uid") or tag not in board.document.get("tags", ()):
        yield _found("dashboard-identity", "", f"a uid and the tag {tag} are needed")
    for key, parts in (("id", board.everything), ("title", board.panels)):
        seen = [each.get(key) for each in parts]
        for value in sorted({str(one) for one in seen if seen.count(one) > 1 or one is None}):
            yield _found(f"panel-{key}-unique", value, f"the {key} is missing or not unique")


def panel_title_description(board: Board) -> Iterator[Finding]:
    """Each panel says what it shows."""
    for panel in board.panels:
        if not (panel.get("title") and panel.get("description")):
            yield _found("panel-title-description", name_of(panel), "title or description missing")


def panel_units(board: Board) -> Iterator[Finding]:
    """Each panel has a unit, `none` where there is none."""
    for panel in board.panels:
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        if panel.get("type") not in _WITHOUT_VALUES and not defaults.get("unit"):
            yield _found("panel-units", name_of(panel), "the panel has no unit")


def panel_datasource(board: Board) -> Iterator[Finding]:
    """Panels and their targets ask the chosen data source."""
    wrong = [each for each in board.panels if _source(each) not in _SOURCES]
    wrong += [panel for panel, target in board.targets() if _source(target) not in _SOURCES]
    for panel in wrong:
        if panel.get("type") not in _WITHOUT_VALUES:
            yield _found("panel-datasource", name_of(panel), "it asks another data source")


def panel_no_targets(board: Board) -> Iterator[Finding]:
    """A panel without a query shows nothing."""
    for panel in board.panels:
        if panel.get("type") not in _WITHOUT_VALUES and not panel.get("targets"):
            yield _found("panel-no-targets", name_of(panel), "the panel has no target")


def panel_heatmap(board: Board) -> Iterator[Finding]:
    """Heatmaps show the buckets of Prometheus as they are."""
    for panel, target in board.targets():
        if panel.get("type") != "heatmap":
            continue
        calculated = panel.get("options", {}).get("calculate")
        if target.get("format") != "heatmap" or calculated:
            message = "its target is to have format heatmap, and the panel to calculate nothing"
            yield _found("panel-heatmap", name_of(panel), message)


def layout(board: Board) -> Iterator[Finding]:
    """No panel covers another or leaves the grid."""
    placed = [(each, part_of(each, "gridPos")) for each in board.everything]
    for panel, place in placed:
        if {"x", "y", "w", "h"} - place.keys() or place["x"] + place["w"] > _COLUMNS:
            yield _found("layout", name_of(panel), "the panel leaves the grid of 24 columns")
            return
    for (one, first), (other, second) in combinations(placed, 2):
        if _overlap(first, second, "x", "w") and _overlap(first, second, "y", "h"):
            yield _found("layout", name_of(one), f"it covers {name_of(other)}")


def _overlap(one: Part, other: Part, start: str, size: str) -> bool:
    return bool(one[start] < other[start] + other[size] and other[start] < one[start] + one[size])


def _source(part: Part) -> object:
    return part_of(part, "datasource").get("uid") or part.get("datasource")


RULES = (
    template_datasource,
    template_target,
    template_reload,
    template_all,
    template_datasource_used,
    variable_undefined,
    variable_unused,
    variable_order,
    uneditable,
    identity,
    panel_title_description,
    panel_units,
    panel_datasource,
    panel_no_targets,
    panel_heatmap,
    layout,
)
