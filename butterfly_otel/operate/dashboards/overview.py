"""Overview: objectives, requests, throughput, health, and the monitoring itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.monitoring import monitoring
from butterfly_otel.operate.dashboards.scope import Scope, fold
from butterfly_otel.operate.rules.slo import FAST, SLOW

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_COUNTED, _LATENCY = "butterfly_requests_total", "butterfly_request_duration_seconds"
_BURNS = tuple(
    f"{slo}Budget{speed}Burn" for slo in ("Availability", "Latency") for speed in ("Fast", "Slow")
)


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("role", "node", "model"))
    return Dashboard(
        slug="overview",
        title="Overview",
        description=(
            "Whether users get what they were promised, what the cluster does, and where to look"
            " next. Objectives are recorded over everything: the variables do not narrow them."
        ),
        choices=scope.choices,
        rows=(
            _objectives(scope),
            _requests(scope),
            _throughput(scope),
            _health(scope),
            monitoring(scope),
        ),
    )


def _objectives(scope: Scope) -> Row:
    least = scope.limits.tokens_per_second
    ratio = scope.recorded("butterfly:slo_error_ratio:7d")
    return Row(
        "Objectives over seven days",
        (
            Panel(
                title="Good requests",
                description="Requests of users that succeed, and inference requests that are fast."
                f" Promised are {scope.limits.availability:.6g} and"
                f" {scope.limits.fast_requests:.6g}.",
                unit="percentunit",
                targets=(Target(expr=f"1 - {ratio}", legend="{{slo}}"),),
                kind="stat",
                width=6,
                least=None,
                most=1,
                alerts=_BURNS,
                details="requests",
            ),
            Panel(
                title="Error budget left",
                description="Of the failures that the objectives grant in seven days. Below 0 the"
                " promise is broken: no risks until it has recovered.",
                unit="percentunit",
                targets=(Target(
                    expr=scope.recorded("butterfly:slo_error_budget_remaining:7d"),
                    legend="{{slo}}",
                ),),
                kind="stat",
                width=6,
                least=None,
                most=1,
                steps=(Step(None, "red"), Step(0, "orange"), Step(0.25, "green")),
                alerts=_BURNS,
            ),
            Panel(
                title="Burn rate",
                description="How fast the budget is used up, by the errors of the last hour: 1 uses"
                f" it up in exactly seven days, {SLOW[0].factor:g} for a day is looked at,"
                f" {FAST[0].factor:g} wakes somebody.",
                unit="none",
                targets=(Target(
                    expr=scope.recorded("butterfly:slo_burn_rate:1h"), legend="{{slo}}"
                ),),
                width=8,
                steps=(
                    Step(None, "green"), Step(SLOW[0].factor, "orange"),
                    Step(FAST[0].factor, "red"),
                ),
                alerts=_BURNS,
            ),
            Panel(
                title="Mean throughput",
                description="Mean of the tokens a second over seven days.",
                unit="suffix: tokens/s",
                targets=(Target(expr=scope.recorded("butterfly:cluster_throughput:7d")),),
                kind="stat",
                width=4,
                steps=(Step(None, "red"), Step(least, "green")),
                alerts=("LowThroughput",),
            ),
        ),
    )  # fmt: skip


def _requests(scope: Scope) -> Row:
    limits = scope.limits
    return Row(
        "Requests",
        (
            Panel(
                title="Rate",
                description="Requests a second. Every node that handles a request counts it.",
                unit="reqps",
                targets=(Target(
                    expr=scope.summed("node_role, method", _COUNTED),
                    legend="{{node_role}} {{method}}",
                ),),
                width=8,
                details="requests",
            ),
            Panel(
                title="Errors",
                description="Share of requests that fail. The line is where HighErrorRate begins.",
                unit="percentunit",
                targets=(Target(
                    expr=scope.share("node_role, method", _COUNTED, 'status="error"'),
                    legend="{{node_role}} {{method}}",
                ),),
                width=8,
                steps=(Step(None, "green"), Step(limits.error_ratio, "red")),
                alerts=("HighErrorRate",),
                details="requests",
            ),
            Panel(
                title="Duration",
                description="P99 and P50 of each method, with exemplars. The histogram ends at"
                " 10 s. The line is where HighLatency begins.",
                unit="s",
                targets=scope.quantiles("method", _LATENCY),
                width=8,
                steps=(Step(None, "green"), Step(limits.latency_seconds, "red")),
                alerts=("HighLatency",),
                details="requests",
            ),
        ),
    )  # fmt: skip


def _throughput(scope: Scope) -> Row:
    flying = scope.series("butterfly_requests_in_flight")
    queued = scope.series("butterfly_tasks_queued")
    return Row(
        "Throughput",
        (
            Panel(
                title="Tokens",
                description="Tokens a second of each model. The line is the least that is promised"
                " while there is work.",
                unit="suffix: tokens/s",
                targets=(Target(
                    expr=scope.summed("model", "butterfly_tokens_processed_total"),
                    legend="{{model}}",
                ),),
                width=8,
                stacked=True,
                steps=(Step(None, "red"), Step(scope.limits.tokens_per_second, "green")),
                alerts=("LowThroughput",),
                details="computation",
            ),
            Panel(
                title="Work that waits",
                description="Requests in flight at coordinators, and tasks in queues. Both grow"
                " where more comes than can be done.",
                unit="short",
                targets=(
                    Target(expr=f"{fold('sum', 'node_role')}({flying})", legend="{{node_role}}"),
                    Target(expr=f"sum({queued})", legend="queued tasks"),
                ),
                width=8,
                alerts=("QueueBuildup",),
                details="coordination",
            ),
            Panel(
                title="Traffic",
                description="Bytes a second on the wire: each counts once, where it is sent.",
                unit="binBps",
                targets=(Target(
                    expr=f"sum({scope.byte_rate('butterfly_network_bytes_sent')})", legend="sent"
                ),),
                width=8,
                details="communication",
            ),
        ),
    )  # fmt: skip


def _health(scope: Scope) -> Row:
    active = scope.series("butterfly_cluster_size", 'state="active"')
    quorum = scope.series("butterfly_quorum_size")
    changes = scope.hourly("butterfly_consensus_leader_changes_total")
    up = f"min by (from_node, to_node) ({scope.series('butterfly_connection_active')})"
    firing = scope.recorded("ALERTS", 'alertstate="firing"', scope.alerts())
    return Row(
        "Health",
        (
            Panel(
                title="Firing alerts",
                description="Alerts of Butterfly that fire now; a name leads to its runbook.",
                unit="none",
                targets=(Target(
                    expr=f"count by (severity, alertname, node_id, from_node, to_node) ({firing})"
                ),),
                kind="table",
                fields=("severity", "alertname", "node_id", "from_node", "to_node"),
                empty="No alert fires",
            ),
            Panel(
                title="Members above quorum",
                description="Active voting members that may still be lost. Below 0 nothing can be"
                " decided.",
                unit="none",
                targets=(Target(expr=f"min({active}) - max({quorum})"),),
                kind="stat",
                width=4,
                least=None,
                steps=(Step(None, "red"), Step(0, "orange"), Step(1, "green")),
                alerts=("ClusterBelowQuorum",),
                details="consensus",
            ),
            Panel(
                title="Leader changes",
                description="Within an hour, as the coordinator that saw most counted them.",
                unit="none",
                targets=(Target(expr=f"round(max({changes}))"),),
                kind="stat",
                width=4,
                steps=(Step(None, "green"), Step(scope.limits.leader_changes, "red")),
                alerts=("FrequentLeaderChanges",),
                details="consensus",
            ),
            Panel(
                title="Connections down",
                description="Connections that are not up, now.",
                unit="none",
                targets=(Target(expr=f"count({up} == 0) or count({up}) * 0"),),
                kind="stat",
                width=4,
                steps=(Step(None, "green"), Step(1, "red")),
                alerts=("NetworkPartition", "NodeIsolated"),
                details="communication",
            ),
        ),
    )  # fmt: skip
