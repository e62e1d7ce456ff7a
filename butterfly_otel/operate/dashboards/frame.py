"""What every dashboard has around its panels: variables and annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Annotation, Around, Variable
from butterfly_otel.operate.dashboards.scope import TARGETS, Scope

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.model import Choice, Dashboard
    from butterfly_otel.operate.dashboards.options import Options

#: Some of these are on every node, whatever its role, and few enough to be asked for often.
_EVERYWHERE = (
    '__name__=~"butterfly_'
    '(requests_total|cpu_usage_ratio|memory_allocated_bytes|consensus_term|tasks_queued)"'
)
_CHOICES: dict[Choice, tuple[str, str, str, str]] = {
    "role": ("Role", "", "node_role", "Of the node that handles a request."),
    "node": (
        "Node",
        "",
        "node_id",
        "That a value is about; of a connection, the end that reports.",
    ),
    "model": ("Model", "butterfly_tokens_processed_total", "model", "That is served."),
}
_LABELS = {
    "cluster": ("Cluster", "Where the label `cluster` exists: as an external or a target's label."),
    "job": ("Job", "Of Prometheus, or the service's name where it pushes."),
    "instance": ("Instance", "The process that reports."),
}


def around(dashboard: Dashboard, options: Options) -> Around:
    """Return what a dashboard has around its panels."""
    return dashboard.around or Around(
        source="A Prometheus that has Butterfly's metrics and its recording rules.",
        variables=variables(dashboard, options),
        annotations=events(options),
        tags=("butterfly",),
        runbooks=True,
    )


def variables(dashboard: Dashboard, options: Options) -> tuple[Variable, ...]:
    """Return the choices of a dashboard, each within what is chosen before it."""
    scope = Scope(options)
    found: list[Variable] = []
    for at, name in enumerate(TARGETS):
        label, description = _LABELS[name]
        query = f"label_values({scope.present(_EVERYWHERE, TARGETS[:at])}, {name})"
        found.append(Variable(name=name, label=label, query=query, description=description))
    for choice in dashboard.choices:
        label, metric, key, description = _CHOICES[choice]
        series = scope.series(metric) if metric else scope.series("", _EVERYWHERE)
        query = f"label_values({series}, {key})"
        found.append(Variable(name=choice, label=label, query=query, description=description))
    return tuple(found)


def events(options: Options) -> tuple[Annotation, ...]:
    """Return what is drawn over every panel of every dashboard."""
    scope = Scope(options)
    changes = scope.series("butterfly_consensus_leader_changes_total")
    return (
        Annotation(
            name="Alerts",
            expr=scope.recorded("ALERTS", 'alertstate="firing"', scope.alerts()),
            title="{{alertname}}",
            text="{{severity}} {{node_id}} {{node_role}} {{method}} {{slo}}",
            tags=("alertname", "severity"),
            color="red",
        ),
        Annotation(
            name="Leader changes",
            expr=f"max(increase({changes}[$__rate_interval])) > 0",
            title="Leader change",
            text="Another coordinator leads",
            tags=(),
            color="orange",
        ),
    )
