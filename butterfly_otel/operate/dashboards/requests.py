"""Requests: rate, errors, duration, and what is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, fold

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_COUNTED, _LATENCY = "butterfly_requests_total", "butterfly_request_duration_seconds"


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("role",))
    return Dashboard(
        slug="requests",
        title="Requests",
        description=(
            "How many requests there are, how many of them fail and how long they take. Every"
            " node that handles a request counts it: choose the role coordinator for what users"
            " send."
        ),
        choices=scope.choices,
        rows=(_traffic(scope), _errors(scope), _duration(scope)),
    )


def _traffic(scope: Scope) -> Row:
    flying = scope.series("butterfly_requests_in_flight")
    return Row(
        "Traffic",
        (
            Panel(
                title="Requests by method and status",
                description="Requests a second of the chosen roles, by what they ask and how they"
                " end.",
                unit="reqps",
                targets=(Target(
                    expr=scope.summed("method, status", _COUNTED), legend="{{method}} {{status}}"
                ),),
                stacked=True,
            ),
            Panel(
                title="Requests by role",
                description="Requests a second by the role of the node that handles them. One"
                " request of a user is one of a coordinator and several of compute nodes.",
                unit="reqps",
                targets=(Target(expr=scope.summed("node_role", _COUNTED), legend="{{node_role}}"),),
            ),
            Panel(
                title="In flight",
                description="Requests that are being handled, on all chosen nodes together. What"
                " grows without end is not finished as fast as it comes.",
                unit="short",
                targets=(Target(
                    expr=f"{fold('sum', 'node_role, method')}({flying})",
                    legend="{{node_role}} {{method}}",
                ),),
                stacked=True,
            ),
            Panel(
                title="In flight on the busiest node",
                description="Requests in flight on the busiest node of each role, in all but 1 %"
                " of the time. Far above the others' share, load is not spread evenly.",
                unit="short",
                targets=(Target(
                    expr=f"{fold('max', 'node_role')}"
                    f"(quantile_over_time(0.99, {flying}[$__rate_interval]))",
                    legend="{{node_role}}",
                ),),
            ),
        ),
    )  # fmt: skip


def _errors(scope: Scope) -> Row:
    limit = scope.limits.error_ratio
    return Row(
        "Errors",
        (
            Panel(
                title="Share of requests that fail",
                description="Failed requests, of all of a role and method. The line is where"
                " HighErrorRate begins.",
                unit="percentunit",
                targets=(Target(
                    expr=scope.share("node_role, method", _COUNTED, 'status="error"'),
                    legend="{{node_role}} {{method}}",
                ),),
                steps=(Step(None, "green"), Step(limit, "red")),
                alerts=("HighErrorRate", "AvailabilityBudgetFastBurn"),
            ),
            Panel(
                title="Errors by type",
                description="Errors a second by their type: what to look into first.",
                unit="cps",
                targets=(Target(
                    expr=scope.summed("error_type", "butterfly_request_errors_total"),
                    legend="{{error_type}}",
                ),),
                stacked=True,
                empty="No request has failed",
            ),
        ),
    )  # fmt: skip


def _duration(scope: Scope) -> Row:
    limit = scope.limits.latency_seconds
    return Row(
        "Duration",
        (
            Panel(
                title="Duration",
                description="P99 and P50 of each method, with exemplars that lead to traces. The"
                " histogram ends at 10 s: what takes longer shows as 10. The line is where"
                " HighLatency begins, which looks at inference alone.",
                unit="s",
                targets=scope.quantiles("node_role, method", _LATENCY),
                steps=(Step(None, "green"), Step(limit, "red")),
                alerts=("HighLatency", "LatencyBudgetFastBurn"),
            ),
            Panel(
                title="Durations of inference",
                description="How many inference requests a second take how long. Two bands are"
                " two kinds of request, or two kinds of node.",
                unit="s",
                targets=(Target(
                    expr=scope.summed("le", f"{_LATENCY}_bucket", 'method="inference"'),
                    legend="{{le}}",
                    exemplars=True,
                ),),
                kind="heatmap",
            ),
            Panel(
                title="Time to the first item",
                description="P99 and P50 of the time until a streamed answer begins, where"
                " requests are decorated as streams.",
                unit="s",
                targets=scope.quantiles("method", "butterfly_otel_request_first_item_seconds"),
                empty="Nothing is streamed",
            ),
            Panel(
                title="Mean duration",
                description="Mean of each role and method: total time over requests. Against P50"
                " it tells how much the slow ones weigh.",
                unit="s",
                targets=(Target(
                    expr=scope.mean("node_role, method", _LATENCY),
                    legend="{{node_role}} {{method}}",
                ),),
            ),
        ),
    )  # fmt: skip
