"""The row about the monitoring itself: while something is wrong here, the rest may be blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.scope import Scope

_SUCCESS = 'status="success"'


def monitoring(scope: Scope) -> Row:
    """Return the row."""
    return Row("Monitoring", (*_targets(scope), *_contract(scope), *_collectors(scope)))


def _targets(scope: Scope) -> tuple[Panel, ...]:
    up, took = scope.of_jobs("up"), scope.of_jobs("scrape_duration_seconds")
    rules = scope.options.rules
    slow = rules.slow_scrape
    by = "sum by (exporter)"
    taken = f"{by} ({scope.hourly('butterfly_otel_exports_total', _SUCCESS)})"
    pushed = f"{by} ({scope.hourly('butterfly_otel_exports_total')})"
    return (
        Panel(
            title="Targets",
            description="Targets of Butterfly's jobs that Prometheus can scrape, and that it"
            " can't. What pushes by OTLP is in neither.",
            unit="none",
            targets=(
                Target(expr=f"count({up} == 1) or vector(0)", legend="up"),
                Target(expr=f"count({up} == 0) or vector(0)", legend="down"),
            ),
            width=8,
            alerts=(
                *("ButterflyTargetDown", "ButterflyPushStopped"),
                *("ButterflyJobAbsent", "ButterflyMetricAbsent"),
            ),
        ),
        Panel(
            title="Duration of scrapes",
            description="Of the ten slowest targets, now. In red, ButterflyScrapeSlow fires.",
            unit="s",
            targets=(Target(expr=top(took), legend="{{job}} {{instance}}"),),
            kind="bars",
            width=8,
            steps=(
                Step(None, "green"),
                Step(slow, "red"),
            ),
            alerts=("ButterflyScrapeSlow",),
        ),
        Panel(
            title="Failed pushes",
            description="Share of the batches of an hour that an exporter could not get rid of.",
            unit="percentunit",
            targets=(
                # Without any success there is no series of successes.
                Target(expr=f"1 - ({taken} or {pushed} * 0) / {pushed}", legend="{{exporter}}"),
            ),
            width=8,
            most=1,
            steps=(Step(None, "green"), Step(scope.limits.export_error_ratio, "red")),
            alerts=("ButterflyExporterFailing",),
            empty="Nothing is pushed",
        ),
    )


def _contract(scope: Scope) -> tuple[Panel, ...]:
    over = (
        '__name__=~"butterfly_.+"',
        '__name__!~".+_(bucket|sum)"',
        'otel_metric_overflow="true"',
    )
    violations = "butterfly_otel_label_violations_total"
    invalid = "butterfly_otel_invalid_measurements_total"
    errors = "butterfly_otel_callback_errors_total"
    rejected = "butterfly_otel_rejected_points_total"
    missing = "butterfly_otel_scrape_omissions_total"
    refused = "butterfly_otel_scrape_refusals_total"
    return (
        Panel(
            title="Metrics with too many series",
            description="Metrics that have reached their limit somewhere: what is beyond it is no"
            " longer told apart.",
            unit="none",
            targets=(
                Target(
                    expr=f"count by (__name__) ({scope.series('', *over)})", legend="{{__name__}}"
                ),
            ),
            kind="bars",
            width=8,
            steps=(Step(None, "red"),),
            alerts=("ButterflyCardinalityOverflow",),
            empty="No metric has too many series",
        ),
        Panel(
            title="Labels that break the contract",
            description="Labels within an hour that were replaced by `other`, dropped or missing.",
            unit="none",
            targets=(
                Target(
                    expr=scope.new("metric, label, reason", violations) + " > 0",
                    legend="{{metric}} {{label}}: {{reason}}",
                ),
            ),
            width=8,
            alerts=("ButterflyLabelViolations",),
            empty="All labels are as they should be",
        ),
        Panel(
            title="Measurements that were ignored",
            description="Values within an hour that are no number or go the wrong way,"
            " callbacks that raised, points that no receiver took, what scrapes had to leave out,"
            " and scrapes that were refused.",
            unit="none",
            targets=(
                Target(
                    expr=scope.new("metric, reason", invalid) + " > 0",
                    legend="{{metric}}: {{reason}}",
                ),
                Target(
                    expr=scope.new("metric", errors) + " > 0", legend="{{metric}}: callback raised"
                ),
                Target(
                    expr=scope.new("exporter, reason", rejected) + " > 0",
                    legend="by {{exporter}}: {{reason}}",
                ),
                Target(
                    expr=f"sum by (reason) ({scope.hourly(missing)}) > 0",
                    legend="scrape: {{reason}}",
                ),
                Target(
                    expr=f"sum by (reason) ({scope.hourly(refused)}) > 0",
                    legend="refused: {{reason}}",
                ),
            ),
            width=8,
            alerts=("ButterflyInvalidMeasurements", "ButterflyCallbackErrors"),
            empty="Every measurement counts",
        ),
    )


def _collectors(scope: Scope) -> tuple[Panel, ...]:
    down = (
        f"{scope.series('butterfly_otel_collector_up')} == 0"
        f" or {scope.series('butterfly_otel_device_up')} == 0"
    )
    age = scope.series("butterfly_otel_collector_age_seconds")
    took = scope.series("butterfly_otel_collector_duration_seconds")
    errors = scope.hourly("butterfly_otel_collector_errors_total")
    limit = scope.limits.collector_seconds
    return (
        Panel(
            title="Age of hardware readings",
            description="Of the oldest reading of each collector. The line is where"
            " ButterflyCollectorStale begins.",
            unit="s",
            targets=(Target(expr=f"max by (collector) ({age})", legend="{{collector}}"),),
            width=8,
            steps=(Step(None, "green"), Step(limit, "red")),
            alerts=("ButterflyCollectorStale",),
            empty="No collector runs",
        ),
        Panel(
            title="Duration of readings",
            description="Of the slowest round of each collector.",
            unit="s",
            targets=(Target(expr=f"max by (collector) ({took})", legend="{{collector}}"),),
            width=8,
            empty="No collector runs",
        ),
        Panel(
            title="Collectors and devices in trouble",
            description="Rounds within an hour that failed, by reason, and what is down now.",
            unit="none",
            targets=(
                Target(
                    expr=f"sum by (collector, reason) ({errors}) > 0",
                    legend="{{collector}}: {{reason}}",
                ),
                Target(
                    expr=f"count by (collector, device) ({down})",
                    legend="{{collector}} {{device}} is down",
                ),
            ),
            width=8,
            empty="All collectors and devices work",
        ),
    )
