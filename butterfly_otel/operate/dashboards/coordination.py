"""Coordination: queues, tasks, and waiting for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_DONE = "butterfly_tasks_completed_total"
_ASSIGNED = "butterfly_tasks_assigned_total"


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="coordination",
        title="Coordination",
        description="Whether tasks are done as fast as they come, and what nodes wait for.",
        choices=scope.choices,
        rows=(_tasks(scope), _trouble(scope), _waits(scope)),
    )


def _tasks(scope: Scope) -> Row:
    queued = scope.series("butterfly_tasks_queued")
    limit = scope.limits.queued_tasks
    return Row(
        "Tasks",
        (
            Panel(
                title="Tasks queued",
                description="Tasks that wait on all chosen nodes together.",
                unit="short",
                targets=(Target(expr=f"sum({queued})", legend="queued"),),
                width=8,
                alerts=("QueueBuildup",),
            ),
            Panel(
                title="Longest queues",
                description="Tasks that wait on the ten nodes with most, now. In red, QueueBuildup"
                " fires.",
                unit="short",
                targets=(Target(
                    expr=top(f"sum by (node_id) ({queued})"), legend="{{node_id}}"
                ),),
                kind="bars",
                width=8,
                steps=(Step(None, "green"), Step(limit / 2, "orange"), Step(limit, "red")),
                alerts=("QueueBuildup",),
            ),
            Panel(
                title="Assigned and completed",
                description="Tasks a second that coordinators hand out and that nodes end, however"
                " they end. Where fewer end than come, queues grow.",
                unit="ops",
                targets=(
                    Target(expr=f"sum({scope.rate(_ASSIGNED)})", legend="assigned"),
                    Target(expr=f"sum({scope.rate(_DONE)})", legend="completed"),
                ),
                width=8,
            ),
        ),
    )  # fmt: skip


def _trouble(scope: Scope) -> Row:
    return Row(
        "What goes wrong",
        (
            Panel(
                title="Tasks by outcome",
                description="Tasks a second by how they end.",
                unit="ops",
                targets=(Target(expr=scope.summed("status", _DONE), legend="{{status}}"),),
                width=8,
                stacked=True,
            ),
            Panel(
                title="Nodes with most failed tasks",
                description="Share of a node's tasks that end with an error or a time-out; the ten"
                " worst, now.",
                unit="percentunit",
                targets=(Target(
                    expr=top(scope.share("node_id", _DONE, 'status!="success"')),
                    legend="{{node_id}}",
                ),),
                kind="bars",
                width=8,
                most=1,
                steps=(Step(None, "green"), Step(scope.limits.error_ratio, "red")),
            ),
            Panel(
                title="Reassignments by reason",
                description="Tasks a second that are given to another node, and why.",
                unit="ops",
                targets=(Target(
                    expr=scope.summed("reason", "butterfly_task_reassignments_total"),
                    legend="{{reason}}",
                ),),
                width=8,
                stacked=True,
                empty="Nothing is reassigned",
            ),
        ),
    )  # fmt: skip


def _waits(scope: Scope) -> Row:
    skew = scope.series("butterfly_synchronization_skew_seconds")
    return Row(
        "Waiting",
        (
            Panel(
                title="Wait at barriers",
                description="P99 of the wait at each barrier, the ten worst. One slow node keeps"
                " all the others waiting.",
                unit="s",
                targets=(Target(
                    expr=top(scope.quantile(
                        0.99, "barrier_id", "butterfly_barrier_wait_duration_seconds"
                    )),
                    legend="{{barrier_id}}",
                ),),
                kind="bars",
            ),
            Panel(
                title="Waits at barriers",
                description="How many waits a second are how long.",
                unit="s",
                targets=scope.buckets("butterfly_barrier_wait_duration_seconds"),
                kind="heatmap",
            ),
            Panel(
                title="Wait for dependencies",
                description="P99 and P50 of the time that tasks wait for what they depend on, with"
                " exemplars.",
                unit="s",
                targets=scope.quantiles("", "butterfly_dependency_wait_duration_seconds"),
            ),
            Panel(
                title="Clock skew",
                description="Largest difference between the clocks of any two nodes, in either"
                " direction.",
                unit="s",
                targets=(Target(expr=f"max(abs({skew}))", legend="skew"),),
            ),
        ),
    )  # fmt: skip
