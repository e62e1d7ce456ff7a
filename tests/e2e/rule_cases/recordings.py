"""Stories of the specification's recording rules and of those of the objectives."""

from __future__ import annotations

from .model import RecordCase, s

A, B = {"instance": "a", "job": "butterfly"}, {"instance": "b", "job": "butterfly"}


# Of gauges, the last five samples have the average of the last four: a window of a minute
# holds four of them in Prometheus 3 and five in 2.42.


def requests(role: str, method: str, status: str, **target: str) -> str:
    """Return a series of requests."""
    name = "butterfly_requests_total"
    return s(name, node_role=role, method=method, status=status, **target)


def errors(kind: str, **target: str) -> str:
    """Return a series of errors."""
    name = "butterfly_request_errors_total"
    return s(name, node_role="compute", method="inference", error_type=kind, **target)


def bucket(bound: str, method: str = "inference", role: str = "coordinator", **target: str) -> str:
    """Return a bucket of the requests' duration."""
    name = "butterfly_request_duration_seconds_bucket"
    return s(name, node_role=role, method=method, le=bound, **target)


def sent(suffix: str = "", **labels: str) -> str:
    """Return a series of bytes sent; a receiver of OTLP may append a suffix."""
    return s(f"butterfly_network_bytes_sent{suffix}", protocol="quic", **labels)


def received(suffix: str = "", **labels: str) -> str:
    """Return a series of bytes received."""
    return s(f"butterfly_network_bytes_received{suffix}", protocol="quic", **labels)


AGGREGATIONS = (
    RecordCase(
        "butterfly:request_rate:1m",
        "nodes of a role add up, a restart is no fall, and what has ended is gone",
        {
            requests("coordinator", "inference", "success", **A): "0+15x20 _x40",
            requests("coordinator", "inference", "success", **B): "900+30x7 0+30x12 _x40",
            requests("coordinator", "inference", "error", **A): "0+3x20 _x40",
            requests("compute", "checkpoint", "success", **B): "0+6x20 _x40",
        },
        {
            "5m": {
                'butterfly:request_rate:1m{method="inference",node_role="coordinator",'
                'status="success"}': 3,
                'butterfly:request_rate:1m{method="inference",node_role="coordinator",'
                'status="error"}': 0.2,
                'butterfly:request_rate:1m{method="checkpoint",node_role="compute",'
                'status="success"}': 0.4,
            },
            "14m": {},
        },
    ),
    RecordCase(
        "butterfly:error_rate:1m",
        "errors a second by type, over all nodes of a role",
        {
            errors("oom", **A): "0+3x20",
            errors("oom", **B): "0+6x20",
            errors("timeout", **B): "5+0x20",
        },
        {
            "4m": {
                'butterfly:error_rate:1m{error_type="oom",method="inference",'
                'node_role="compute"}': 0.6,
                'butterfly:error_rate:1m{error_type="timeout",method="inference",'
                'node_role="compute"}': 0,
            }
        },
    ),
    RecordCase(
        "butterfly:p99_latency:1m",
        "the quantile of all nodes of a role, whichever way they spell a boundary",
        {
            bucket("1.0", **A): "0+90x20",
            bucket("5.0", **A): "0+90x8 720+98x12",
            bucket("10.0", **A): "0+100x20",
            bucket("+Inf", **A): "0+100x20",
            bucket("1", **B): "0+90x20",
            bucket("5", **B): "0+94x20",
            bucket("10", **B): "0+100x20",
            bucket("+Inf", **B): "0+100x20",
            bucket("1.0", instance="c"): "0+10x20",
            bucket("5.0", instance="c"): "0+10x20",
            bucket("10.0", instance="c"): "0+10x20",
            bucket("+Inf", instance="c"): "0+10x20",
            bucket("1.0", "checkpoint"): "0+100x20",
            bucket("+Inf", "checkpoint"): "0+100x20",
        },
        {
            "4m": {
                'butterfly:p99_latency:1m{method="inference",node_role="coordinator"}': 8.6875,
                'butterfly:p99_latency:1m{method="checkpoint",node_role="coordinator"}': 0.99,
            }
        },
    ),
    RecordCase(
        "butterfly:p50_latency:1m",
        "the median, by role and method",
        {
            bucket("1.0", **A): "0+10x8 80+40x12",
            bucket("5.0", **A): "0+100x20",
            bucket("+Inf", **A): "0+100x20",
            bucket("1.0", **B): "0+60x20",
            bucket("5.0", **B): "0+100x20",
            bucket("+Inf", **B): "0+100x20",
            bucket("1.0", role="compute", **A): "0+100x20",
            bucket("+Inf", role="compute", **A): "0+100x20",
            bucket("1.0", "checkpoint", **A): "0+0x20",
            bucket("5.0", "checkpoint", **A): "0+100x20",
            bucket("+Inf", "checkpoint", **A): "0+100x20",
        },
        {
            "4m": {
                'butterfly:p50_latency:1m{method="inference",node_role="coordinator"}': 1,
                'butterfly:p50_latency:1m{method="inference",node_role="compute"}': 0.5,
                'butterfly:p50_latency:1m{method="checkpoint",node_role="coordinator"}': 3,
            }
        },
    ),
    RecordCase(
        "butterfly:cluster_throughput:1m",
        "tokens a second of all nodes and models",
        {
            s("butterfly_tokens_processed_total", node_id="n1", model="m", **A): "0+1500x20",
            s("butterfly_tokens_processed_total", node_id="n2", model="m", **B): "7+3000x20",
        },
        {"4m": {"butterfly:cluster_throughput:1m": 300}},
    ),
    RecordCase(
        "butterfly:network_bandwidth:1m",
        "sent and received add up, under the contract's name or with the suffix of OTLP",
        {
            sent(from_node="n1", to_node="n2", **A): "0+150x20",
            sent("_total", from_node="n2", to_node="n1", **B): "0+300x20",
            received(from_node="n1", to_node="n2", **A): "0+150x20",
            received("_total", from_node="n2", to_node="n1", **B): "0+300x20",
        },
        {"4m": {"butterfly:network_bandwidth:1m": 60}},
    ),
    RecordCase(
        "butterfly:network_bandwidth:1m",
        "a counter that arrives under both names counts once",
        {
            sent(from_node="n1", to_node="n2", **A): "0+150x20",
            sent("_total", from_node="n1", to_node="n2", **A): "0+150x20",
            received(from_node="n1", to_node="n2", **A): "0+150x20",
            received("_total", from_node="n1", to_node="n2", **A): "0+150x20",
        },
        {"4m": {"butterfly:network_bandwidth:1m": 20}},
    ),
    RecordCase(
        "butterfly:cpu_usage_avg:1m",
        "a node of two cores counts as much as one that reports the whole, over a minute",
        {
            s("butterfly_cpu_usage_ratio", node_id="n1", core="0", **A): "0.1x7 0.4 0.2"
            " 0.6 0.2 0.6",
            s("butterfly_cpu_usage_ratio", node_id="n1", core="1", **A): "0.6x20",
            s("butterfly_cpu_usage_ratio", node_id="n2", **B): "0.8x20",
        },
        {"3m": {"butterfly:cpu_usage_avg:1m": 0.65}},
    ),
    RecordCase(
        "butterfly:gpu_utilization_avg:1m",
        "the average over a minute of all GPUs",
        {
            s("butterfly_gpu_utilization_ratio", node_id="n1", gpu_id="0", **A): "0.1x7 0.5"
            " 0 1 0 1",
            s("butterfly_gpu_utilization_ratio", node_id="n2", gpu_id="0", **B): "1x20",
        },
        {"3m": {"butterfly:gpu_utilization_avg:1m": 0.75}},
    ),
    RecordCase(
        "butterfly:memory_used_bytes:1m",
        "the pools of a node add up, averaged over a minute; nodes stay apart",
        {
            s("butterfly_memory_allocated_bytes", node_id="n1", pool="model", **A): "9x7 200"
            " 100 300 100 300",
            s("butterfly_memory_allocated_bytes", node_id="n1", pool="tensor", **A): "50x20",
            s("butterfly_memory_allocated_bytes", node_id="n2", pool="model", **B): "7x20",
        },
        {
            "3m": {
                'butterfly:memory_used_bytes:1m{node_id="n1"}': 250,
                'butterfly:memory_used_bytes:1m{node_id="n2"}': 7,
            }
        },
    ),
    RecordCase(
        "butterfly:task_completion_rate:1m",
        "successes of all nodes and nothing else",
        {
            s("butterfly_tasks_completed_total", node_id="n1", status="success", **A): "0+15x20",
            s("butterfly_tasks_completed_total", node_id="n2", status="success", **B): "0+30x20",
            s("butterfly_tasks_completed_total", node_id="n2", status="error", **B): "0+60x20",
        },
        {"4m": {"butterfly:task_completion_rate:1m": 3}},
    ),
    RecordCase(
        "butterfly:byzantine_fault_rate:1m",
        "by node and type, whoever reports",
        {
            s(
                "butterfly_byzantine_faults_detected_total",
                node_id="n1",
                fault_type="merkle_mismatch",
                **A,
            ): "0+3x20",
            s(
                "butterfly_byzantine_faults_detected_total",
                node_id="n1",
                fault_type="merkle_mismatch",
                **B,
            ): "0+6x20",
            s(
                "butterfly_byzantine_faults_detected_total",
                node_id="n2",
                fault_type="invalid_signature",
                **B,
            ): "4+0x20",
        },
        {
            "4m": {
                'butterfly:byzantine_fault_rate:1m{fault_type="merkle_mismatch",node_id="n1"}': 0.6,
                'butterfly:byzantine_fault_rate:1m{fault_type="invalid_signature",node_id="n2"}': 0,
            }
        },
    ),
)

#: Two coordinators: 10 requests a second, 1 of 100 fails; compute nodes and probes don't count.
_AVAILABILITY = {
    requests("coordinator", "inference", "success", **A): "0+297x900",
    requests("coordinator", "inference", "error", **A): "0+3x900",
    requests("coordinator", "checkpoint", "success", **B): "0+300x900",
    requests("coordinator", "health_check", "success", **A): "0+6000x900",
    requests("coordinator", "health_check", "error", **A): "0+600x900",
    requests("compute", "inference", "error", **A): "0+600x900",
}
#: Of 10 inference requests a second 2 % take longer than 5 s; one coordinator arrives by OTLP.
_LATENCY = {
    bucket("1.0", **A): "0+150x900",
    bucket("5.0", **A): "0+294x900",
    bucket("5", **B): "0+294x900",
    bucket("10", **B): "0+299x900",
    bucket("5.0", "checkpoint", **A): "0+0x900",
    bucket("5.0", role="compute", **A): "0+0x900",
    s("butterfly_request_duration_seconds_count", node_role="coordinator", method="inference", **A):
        "0+300x900",
    s("butterfly_request_duration_seconds_count", node_role="coordinator", method="inference", **B):
        "0+300x900",
    s("butterfly_request_duration_seconds_count", node_role="coordinator", method="checkpoint"):
        "0+300x900",
    s("butterfly_request_duration_seconds_count", node_role="compute", method="inference"):
        "0+300x900",
}  # fmt: skip
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d")


def _steady(slo: str, series: dict[str, str], values: dict[str, float]) -> tuple[RecordCase, ...]:
    """Return a case for each series of an objective, at a time by which each is steady."""
    return tuple(
        RecordCase(
            record,
            f"{slo}, steady",
            series,
            {"1h": {f'{record}{{slo="{slo}"}}': value}},
            interval="1m",
            select=f'{{slo="{slo}"}}',
        )
        for record, value in values.items()
    )


#: All fails for the first ten minutes, and nothing thereafter.
_BURST = {
    requests("coordinator", "inference", "error", **A): "0+60x10 600+0x1500",
    requests("coordinator", "inference", "success", **A): "0+0x10 0+60x1500",
}
#: When a window no longer sees the burst: with it, errors are recorded for 15 minutes.
_FORGOTTEN = {"5m": "17m", "30m": "48m", "1h": "78m", "2h": "138m", "6h": "378m", "1d": "1458m"}


def _after_burst(window: str, time: str) -> RecordCase:
    record = f"butterfly:slo_error_ratio:{window}"
    return RecordCase(
        record,
        "a burst is forgotten once it is out of the window",
        _BURST,
        {time: {f'{record}{{slo="availability"}}': 0}},
        interval="1m",
        select='{slo="availability"}',
    )


OBJECTIVES = (
    *_steady(
        "availability",
        _AVAILABILITY,
        {
            "butterfly:slo_errors:rate5m": 0.05,
            "butterfly:slo_requests:rate5m": 10,
            **{f"butterfly:slo_error_ratio:{window}": 0.005 for window in _WINDOWS},
            "butterfly:slo_objective:ratio": 0.999,
            "butterfly:slo_error_budget:ratio": 0.001,
            "butterfly:slo_burn_rate:1h": 5,
            "butterfly:slo_error_budget_remaining:7d": -4,
        },
    ),
    *_steady(
        "latency",
        _LATENCY,
        {
            "butterfly:slo_errors:rate5m": 0.2,
            "butterfly:slo_requests:rate5m": 10,
            **{f"butterfly:slo_error_ratio:{window}": 0.02 for window in _WINDOWS},
            "butterfly:slo_objective:ratio": 0.99,
            "butterfly:slo_error_budget:ratio": 0.01,
            "butterfly:slo_burn_rate:1h": 2,
            "butterfly:slo_error_budget_remaining:7d": -1,
        },
    ),
    RecordCase(
        "butterfly:slo_error_ratio:1h",
        "without any failed request the share is 0, without any request there is none",
        {requests("coordinator", "inference", "success", **A): "0+60x60 _x120"},
        {
            "30m": {'butterfly:slo_error_ratio:1h{slo="availability"}': 0},
            "150m": {},
        },
        interval="1m",
    ),
    *(_after_burst(window, time) for window, time in _FORGOTTEN.items()),
    RecordCase(
        "butterfly:cluster_throughput:7d",
        "the average of the period, labelled with its objective",
        {s("butterfly_tokens_processed_total", node_id="n1", model="m"): "0+15000x160"},
        # The first window was half empty.
        {"30m": {'butterfly:cluster_throughput:7d{slo="throughput"}': 987.5}},
    ),
)
CASES = (*AGGREGATIONS, *OBJECTIVES)
