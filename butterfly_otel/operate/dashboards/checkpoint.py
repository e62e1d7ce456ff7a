"""Checkpoints: their state, duration and size, and recovery from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_PHASE = "butterfly_checkpoint_duration_seconds"
_SIZE = "butterfly_checkpoint_size_bytes"
_RECOVERY = "butterfly_recovery_attempts_total"
_SUCCESS = 'outcome="success"'


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="checkpoint",
        title="Checkpoints and recovery",
        description="Whether there is something to recover from, and whether recovering works.",
        choices=scope.choices,
        rows=(_checkpoints(scope), _recovery(scope)),
    )


def _checkpoints(scope: Scope) -> Row:
    count = scope.series("butterfly_checkpoint_count")
    pending = scope.series("butterfly_checkpoint_count", 'status="pending"')
    sizes = (scope.series(f"{_SIZE}_sum"), scope.series(f"{_SIZE}_count"))
    by = "sum by (node_id)"
    return Row(
        "Checkpoints",
        (
            Panel(
                title="Checkpoints by status",
                description="On all nodes together. Failed ones that pile up, and pending ones"
                " that stay, need somebody to look.",
                unit="none",
                targets=(Target(expr=f"sum by (status) ({count})", legend="{{status}}"),),
                stacked=True,
            ),
            Panel(
                title="Most pending checkpoints",
                description="The ten nodes with most checkpoints that are not complete, now.",
                unit="none",
                targets=(Target(
                    expr=top(f"sum by (node_id) ({pending})"), legend="{{node_id}}"
                ),),
                kind="bars",
            ),
            Panel(
                title="Duration of phases",
                description="P99 and P50 of snapshot, write and verify within an hour, with"
                " exemplars. The slowest phase is where to begin.",
                unit="s",
                targets=scope.quantiles("phase", _PHASE, "1h"),
            ),
            Panel(
                title="Durations of phases",
                description="How many phases a second take how long.",
                unit="s",
                targets=scope.buckets(_PHASE),
                kind="heatmap",
            ),
            Panel(
                title="Nodes with the largest checkpoints",
                description="Mean size of the checkpoints that a node has; the ten nodes with the"
                " largest mean, now.",
                unit="bytes",
                targets=(Target(
                    expr=top(f"{by} ({sizes[0]}) / {by} ({sizes[1]})"), legend="{{node_id}}"
                ),),
                kind="bars",
                details="resources",
            ),
            Panel(
                title="Checkpoint requests",
                description="Requests a second for a checkpoint, by how they end.",
                unit="reqps",
                targets=(Target(
                    expr=scope.summed(
                        "status", "butterfly_requests_total", 'method="checkpoint"'
                    ),
                    legend="{{status}}",
                ),),
                stacked=True,
                alerts=("HighErrorRate",),
                details="requests",
            ),
        ),
    )  # fmt: skip


def _recovery(scope: Scope) -> Row:
    tried = f"sum({scope.hourly(_RECOVERY)})"
    worked = f"sum({scope.hourly(_RECOVERY, _SUCCESS)})"
    return Row(
        "Recovery",
        (
            Panel(
                title="Recoveries that work",
                description="Share of the recoveries of an hour that restore everything.",
                unit="percentunit",
                targets=(Target(expr=f"{worked} / ({tried} > 0)"),),
                kind="stat",
                width=6,
                most=1,
                steps=(Step(None, "red"), Step(0.9, "orange"), Step(1, "green")),
                empty="No recovery within the hour",
            ),
            Panel(
                title="Recoveries by outcome",
                description="Recoveries within an hour, a node's very first one included.",
                unit="none",
                targets=(Target(expr=scope.new("outcome", _RECOVERY), legend="{{outcome}}"),),
                width=9,
                stacked=True,
                empty="No recovery yet",
            ),
            Panel(
                title="Duration of recoveries",
                description="P99 and P50 of the recoveries of an hour, with exemplars.",
                unit="s",
                targets=scope.quantiles("", "butterfly_recovery_duration_seconds", "1h"),
                width=9,
                empty="No recovery within the hour",
            ),
            Panel(
                title="Pairs whose state differs",
                description="How often the states of two nodes differed within an hour; the ten"
                " worst pairs, now.",
                unit="none",
                targets=(Target(
                    expr=top(
                        scope.new("node_id_pair", "butterfly_state_divergence_detected_total")
                        + " > 0"
                    ),
                    legend="{{node_id_pair}}",
                ),),
                kind="bars",
                width=24,
                steps=(Step(None, "red"),),
                details="byzantine",
                empty="All states agree",
            ),
        ),
    )  # fmt: skip
