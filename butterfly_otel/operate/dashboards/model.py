"""The shape of a dashboard: frozen data, nothing of Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``bars`` and ``table`` show what is now, ``matrix`` likewise as a table of two labels.
Kind = Literal["lines", "stat", "bars", "heatmap", "table", "matrix"]
Color = Literal["green", "yellow", "orange", "red"]
#: Variables that narrow what a label may be, beside those that every dashboard has.
Choice = Literal["role", "node", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A query of a panel.

    Attributes:
        expr: PromQL with Grafana's variables and macros.
        legend: Name of each series, as a template such as ``{{method}}``.
        exemplars: Whether exemplars are asked for, which lead to traces.
    """

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A value from which on another colour is shown.

    Attributes:
        at: The value; None for everything below the next step.
        color: From there on.
    """

    at: float | None
    color: Color


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        title: Its title, unique on its dashboard.
        description: What is shown, and what to make of it.
        unit: Grafana's id of the unit of its values.
        targets: Its queries.
        kind: How they are shown.
        width: In columns; a dashboard has 24.
        height: In grid rows of 30 pixels.
        steps: Thresholds.
        alerts: Alerts that look at the same; the panel links to their runbooks.
        details: The slug of the dashboard that shows more.
        least: Lower end of the axis.
        most: Upper end of the axis.
        stacked: Whether the series add up to something.
        empty: What is shown in place of "No data", where having none is good.
        fields: Of a matrix, the labels of its rows and columns; of a table, those to show.
    """

    title: str
    description: str
    unit: str
    targets: tuple[Target, ...]
    kind: Kind = "lines"
    width: int = 12
    height: int = 8
    steps: tuple[Step, ...] = ()
    alerts: tuple[str, ...] = ()
    details: str = ""
    least: float | None = 0
    most: float | None = None
    stacked: bool = False
    empty: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading.

    Attributes:
        title: The heading.
        panels: From left to right, then down.
    """

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard, several values at once or all of them.

    Attributes:
        name: As it is used, ``$name``.
        label: As it is shown.
        query: Grafana's query for the values.
        description: What it narrows.
    """

    name: str
    label: str
    query: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Events drawn over every panel.

    Attributes:
        name: What they are.
        expr: PromQL that has a value while one lasts.
        title: Of an event, as a template.
        text: Of an event, as a template.
        tags: Labels that become tags.
        color: Of the marks.
    """

    name: str
    expr: str
    title: str
    text: str
    tags: tuple[str, ...]
    color: Color


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a dashboard has around its panels.

    Attributes:
        source: What its data source has to have.
        variables: Its choices, each within what is chosen before it.
        annotations: What is drawn over every panel.
        tags: What it is found by, beside the name that dashboards are generated under.
        runbooks: Whether panels lead to runbooks.
    """

    source: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...] = ()
    tags: tuple[str, ...] = ()
    runbooks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard.

    Attributes:
        slug: Its name in files and addresses.
        title: Its title.
        description: What questions it answers.
        choices: Variables it has beside those that every dashboard has.
        rows: Its panels.
        around: What is around them; None for what Butterfly's have.
    """

    slug: str
    title: str
    description: str
    choices: tuple[Choice, ...] = ()
    rows: tuple[Row, ...]
    around: Around | None = None

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
