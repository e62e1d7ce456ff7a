"""Example queries that are about no single metric, and those on the SDK's own metrics."""

from __future__ import annotations

from butterfly_otel.catalog.queries.model import Query

_BOTTLENECKS, _CAPACITY, _OBJECTIVES = "Finding bottlenecks", "Capacity planning", "SLO monitoring"

#: The specification's usage examples, by its headings.
USAGE = (
    Query(
        subject=_BOTTLENECKS,
        tells="The five slowest layers.",
        expr=(
            "topk(5, histogram_quantile(0.99, sum by (model, layer_id, le)"
            " (rate(butterfly_layer_compute_duration_seconds_bucket[5m]))))"
        ),
    ),
    Query(
        subject=_BOTTLENECKS,
        tells="The five nodes that are farthest from a coordinator.",
        expr=(
            "topk(5, histogram_quantile(0.99, sum by (from_node, le)"
            ' (rate(butterfly_connection_latency_seconds_bucket{to_node=~"coordinator.*"}[5m]))))'
        ),
    ),
    Query(
        subject=_BOTTLENECKS,
        tells="What most memory is used for.",
        expr="topk(5, sum by (pool) (butterfly_memory_allocated_bytes))",
    ),
    Query(
        subject=_CAPACITY,
        tells="Share of all CPUs in use.",
        expr="avg(avg by (node_id) (butterfly_cpu_usage_ratio))",
    ),
    Query(
        subject=_CAPACITY,
        tells="Share of all GPUs in use.",
        expr="avg(butterfly_gpu_utilization_ratio)",
    ),
    Query(
        subject=_CAPACITY,
        tells="Memory in use, of the most that has ever been; a peak is no capacity.",
        expr="sum(butterfly_memory_allocated_bytes) / sum(butterfly_memory_peak_bytes)",
    ),
    Query(
        subject=_CAPACITY,
        tells="Requests a second that clients send: each counts once, at its coordinator.",
        expr='sum(rate(butterfly_requests_total{node_role="coordinator"}[1h]))',
    ),
    Query(
        subject=_CAPACITY,
        tells="Tokens a second over an hour.",
        expr="sum(rate(butterfly_tokens_processed_total[1h]))",
    ),
    Query(
        subject=_CAPACITY,
        tells="Share of each node's memory in use, of what it may use.",
        expr=(
            "max by (node_id) (butterfly_otel_memory_used_bytes)"
            " / on (node_id) max by (node_id) (butterfly_otel_memory_limit_bytes)"
        ),
        own=True,
    ),
    Query(
        subject=_OBJECTIVES,
        tells="Availability over the period; the objective is 0.999.",
        expr=(
            'sum(rate(butterfly_requests_total{node_role="coordinator",'
            'method!="health_check",status="success"}[7d]))'
            ' / sum(rate(butterfly_requests_total{node_role="coordinator",'
            'method!="health_check"}[7d]))'
        ),
    ),
    Query(
        subject=_OBJECTIVES,
        tells="Share of inference requests under 5 s over the period; the objective is 0.99.",
        expr=(
            "sum(rate(butterfly_request_duration_seconds_bucket"
            r'{node_role="coordinator",method="inference",le=~"5|5\\.0"}[7d]))'
            " / sum(rate(butterfly_request_duration_seconds_count"
            '{node_role="coordinator",method="inference"}[7d]))'
        ),
    ),
    Query(
        subject=_OBJECTIVES,
        tells="Tokens a second over the period; the objective is 1000.",
        expr="sum(rate(butterfly_tokens_processed_total[7d]))",
    ),
    Query(
        subject=_OBJECTIVES,
        tells="Error budgets that are left, as docs/prometheus_rules.yml records them.",
        expr="butterfly:slo_error_budget_remaining:7d",
        own=True,
        always=False,
    ),
)

#: On the SDK's own metrics, which a healthy node may have no series of.
TELEMETRY = tuple(
    Query(subject=f"butterfly_otel_{name}", tells=tells, expr=expr, own=True, always=False)
    for name, tells, expr in (
        (
            "label_violations_total",
            "Labels that broke the contract, within ten minutes.",
            "sum by (metric, label, reason) (increase(butterfly_otel_label_violations_total[10m]))",
        ),
        (
            "invalid_measurements_total",
            "Values that were ignored, within ten minutes.",
            "sum by (metric, reason) (increase(butterfly_otel_invalid_measurements_total[10m]))",
        ),
        (
            "callback_errors_total",
            "Callbacks that raised, within ten minutes.",
            "sum by (metric) (increase(butterfly_otel_callback_errors_total[10m]))",
        ),
        (
            "exports_total",
            "Batches that were not taken, within ten minutes.",
            'sum by (exporter) (increase(butterfly_otel_exports_total{status="error"}[10m]))',
        ),
        (
            "rejected_points_total",
            "Points that a receiver did not take and that are not sent again, within ten minutes.",
            "sum by (exporter, reason) (increase(butterfly_otel_rejected_points_total[10m]))",
        ),
        (
            "scrape_omissions_total",
            "What scrapes have lacked, within ten minutes.",
            "sum by (reason) (increase(butterfly_otel_scrape_omissions_total[10m]))",
        ),
        (
            "scrape_refusals_total",
            "Scrapes that were refused, within ten minutes.",
            "sum by (reason) (increase(butterfly_otel_scrape_refusals_total[10m]))",
        ),
        (
            "collector_up",
            "Collectors whose last round failed.",
            "butterfly_otel_collector_up == 0",
        ),
        (
            "collector_age_seconds",
            "Collectors that have read nothing for a minute.",
            "max by (instance, collector) (butterfly_otel_collector_age_seconds) > 60",
        ),
        (
            "collector_duration_seconds",
            "How long the slowest round of each collector takes.",
            "max by (collector) (butterfly_otel_collector_duration_seconds)",
        ),
        (
            "collector_errors_total",
            "Rounds that failed or did not end, within ten minutes.",
            "sum by (collector, reason) (increase(butterfly_otel_collector_errors_total[10m]))",
        ),
        ("device_up", "Devices that are lost.", "butterfly_otel_device_up == 0"),
        (
            "memory_limit_bytes",
            "Memory that each node has left.",
            (
                "max by (node_id) (butterfly_otel_memory_limit_bytes)"
                " - max by (node_id) (butterfly_otel_memory_used_bytes)"
            ),
        ),
        (
            "memory_used_bytes",
            "Nodes that use more than nine tenths of their memory.",
            (
                "max by (node_id) (butterfly_otel_memory_used_bytes)"
                " / max by (node_id) (butterfly_otel_memory_limit_bytes) > 0.9"
            ),
        ),
        (
            "request_first_item_seconds",
            "Time within which 99 % of streamed answers begin.",
            (
                "histogram_quantile(0.99, sum by (node_role, method, le)"
                " (rate(butterfly_otel_request_first_item_seconds_bucket[5m])))"
            ),
        ),
    )
)
