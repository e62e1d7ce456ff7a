"""Byzantine faults: who lies, who is trusted, and what verification finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_FAULTS = "butterfly_byzantine_faults_detected_total"
_CHECKS, _FAILED = "butterfly_verification_checks_total", "butterfly_verification_failures_total"


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="byzantine",
        title="Byzantine faults",
        description=(
            "Who gives wrong answers, and how far each node is trusted. A node here is the one"
            " that is spoken of, not the one that reports."
        ),
        choices=scope.choices,
        rows=(_faults(scope), _verification(scope), _cryptography(scope)),
    )


def _faults(scope: Scope) -> Row:
    score = scope.series("butterfly_reputation_score")
    return Row(
        "Faults and trust",
        (
            Panel(
                title="Faults within an hour",
                description="By type, a node's very first fault included. One is enough to act.",
                unit="none",
                targets=(Target(
                    expr=scope.new("fault_type", _FAULTS), legend="{{fault_type}}"
                ),),
                width=8,
                stacked=True,
                alerts=("ByzantineFaultDetected",),
                empty="No fault was detected",
            ),
            Panel(
                title="Nodes with most faults",
                description="Faults within an hour, of the ten worst nodes.",
                unit="none",
                targets=(Target(
                    expr=top(scope.new("node_id", _FAULTS) + " > 0"), legend="{{node_id}}"
                ),),
                kind="bars",
                width=8,
                steps=(Step(None, "red"),),
                alerts=("ByzantineFaultDetected",),
                empty="No fault was detected",
            ),
            Panel(
                title="Lowest reputations",
                description="As whoever trusts a node least sees it; the ten lowest, now. Below"
                " 0.5 a node is hardly believed.",
                unit="none",
                targets=(Target(
                    expr=f"bottomk(10, min by (node_id) ({score}))", legend="{{node_id}}"
                ),),
                kind="bars",
                width=8,
                steps=(Step(None, "red"), Step(0.5, "orange"), Step(0.8, "green")),
            ),
        ),
    )  # fmt: skip


def _verification(scope: Scope) -> Row:
    return Row(
        "Verification",
        (
            Panel(
                title="Checks by kind",
                description="Checks a second. Without checks nothing is found.",
                unit="ops",
                targets=(Target(
                    expr=scope.summed("check_type", _CHECKS), legend="{{check_type}}"
                ),),
                width=8,
                stacked=True,
            ),
            Panel(
                title="Failed checks by kind",
                description="Checks a second that fail.",
                unit="ops",
                targets=(Target(
                    expr=scope.summed("failure_type", _FAILED), legend="{{failure_type}}"
                ),),
                width=8,
                stacked=True,
                empty="No check has failed",
            ),
            Panel(
                title="Nodes with most failed checks",
                description="Share of the checks of a node that fail; the ten worst, now.",
                unit="percentunit",
                targets=(Target(
                    expr=top(
                        f"{scope.summed('node_id', _FAILED)} / {scope.summed('node_id', _CHECKS)}"
                    ),
                    legend="{{node_id}}",
                ),),
                kind="bars",
                width=8,
                most=1,
                steps=(Step(None, "green"), Step(scope.limits.error_ratio, "red")),
                alerts=("ByzantineFaultDetected",),
                empty="No check has failed",
            ),
        ),
    )  # fmt: skip


def _cryptography(scope: Scope) -> Row:
    return Row(
        "Cryptography",
        (
            Panel(
                title="Failed cryptographic operations",
                description="Failures a second. Many on one node are a bad key, many everywhere an"
                " expired certificate or an attack.",
                unit="cps",
                targets=(Target(
                    expr=scope.summed("operation", "butterfly_cryptographic_failures_total"),
                    legend="{{operation}}",
                ),),
                stacked=True,
                empty="No operation has failed",
            ),
            Panel(
                title="Merkle roots that do not match",
                description="Mismatches within an hour, over all tasks.",
                unit="none",
                targets=(Target(
                    expr=scope.new("", "butterfly_merkle_root_mismatches_total"),
                    legend="mismatches",
                ),),
                empty="All Merkle roots match",
            ),
        ),
    )  # fmt: skip
