"""Consensus: members, leaders, and how far the logs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, fold, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_LOG, _COMMIT, _APPLIED = (
    "butterfly_consensus_log_entries_total",
    "butterfly_consensus_commit_index",
    "butterfly_consensus_applied_index",
)


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="consensus",
        title="Consensus",
        description="Whether the cluster can decide, who leads, and who lags behind.",
        choices=scope.choices,
        rows=(_members(scope), _leaders(scope), _logs(scope)),
    )


def _members(scope: Scope) -> Row:
    active = scope.series("butterfly_cluster_size", 'state="active"')
    quorum = scope.series("butterfly_quorum_size")
    return Row(
        "Members",
        (
            Panel(
                title="Members that may still be lost",
                description="Active voting members above the quorum, as the most pessimistic"
                " coordinator sees them. Below 0 nothing can be decided.",
                unit="none",
                targets=(Target(expr=f"min({active}) - max({quorum})"),),
                kind="stat",
                width=6,
                least=None,
                steps=(Step(None, "red"), Step(0, "orange"), Step(1, "green")),
                alerts=("ClusterBelowQuorum",),
            ),
            Panel(
                title="Active members and quorum",
                description="Voting members that are active, and how many it takes to decide.",
                unit="none",
                targets=(
                    Target(expr=f"min({active})", legend="active"),
                    Target(expr=f"max({quorum})", legend="quorum"),
                ),
                width=9,
                alerts=("ClusterBelowQuorum",),
            ),
            Panel(
                title="Members by state",
                description="As the coordinator that sees most of a state reports it.",
                unit="none",
                targets=(Target(
                    expr=f"max by (state) ({scope.series('butterfly_cluster_size')})",
                    legend="{{state}}",
                ),),
                width=9,
            ),
        ),
    )  # fmt: skip


def _leaders(scope: Scope) -> Row:
    changes = scope.hourly("butterfly_consensus_leader_changes_total")
    failures = "butterfly_consensus_heartbeat_failures_total"
    # Of all coordinators, whichever are chosen: one alone is never apart.
    term = Scope(scope.options).series("butterfly_consensus_term")
    limit = scope.limits.leader_changes
    return Row(
        "Leaders",
        (
            Panel(
                title="Leader changes in an hour",
                description="As the coordinator that saw most counted them. The line is where"
                " FrequentLeaderChanges begins.",
                unit="none",
                targets=(Target(expr=f"max({changes})", legend="changes"),),
                steps=(Step(None, "green"), Step(limit, "red")),
                alerts=("FrequentLeaderChanges",),
            ),
            Panel(
                title="Duration of elections",
                description="P99 and P50 of the elections of an hour. While one lasts, nothing is"
                " decided.",
                unit="s",
                targets=scope.quantiles("", "butterfly_consensus_election_duration_seconds", "1h"),
                empty="No election within the hour",
            ),
            Panel(
                title="Terms apart",
                description="Between the highest and the lowest term: 0, but for moments of an"
                " election. A coordinator that stays behind is cut off.",
                unit="none",
                targets=(Target(expr=f"max({term}) - min({term})", legend="terms"),),
            ),
            Panel(
                title="Missed heartbeats",
                description="Heartbeats a second that each node (row) did not get from another"
                " (column), now. A full row or column is a node that is cut off.",
                unit="cps",
                targets=(Target(
                    expr=top(f"{scope.summed('from_node, to_node', failures)} > 0", 100)
                ),),
                kind="matrix",
                fields=("from_node", "to_node"),
                steps=(Step(None, "green"), Step(0.1, "red")),
                empty="No heartbeat is missed",
            ),
        ),
    )  # fmt: skip


def _logs(scope: Scope) -> Row:
    committed, log = scope.series(_COMMIT), scope.series(_LOG)
    applied = scope.series(_APPLIED)
    foremost = f"max({Scope(scope.options).series(_COMMIT)})"
    behind = f"scalar({foremost}) - {fold('max', 'node_id')}({committed})"
    return Row(
        "Logs",
        (
            Panel(
                title="Behind in committing",
                description="Entries by which each coordinator is behind the foremost one. What"
                " grows is a follower that can't keep up.",
                unit="short",
                targets=(Target(expr=behind, legend="{{node_id}}"),),
            ),
            Panel(
                title="Committed and not yet applied",
                description="Entries that each coordinator still has to apply to its state.",
                unit="short",
                targets=(Target(
                    expr=f"{fold('max', 'node_id')}({committed})"
                    f" - {fold('max', 'node_id')}({applied})",
                    legend="{{node_id}}",
                ),),
            ),
            Panel(
                title="Length of the logs",
                description="Entries in each coordinator's log. It falls where a log is compacted.",
                unit="short",
                targets=(Target(
                    expr=f"{fold('max', 'node_id')}({log})", legend="{{node_id}}"
                ),),
            ),
            Panel(
                title="Commits",
                description="Entries that are committed a second, at the foremost coordinator:"
                " how much the cluster decides.",
                unit="cps",
                targets=(Target(
                    expr=f"max(deriv({committed}[$__rate_interval]))", legend="entries"
                ),),
            ),
        ),
    )  # fmt: skip
