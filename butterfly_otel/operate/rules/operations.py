"""Alerts on the monitoring itself: while one of these fires, the others may be blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.rules.model import Alert, Group
from butterfly_otel.operate.rules.promql import DAY, HOUR, MINUTE, Promql, number

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTES_5, _MINUTES_10, _MINUTES_15 = 5 * MINUTE, 10 * MINUTE, 15 * MINUTE


def alerts(promql: Promql) -> Group:
    """Return the group of all of them."""
    makers: tuple[Callable[[Promql], Alert], ...] = (
        _target_down,
        _push_stopped,
        _job_absent,
        _metric_absent,
        _cardinality_overflow,
        _label_violations,
        _invalid_measurements,
        _callback_errors,
        _collector_stale,
        _exporter_failing,
        _scrape_slow,
    )
    return Group(name="butterfly_operations", rules=tuple(make(promql) for make in makers))


def _target_down(promql: Promql) -> Alert:
    return Alert(
        name="ButterflyTargetDown",
        expr=f"{promql.of_jobs('up')} == 0",
        after=promql.after(2 * MINUTE),
        severity="warning",
        summary="{{ $labels.instance }} can't be scraped",
        description="Prometheus can't scrape {{ $labels.instance }} of job {{ $labels.job }}.",
    )


def _push_stopped(promql: Promql) -> Alert:
    pushed, on = promql.of_jobs("target_info"), promql.on("job", "instance")
    each = promql.fold("group", "job", "instance")
    return Alert(
        name="ButterflyPushStopped",
        # What is scraped has `up`, which ButterflyTargetDown looks at.
        expr=(
            f"{each}(last_over_time({pushed}[{promql.window(HOUR / 2)}]))\n"
            f"unless {on} {pushed}\nunless {on} {promql.of_jobs('up')}"
        ),
        after=promql.after(2 * MINUTE),
        severity="warning",
        summary="{{ $labels.instance }} no longer pushes",
        description=(
            "{{ $labels.instance }} (job {{ $labels.job }}) has pushed its metrics within the last"
            " half hour, and does so no more."
        ),
    )


def _job_absent(promql: Promql) -> Alert:
    return Alert(
        name="ButterflyJobAbsent",
        # Targets that are all down tell as little as none.
        expr=promql.gone(promql.alive(), DAY),
        after=promql.after(5 * MINUTE),
        severity="critical",
        summary="Nothing of Butterfly is monitored",
        description=(
            "Prometheus has no target that answers, and no push, whose job matches"
            f" {promql.options.jobs}: no other alert can fire."
        ),
    )


def _metric_absent(promql: Promql) -> Alert:
    missing = "\nor\n".join(
        f'  label_replace({promql.missing(name)}, "metric", "{name}", "", "")'
        for name in promql.options.required
    )
    return Alert(
        name="ButterflyMetricAbsent",
        # Without any target it is ButterflyJobAbsent, once, and not this for every metric.
        expr=f"(\n{missing}\n)\nand {promql.on()}\n{promql.fold('group')}({promql.alive()})",
        after=promql.after(_MINUTES_10),
        severity="warning",
        summary="{{ $labels.metric }} is missing",
        description=(
            "No target reports {{ $labels.metric }}, which a healthy cluster always has:"
            " alerts that need it can't fire."
        ),
    )


def _cardinality_overflow(promql: Promql) -> Alert:
    names = ('__name__=~"butterfly_.+"', '__name__!~".+_(bucket|sum)"')
    marks = ['otel_metric_overflow="true"']
    if promql.options.dotted_labels:
        marks.append('"otel.metric.overflow"="true"')
    over = "\n  or\n    ".join(promql.series("", *names, mark) for mark in marks)
    return Alert(
        name="ButterflyCardinalityOverflow",
        expr=(
            f"{promql.fold('count', 'job', 'instance', 'metric')}(\n  label_replace(\n"
            f'    {over},\n    "metric", "$1", "__name__", "(.+)"\n  )\n) > 0'
        ),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="{{ $labels.metric }} has too many series on {{ $labels.instance }}",
        description=(
            "{{ $labels.instance }} (job {{ $labels.job }}) has reached its limit of series of"
            " {{ $labels.metric }}; what is beyond it is no longer told apart."
        ),
    )


def _label_violations(promql: Promql) -> Alert:
    grown = promql.grown("butterfly_otel_label_violations_total", _MINUTES_10)
    labels = ("job", "instance", "metric", "label", "reason")
    return Alert(
        name="ButterflyLabelViolations",
        expr=f"{promql.fold('sum', *labels)}{grown} > 0",
        after=0,
        severity="warning",
        summary="{{ $labels.instance }} measures with labels that break the contract",
        description=(
            "{{ $labels.instance }} (job {{ $labels.job }}) gave {{ $labels.metric }} a wrong"
            " label {{ $labels.label }} ({{ $labels.reason }})"
            ' {{ printf "%.0f" $value }} times within ten minutes.'
        ),
    )


def _invalid_measurements(promql: Promql) -> Alert:
    counted = promql.series("butterfly_otel_invalid_measurements_total")
    window = promql.window(_MINUTES_10)
    total = promql.fold("sum", "job", "instance", "metric", "reason")
    return Alert(
        name="ButterflyInvalidMeasurements",
        # Not grown(): that a first value was refused is no news, that it goes on is.
        expr=f"{total}(increase({counted}[{window}])) > 0",
        after=promql.outlasting(_MINUTES_15, _MINUTES_10),
        severity="warning",
        summary="{{ $labels.instance }} keeps measuring what {{ $labels.metric }} can't hold",
        description=(
            "{{ $labels.metric }} of {{ $labels.instance }} (job {{ $labels.job }}) refused"
            ' {{ printf "%.0f" $value }} values within ten minutes ({{ $labels.reason }}):'
            " they are in no series."
        ),
    )


def _callback_errors(promql: Promql) -> Alert:
    counted = promql.series("butterfly_otel_callback_errors_total")
    window = promql.window(_MINUTES_5)
    total = promql.fold("sum", "job", "instance", "metric")
    return Alert(
        name="ButterflyCallbackErrors",
        expr=f"{total}(increase({counted}[{window}])) > 0",
        # A callback may raise once, when what it reads is not there yet or not any more.
        after=promql.outlasting(_MINUTES_10, _MINUTES_5),
        severity="warning",
        summary="{{ $labels.metric }} of {{ $labels.instance }} can't be observed",
        description=(
            "Observation callbacks of {{ $labels.metric }} on {{ $labels.instance }}"
            ' (job {{ $labels.job }}) raised {{ printf "%.0f" $value }} times within five minutes:'
            " what they observe is missing."
        ),
    )


def _collector_stale(promql: Promql) -> Alert:
    age = promql.series("butterfly_otel_collector_age_seconds")
    limit = promql.options.thresholds.collector_seconds
    return Alert(
        name="ButterflyCollectorStale",
        expr=f"{promql.fold('max', 'job', 'instance', 'collector')}({age}) > {number(limit)}",
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Collector {{ $labels.collector }} on {{ $labels.instance }} has stopped",
        description=(
            "Collector {{ $labels.collector }} on {{ $labels.instance }} (job {{ $labels.job }})"
            " last read its hardware {{ $value | humanizeDuration }} ago."
        ),
    )


def _exporter_failing(promql: Promql) -> Alert:
    window = promql.window(_MINUTES_10)
    name, by = "butterfly_otel_exports_total", promql.fold("sum", "job", "instance", "exporter")
    failed = promql.series(name, 'status="error"')
    limit = promql.options.thresholds.export_error_ratio
    return Alert(
        name="ButterflyExporterFailing",
        expr=(
            f"{by}(increase({failed}[{window}]))\n/\n"
            f"{by}(increase({promql.series(name)}[{window}]))\n> {number(limit)}"
        ),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Exporter {{ $labels.exporter }} of {{ $labels.instance }} fails",
        description=(
            "{{ $value | humanizePercentage }} of what {{ $labels.exporter }} of"
            " {{ $labels.instance }} (job {{ $labels.job }}) pushed within ten minutes was not"
            " taken."
        ),
    )


def _scrape_slow(promql: Promql) -> Alert:
    took = f"avg_over_time({promql.of_jobs('scrape_duration_seconds')}"
    limit = promql.options.slow_scrape
    return Alert(
        name="ButterflyScrapeSlow",
        expr=f"{took}[{promql.window(5 * MINUTE)}]) > {number(limit)}",
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="{{ $labels.instance }} is slow to scrape",
        description=(
            "A scrape of {{ $labels.instance }} (job {{ $labels.job }}) takes"
            " {{ $value | humanizeDuration }} (threshold:"
            f" {number(limit)} s)."
        ),
    )
