"""The specification's recording rules, under their names, corrected (docs/contract.md, Rules)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.rules.model import Group, RecordingRule
from butterfly_otel.operate.rules.promql import MINUTE

if TYPE_CHECKING:
    from butterfly_otel.operate.rules.promql import Promql


def aggregations(promql: Promql) -> Group:
    """Return the group of all eleven.

    It is evaluated twice a window, which is every 30 s: with windows of a minute evaluated
    every minute, what happens between two scrapes of different windows is never seen.
    """
    rules = (*_requests(promql), *_throughput(promql), *_resources(promql), *_work(promql))
    half = max(MINUTE / promql.options.speed, 4 * promql.options.scrape_interval) / 2
    return Group(name="butterfly_aggregations", rules=rules, interval=half)


def _requests(promql: Promql) -> tuple[RecordingRule, ...]:
    requests = promql.rate("butterfly_requests_total", MINUTE)
    errors = promql.rate("butterfly_request_errors_total", MINUTE)
    buckets = promql.rate("butterfly_request_duration_seconds_bucket", MINUTE)
    by_bucket = f"{promql.fold('sum', 'node_role', 'method', 'le')}({buckets})"
    return (
        RecordingRule(
            record="butterfly:request_rate:1m",
            expr=f"{promql.fold('sum', 'node_role', 'method', 'status')}({requests})",
        ),
        RecordingRule(
            record="butterfly:error_rate:1m",
            expr=f"{promql.fold('sum', 'node_role', 'method', 'error_type')}({errors})",
        ),
        RecordingRule(
            record="butterfly:p99_latency:1m",
            expr=f"histogram_quantile(0.99, {by_bucket})",
        ),
        RecordingRule(
            record="butterfly:p50_latency:1m",
            expr=f"histogram_quantile(0.5, {by_bucket})",
        ),
    )


def _throughput(promql: Promql) -> tuple[RecordingRule, ...]:
    total = promql.fold("sum")
    sent = promql.byte_rate("butterfly_network_bytes_sent", MINUTE)
    received = promql.byte_rate("butterfly_network_bytes_received", MINUTE)
    return (
        RecordingRule(
            record="butterfly:cluster_throughput:1m",
            expr=f"{total}({promql.rate('butterfly_tokens_processed_total', MINUTE)})",
        ),
        RecordingRule(
            record="butterfly:network_bandwidth:1m",
            expr=f"{total}{sent}\n+\n{total}{received}",
        ),
    )


def _resources(promql: Promql) -> tuple[RecordingRule, ...]:
    def average(name: str) -> str:
        return f"avg_over_time({promql.series(name)}[{promql.window(MINUTE)}])"

    cpu = average("butterfly_cpu_usage_ratio")
    memory = average("butterfly_memory_allocated_bytes")
    return (
        RecordingRule(
            # A node that reports every core counts once, as one that reports the whole does.
            record="butterfly:cpu_usage_avg:1m",
            expr=f"{promql.fold('avg')}({promql.fold('avg', 'node_id')}({cpu}))",
        ),
        RecordingRule(
            record="butterfly:gpu_utilization_avg:1m",
            expr=f"{promql.fold('avg')}({average('butterfly_gpu_utilization_ratio')})",
        ),
        RecordingRule(
            record="butterfly:memory_used_bytes:1m",
            expr=f"{promql.fold('sum', 'node_id')}({memory})",
        ),
    )


def _work(promql: Promql) -> tuple[RecordingRule, ...]:
    done = promql.rate("butterfly_tasks_completed_total", MINUTE, 'status="success"')
    faults = promql.rate("butterfly_byzantine_faults_detected_total", MINUTE)
    return (
        RecordingRule(
            record="butterfly:task_completion_rate:1m", expr=f"{promql.fold('sum')}({done})"
        ),
        RecordingRule(
            record="butterfly:byzantine_fault_rate:1m",
            expr=f"{promql.fold('sum', 'node_id', 'fault_type')}({faults})",
        ),
    )
