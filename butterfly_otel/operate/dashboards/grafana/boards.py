"""Turns dashboards into Grafana's JSON by Grafana's own types, for Grafana 12 and newer."""

# Grafana's SDK is for Python 3.11: read as 3.10, its enumerations are plain strings.
# pyright: reportArgumentType=false

from __future__ import annotations

import json
from string import ascii_uppercase
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from butterfly_otel.operate.dashboards.frame import around
from butterfly_otel.operate.dashboards.grafana.panels import builder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.operate.dashboards.grafana.panels import AnyPanel
    from butterfly_otel.operate.dashboards.model import Annotation, Dashboard, Panel, Row, Variable
    from butterfly_otel.operate.dashboards.options import Options

__all__ = ["to_json"]

_COLUMNS = 24
#: So many panels a row have ids of their own, so that a new one moves those of its row alone.
_IDS = 100
_INSTANT = frozenset({"stat", "bars", "table", "matrix"})
_FORMATS = {
    "heatmap": PromQueryFormat.HEATMAP,
    "table": PromQueryFormat.TABLE,
    "matrix": PromQueryFormat.TABLE,
}
_RUNBOOKS = "${runbooks:raw}"
_TIME_AND_CHOICES = "${__url_time_range}&${__all_variables}"


def to_json(board: Dashboard, options: Options) -> str:
    """Return a dashboard as Grafana imports it: the same options give the same text."""
    frame = around(board, options)
    made = sdk.Dashboard(f"{options.name[:1].upper()}{options.name[1:]} / {board.title}")
    made.uid(uid(board.slug, options))
    made.description(board.description)
    made.tags(sorted({*frame.tags, options.name}))
    made.readonly()
    made.timezone("browser")
    made.time("now-1h", "now")
    made.refresh(options.refresh)
    made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    made.link(_siblings(options))
    made.with_variable(_datasource(frame.source, options))
    for variable in frame.variables:
        made.with_variable(_variable(variable))
    if frame.runbooks and options.rules.runbooks:
        made.with_variable(_runbooks(options))
    for annotation in frame.annotations:
        made.annotation(_annotation(annotation))
    for panel in _laid_out(board, options):
        made.with_panel(panel) if not isinstance(panel, sdk.Row) else made.with_row(panel)
    document = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    # The SDK hides them all in a menu; on top of the dashboard they are found.
    for shown in (*document["links"], *document["annotations"].get("list", ())):
        del shown["placement"]
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def uid(slug: str, options: Options) -> str:
    """Return the uid of a dashboard, which addresses begin with."""
    return f"{options.name}-{slug}"


def _source() -> common.DataSourceRef:
    return common.DataSourceRef(type_val="prometheus", uid="${datasource}")


def _siblings(options: Options) -> sdk.DashboardLink:
    link = sdk.DashboardLink("Dashboards")
    link.type(dashboard.DashboardLinkType.DASHBOARDS)
    link.tags([options.name])
    link.as_dropdown(True)  # noqa: FBT003 - the SDK's own signature
    link.include_vars(True)  # noqa: FBT003
    link.keep_time(True)  # noqa: FBT003
    return link


def _datasource(needed: str, options: Options) -> sdk.DatasourceVariable:
    made = sdk.DatasourceVariable("datasource")
    made.label("Data source")
    made.description(needed)
    made.type("prometheus")
    if options.datasource:
        made.current(_option(options.datasource, options.datasource))
    return made


def _variable(variable: Variable) -> sdk.QueryVariable:
    made = sdk.QueryVariable(variable.name)
    made.label(variable.label)
    made.description(variable.description)
    made.datasource(_source())
    made.query({"query": variable.query, "refId": f"Variable-{variable.name}"})
    made.definition(variable.query)
    made.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made.sort(dashboard.VariableSort.NATURAL_ASC)
    made.multi(True)  # noqa: FBT003 - the SDK's own signature
    made.include_all(True)  # noqa: FBT003
    # Not `.+`: what lacks the label is part of all, such as a series without `cluster`.
    made.all_value(".*")
    made.current(_option("All", "$__all"))
    return made


def _option(text: str, value: str) -> dashboard.VariableOption:
    return dashboard.VariableOption(selected=True, text=text, value=value)


def _runbooks(options: Options) -> sdk.ConstantVariable:
    made = sdk.ConstantVariable("runbooks")
    made.label("Runbooks")
    made.description("Where the runbooks are: links of panels begin with it.")
    made.value(options.rules.runbooks_start)
    return made


def _annotation(annotation: Annotation) -> sdk.AnnotationQuery:
    query = Dataquery()
    query.ref_id("Anno")
    query.expr(annotation.expr)
    made = sdk.AnnotationQuery()
    made.name(annotation.name)
    made.datasource(_source())
    made.enable(True)  # noqa: FBT003 - the SDK's own signature
    made.icon_color(annotation.color)
    made.target(query)
    made.title_format(annotation.title)
    made.text_format(annotation.text)
    made.tag_keys(",".join(annotation.tags))
    return made


def _laid_out(board: Dashboard, options: Options) -> Iterator[sdk.Row | AnyPanel]:
    """Yield rows and panels in their places: from left to right, then below the highest."""
    top = 0
    for number, row in enumerate(board.rows, 1):
        yield _row(row, number, top)
        left, top, high = 0, top + 1, 0
        for at, panel in enumerate(row.panels, 1):
            if left + panel.width > _COLUMNS:
                left, top, high = 0, top + high, 0
            made = _panel(panel, options)
            made.id(number * _IDS + at)
            made.grid_pos(dashboard.GridPos(x=left, y=top, w=panel.width, h=panel.height))
            yield made
            left, high = left + panel.width, max(high, panel.height)
        top += high


def _row(row: Row, number: int, top: int) -> sdk.Row:
    made = sdk.Row(row.title)
    made.id(number * _IDS)
    made.grid_pos(dashboard.GridPos(x=0, y=top, w=_COLUMNS, h=1))
    return made


def _panel(panel: Panel, options: Options) -> AnyPanel:
    made = builder_of(panel)
    made.title(panel.title)
    made.description(panel.description)
    made.datasource(_source())
    made.unit(panel.unit)
    if panel.least is not None:
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    if panel.empty:
        made.no_value(panel.empty)
    made.thresholds(_thresholds(panel))
    made.links(list(_links(panel, options)))
    if options.rules.runbooks and "alertname" in panel.fields:
        url = options.rules.runbook_url("${__value.raw}", _RUNBOOKS)
        link = {"title": "Runbook", "url": url, "targetBlank": True}
        made.override_by_name("alertname", [dashboard.DynamicConfigValue("links", [link])])
    for letter, query in zip(ascii_uppercase, _queries(panel), strict=False):
        query.ref_id(letter)
        made.with_target(query)
    return made


def _thresholds(panel: Panel) -> sdk.ThresholdsConfig:
    # Without steps Grafana has one at 80, which means nothing here.
    steps = [dashboard.Threshold(value=each.at, color=each.color) for each in panel.steps]
    made = sdk.ThresholdsConfig()
    made.mode(dashboard.ThresholdsMode.ABSOLUTE)
    made.steps(steps or [dashboard.Threshold(value=None, color="blue")])
    return made


def _links(panel: Panel, options: Options) -> Iterator[sdk.DashboardLink]:
    if panel.details:
        link = sdk.DashboardLink("More")
        link.type(dashboard.DashboardLinkType.LINK)
        link.url(f"/d/{uid(panel.details, options)}?{_TIME_AND_CHOICES}")
        yield link
    for alert in panel.alerts if options.rules.runbooks else ():
        link = sdk.DashboardLink(f"Runbook of {alert}")
        link.type(dashboard.DashboardLinkType.LINK)
        link.url(options.rules.runbook_url(alert, _RUNBOOKS))
        link.target_blank(True)  # noqa: FBT003 - the SDK's own signature
        yield link


def _queries(panel: Panel) -> Iterator[Dataquery]:
    for target in panel.targets:
        query = Dataquery()
        query.datasource(_source())
        query.expr(target.expr)
        query.format(_FORMATS.get(panel.kind, PromQueryFormat.TIME_SERIES))
        query.legend_format(target.legend or "__auto")
        query.exemplar(target.exemplars)
        query.instant() if panel.kind in _INSTANT else query.range()
        yield query
