"""Service level objectives: what they count, burn rates over several windows, budgets.

Two objectives are ratios of requests: availability (requests that succeed) and latency
(inference requests that are fast). Both look at coordinators alone, since every node that
handles a request counts it, and neither at health checks, which no user asks for. The third,
throughput, is a rate, of which no share can be used up: it has a plain alert.

Errors and requests are recorded as rates over five minutes, and longer windows are sums of
those: exact shares, weighted by traffic, at a small part of what a ``rate()`` over days costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.operate.rules.model import Alert, Group, RecordingRule
from butterfly_otel.operate.rules.promql import DAY, HOUR, MINUTE, Promql, duration, le, number

if TYPE_CHECKING:
    from butterfly_otel.operate.rules.model import Severity

#: The specification writes its objectives over seven days.
PERIOD = 7 * DAY
_BASE = 5 * MINUTE
_COORDINATOR = 'node_role="coordinator"'


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows and the burn rate at which both have to be.

    Attributes:
        long: Seconds of the window that makes it matter.
        short: Seconds of the window that ends the alert soon after the trouble.
        factor: Burn rate: 1 uses up the budget in exactly the period.
    """

    long: float
    short: float
    factor: float


#: 8 % and 12.5 % of the period's budget: somebody has to get up. Source: the seven-day
#: windows of sloth (slok/sloth, windows/google-7d), after the SRE Workbook, "Alerting on
#: SLOs"; the usual factors 14.4 and 6 are those of thirty days.
FAST = (Burn(HOUR, 5 * MINUTE, 13.44), Burn(6 * HOUR, 30 * MINUTE, 3.5))
#: 20 % and 42 % of the budget: it can wait until morning. Same source.
SLOW = (Burn(DAY, 2 * HOUR, 1.4), Burn(3 * DAY, 6 * HOUR, 0.98))
#: Every window of which the share of errors is recorded.
WINDOWS = tuple(sorted({w for burn in (*FAST, *SLOW) for w in (burn.long, burn.short)} | {PERIOD}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A share of requests that has to be good.

    Attributes:
        name: The value of the label ``slo``.
        title: What its alerts' names begin with.
        objective: The share, below 1.
        errors: PromQL of bad requests a second.
        requests: PromQL of all requests a second.
        bad: What a bad request is, in words, in the plural.
    """

    name: str
    title: str
    objective: float
    errors: str
    requests: str
    bad: str

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        return round(1 - self.objective, 12)

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The label of everything that is recorded of it."""
        return (("slo", self.name),)


def objectives(promql: Promql) -> tuple[Objective, ...]:
    """Return the objectives that are shares of requests."""
    thresholds, total = promql.options.thresholds, promql.fold("sum")
    of_users = (_COORDINATOR, 'method!="health_check"')
    inference = (_COORDINATOR, 'method="inference"')
    counted = promql.rate("butterfly_requests_total", _BASE, *of_users)
    failed = promql.rate("butterfly_requests_total", _BASE, *of_users, 'status="error"')
    timed = promql.rate("butterfly_request_duration_seconds_count", _BASE, *inference)
    bound = le(thresholds.latency_seconds)
    fast = promql.rate("butterfly_request_duration_seconds_bucket", _BASE, *inference, bound)
    return (
        Objective(
            name="availability",
            title="Availability",
            objective=thresholds.availability,
            # No failed request, no series: that is no failure, and not no data.
            errors=f"{total}({failed})\nor\n{total}({counted}) * 0",
            requests=f"{total}({counted})",
            bad="requests that fail",
        ),
        Objective(
            name="latency",
            title="Latency",
            objective=thresholds.fast_requests,
            errors=f"clamp_min(\n  {total}({timed})\n  -\n  {total}({fast}),\n  0\n)",
            requests=f"{total}({timed})",
            bad=f"inference requests that take longer than {number(thresholds.latency_seconds)} s",
        ),
    )


def recordings(promql: Promql) -> Group:
    """Return what is recorded of every objective; evaluated once a minute."""
    rules = [rule for each in objectives(promql) for rule in _recorded(promql, each)]
    rules.append(
        RecordingRule(
            record="butterfly:cluster_throughput:7d",
            expr=f"avg_over_time({_throughput(promql)}[{promql.window(PERIOD)}])",
            labels=(("slo", "throughput"),),
        )
    )
    interval = max(MINUTE / promql.options.speed, promql.options.scrape_interval)
    return Group(name="butterfly_slo", rules=tuple(rules), interval=interval)


def alerts(promql: Promql) -> Group:
    """Return the alerts of every objective."""
    burns = [alert for each in objectives(promql) for alert in _burns(promql, each)]
    return Group(name="butterfly_slo_alerts", rules=(*burns, _low_throughput(promql)))


def _recorded(promql: Promql, slo: Objective) -> list[RecordingRule]:
    own = f'slo="{slo.name}"'
    errors = promql.recorded("butterfly:slo_errors:rate5m", own)
    requests = promql.recorded("butterfly:slo_requests:rate5m", own)

    def rule(record: str, expr: str) -> RecordingRule:
        return RecordingRule(record=f"butterfly:{record}", expr=expr, labels=slo.labels)

    def share(seconds: float) -> str:
        if seconds == _BASE:
            return f"{errors}\n/\n({requests} > 0)"
        window = promql.window(seconds)
        return f"sum_over_time({errors}[{window}])\n/\n(sum_over_time({requests}[{window}]) > 0)"

    budget = promql.recorded("butterfly:slo_error_budget:ratio", own)
    spent = promql.recorded(f"butterfly:slo_error_ratio:{duration(PERIOD)}", own)
    now = promql.recorded("butterfly:slo_error_ratio:1h", own)
    return [
        rule("slo_errors:rate5m", slo.errors),
        rule("slo_requests:rate5m", slo.requests),
        *(rule(f"slo_error_ratio:{duration(each)}", share(each)) for each in WINDOWS),
        rule("slo_objective:ratio", promql.constant(slo.objective)),
        rule("slo_error_budget:ratio", promql.constant(slo.budget)),
        rule("slo_burn_rate:1h", f"{now}\n/\n{budget}"),
        rule("slo_error_budget_remaining:7d", f"1 - {spent}\n/\n{budget}"),
    ]


def _burns(promql: Promql, slo: Objective) -> tuple[Alert, Alert]:
    percent = f"{number(round(slo.budget * 100, 9))}%"

    def alert(speed: str, severity: Severity, pairs: tuple[Burn, ...], after: float) -> Alert:
        return Alert(
            name=f"{slo.title}Budget{speed}Burn",
            expr="\nor\n".join(_pair(promql, slo, burn) for burn in pairs),
            after=promql.after(after),
            severity=severity,
            summary=f"The error budget of {slo.name} burns {speed.lower()}",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of requests were {slo.bad},"
                f" where {percent} over seven days are granted."
            ),
        )

    return (
        alert("Fast", "critical", FAST, 2 * MINUTE),
        alert("Slow", "warning", SLOW, 15 * MINUTE),
    )


def _pair(promql: Promql, slo: Objective, burn: Burn) -> str:
    own, limit = f'slo="{slo.name}"', f"{number(burn.factor)} * {number(slo.budget)}"

    def over(seconds: float) -> str:
        name = f"butterfly:slo_error_ratio:{duration(seconds)}"
        return f"{promql.recorded(name, own)} > {limit}"

    return f"(\n    {over(burn.long)}\n  and\n    {over(burn.short)}\n)"


def _throughput(promql: Promql) -> str:
    return promql.recorded("butterfly:cluster_throughput:1m")


def _low_throughput(promql: Promql) -> Alert:
    least = number(promql.options.thresholds.tokens_per_second)
    method = 'method="inference"'
    in_flight = promql.series("butterfly_requests_in_flight", _COORDINATOR, method)
    queued, total = promql.series("butterfly_tasks_queued"), promql.fold("sum")
    waiting = f"0 * ({total}({in_flight}) or {total}({queued}))"
    nothing = waiting if promql.options.by else "vector(0)"
    return Alert(
        name="LowThroughput",
        # A node that is gone has no series: then nothing is made, and not nothing known.
        expr=(
            f"({total}({_throughput(promql)}) or {nothing}) < {least}\n"
            f"and {promql.on()}\n"
            f"({total}({in_flight}) > 0 or {total}({queued}) > 0)"
        ),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="The cluster makes too few tokens",
        description=(
            "{{ $value | humanize }} tokens a second while requests wait, where"
            f" {least} are promised."
        ),
        labels=(("slo", "throughput"),),
    )
