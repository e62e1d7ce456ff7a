"""How each kind of panel looks: the options of Grafana's visualisations."""

# Grafana's SDK is for Python 3.11: read as 3.10, its enumerations are plain strings.
# pyright: reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import (
    bargauge,
    heatmap,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import (
    common as parts,
)
from grafana_foundation_sdk.builders import (
    dashboard as sdk,
)
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.operate.dashboards.model import Kind, Panel

AnyPanel: TypeAlias = "timeseries.Panel | stat.Panel | bargauge.Panel | heatmap.Panel | table.Panel"


def builder_of(panel: Panel) -> AnyPanel:
    """Return the SDK's builder of a panel's kind, with all that makes out its looks."""
    return _BUILDERS[panel.kind](panel)


def _lines(panel: Panel) -> timeseries.Panel:
    made = timeseries.Panel()
    made.line_width(1)
    made.fill_opacity(25 if panel.stacked else 8)
    made.show_points(common.VisibilityMode.AUTO)
    made.legend(
        _legend(
            show=len(panel.targets) > 1 or "{{" in "".join(each.legend for each in panel.targets)
        )
    )
    tooltip = parts.VizTooltipOptions()
    tooltip.mode(common.TooltipDisplayMode.MULTI)
    tooltip.sort(common.SortOrder.DESCENDING)
    made.tooltip(tooltip)
    if panel.stacked:
        stacking = parts.StackingConfig()
        stacking.mode(common.StackingMode.NORMAL)
        made.stacking(stacking)
    if panel.steps:
        style = parts.GraphThresholdsStyleConfig()
        style.mode(common.GraphThresholdsStyleMode.DASHED)
        made.thresholds_style(style)
    return made


def _stat(_panel: Panel) -> stat.Panel:
    made = stat.Panel()
    made.color_scheme(_by_thresholds())
    made.color_mode(common.BigValueColorMode.VALUE)
    made.graph_mode(common.BigValueGraphMode.NONE)
    made.reduce_options(_last())
    return made


def _bars(_panel: Panel) -> bargauge.Panel:
    made = bargauge.Panel()
    made.color_scheme(_by_thresholds())
    made.display_mode(common.BarGaugeDisplayMode.BASIC)
    made.orientation(common.VizOrientation.HORIZONTAL)
    made.value_mode(common.BarGaugeValueMode.TEXT)
    made.reduce_options(_last())
    return made


def _heatmap(panel: Panel) -> heatmap.Panel:
    made = heatmap.Panel()
    # The buckets are the server's own: nothing is left to calculate.
    made.calculate(False)  # noqa: FBT003 - the SDK's own signature
    color = heatmap.HeatmapColorOptions()
    color.mode(HeatmapColorMode.SCHEME)
    color.scheme("Oranges")
    color.steps(64)
    made.color(color)
    axis = heatmap.YAxisConfig()
    axis.unit(panel.unit)
    made.y_axis(axis)
    cells = heatmap.CellValues()
    cells.unit("cps")
    made.cell_values(cells)
    tooltip = heatmap.HeatmapTooltip()
    tooltip.mode(common.TooltipDisplayMode.SINGLE)
    tooltip.y_histogram(True)  # noqa: FBT003
    made.tooltip(tooltip)
    made.show_legend()
    return made


def _table(panel: Panel) -> table.Panel:
    made = table.Panel()
    made.show_header(True)  # noqa: FBT003 - the SDK's own signature
    made.with_transformation(_organized(panel.fields))
    return made


def _matrix(panel: Panel) -> table.Panel:
    made = table.Panel()
    made.show_header(True)  # noqa: FBT003 - the SDK's own signature
    made.color_scheme(_by_thresholds())
    made.cell_options(common.TableColorTextCellOptions())
    row, column = panel.fields
    options = {"rowField": row, "columnField": column, "valueField": "Value"}
    made.with_transformation(
        dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=options)
    )
    return made


def _organized(fields: tuple[str, ...]) -> dashboard.DataTransformerConfig:
    options = {
        "excludeByName": {"Time": True, "Value": True},
        "indexByName": {name: at for at, name in enumerate(fields)},
    }
    return dashboard.DataTransformerConfig(id_val="organize", options=options)


def _by_thresholds() -> sdk.FieldColor:
    color = sdk.FieldColor()
    color.mode(dashboard.FieldColorModeId.THRESHOLDS)
    return color


def _last() -> parts.ReduceDataOptions:
    reduce = parts.ReduceDataOptions()
    reduce.calcs(["lastNotNull"])
    reduce.values(False)  # noqa: FBT003 - the SDK's own signature
    return reduce


def _legend(*, show: bool) -> parts.VizLegendOptions:
    legend = parts.VizLegendOptions()
    legend.show_legend(show)
    legend.display_mode(common.LegendDisplayMode.LIST)
    legend.placement(common.LegendPlacement.BOTTOM)
    legend.calcs([])
    return legend


_BUILDERS: dict[Kind, Callable[[Panel], AnyPanel]] = {
    "lines": _lines,
    "stat": _stat,
    "bars": _bars,
    "heatmap": _heatmap,
    "table": _table,
    "matrix": _matrix,
}
