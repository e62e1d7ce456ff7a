"""The specification's nine alerts under their names, and NodeIsolated, which belongs to them.

Where an expression differs from the specification's, docs/contract.md (Rules) says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.rules.model import Alert, Group
from butterfly_otel.operate.rules.promql import HOUR, MINUTE, Promql, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.operate.rules.options import Thresholds


def alerts(promql: Promql) -> Group:
    """Return the group of all of them, in the specification's order."""
    makers: tuple[Callable[[Promql, Thresholds], Alert], ...] = (
        _high_error_rate,
        _high_latency,
        _cluster_below_quorum,
        _frequent_leader_changes,
        _byzantine_fault_detected,
        _high_memory_usage,
        _gpu_overheating,
        _network_partition,
        _node_isolated,
        _queue_buildup,
    )
    thresholds = promql.options.thresholds
    rules = tuple(make(promql, thresholds) for make in makers)
    return Group(name="butterfly_alerts", rules=rules)


def _percent(ratio: float) -> str:
    return f"{number(round(ratio * 100, 9))}%"


def _high_error_rate(promql: Promql, limits: Thresholds) -> Alert:
    failed = promql.recorded("butterfly:request_rate:1m", 'status="error"')
    counted = promql.recorded("butterfly:request_rate:1m")
    total = promql.fold("sum", "node_role", "method")
    return Alert(
        name="HighErrorRate",
        expr=(f"{total}({failed})\n/\n{total}({counted})\n> {number(limits.error_ratio)}"),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Many {{ $labels.method }} requests fail on {{ $labels.node_role }} nodes",
        description=(
            "{{ $value | humanizePercentage }} of {{ $labels.method }} requests fail on"
            f" {{{{ $labels.node_role }}}} nodes (threshold: {_percent(limits.error_ratio)})."
        ),
    )


def _high_latency(promql: Promql, limits: Thresholds) -> Alert:
    latency = promql.recorded("butterfly:p99_latency:1m", 'method="inference"')
    return Alert(
        name="HighLatency",
        expr=f"{latency} > {number(limits.latency_seconds)}",
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Inference is slow on {{ $labels.node_role }} nodes",
        description=(
            "P99 of inference requests on {{ $labels.node_role }} nodes is"
            ' {{ printf "%.1f" $value }} s'
            f" (threshold: {number(limits.latency_seconds)} s; more than 10 s show as 10)."
        ),
    )


def _cluster_below_quorum(promql: Promql, _limits: Thresholds) -> Alert:
    active = promql.series("butterfly_cluster_size", 'state="active"')
    quorum = promql.series("butterfly_quorum_size")
    return Alert(
        name="ClusterBelowQuorum",
        # The views of coordinators may differ: the worst of them counts.
        expr=f"{promql.fold('min')}({active}) < {promql.fold('max')}({quorum})",
        after=promql.after(MINUTE),
        severity="critical",
        summary="The cluster has lost its quorum",
        description=(
            f"Only {{{{ $value }}}} voting members are active;"
            f" {{{{ with {promql.asked('max', quorum)} }}}}{{{{ . | first | value }}}}{{{{ end }}}}"
            " are needed to decide anything."
        ),
    )


def _frequent_leader_changes(promql: Promql, limits: Thresholds) -> Alert:
    series = promql.series("butterfly_consensus_leader_changes_total")
    return Alert(
        name="FrequentLeaderChanges",
        # Every coordinator counts each election, and increase() extrapolates.
        expr=(
            f"round({promql.fold('max')}(increase({series}[{promql.window(HOUR)}])))"
            f" > {number(limits.leader_changes)}"
        ),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Leaders change often",
        description=(
            f"{{{{ $value }}}} leader changes in an hour (threshold:"
            f" {number(limits.leader_changes)})."
        ),
    )


def _byzantine_fault_detected(promql: Promql, _limits: Thresholds) -> Alert:
    grown = promql.grown("butterfly_byzantine_faults_detected_total", 10 * MINUTE)
    return Alert(
        name="ByzantineFaultDetected",
        expr=f"{promql.fold('sum', 'node_id', 'fault_type')}{grown} > 0",
        after=0,
        severity="critical",
        summary="Byzantine fault detected on {{ $labels.node_id }}",
        description=(
            '{{ printf "%.0f" $value }} faults of type {{ $labels.fault_type }} were detected on'
            " {{ $labels.node_id }} within ten minutes."
        ),
    )


def _high_memory_usage(promql: Promql, limits: Thresholds) -> Alert:
    # Pools may lie in the memory of GPUs, which no limit of the node holds: they stand in only
    # where nothing reads the node's own memory.
    used = promql.series("butterfly_otel_memory_used_bytes")
    pools = promql.recorded("butterfly:memory_used_bytes:1m")
    own = promql.series("butterfly_otel_memory_limit_bytes")
    # node_exporter knows no node_id: it is there where its job gives it one as a target label.
    machine = promql.series("node_memory_MemTotal_bytes", 'node_id!=""')
    left = promql.series("node_memory_MemAvailable_bytes", 'node_id!=""')
    most, on = promql.fold("max", "node_id"), promql.on("node_id")
    return Alert(
        name="HighMemoryUsage",
        expr=(
            f"(\n    {most}({used})\n  or\n    {most}({machine} - {left})\n"
            f"  or {on}\n    {pools}\n)\n"
            f"/ {on}\n"
            f"(\n    {most}({own})\n  or\n    {most}({machine})\n)\n"
            f"> {number(limits.memory_ratio)}"
        ),
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Memory of {{ $labels.node_id }} is nearly used up",
        description=(
            "{{ $labels.node_id }} uses {{ $value | humanizePercentage }} of its memory"
            f" (threshold: {_percent(limits.memory_ratio)})."
        ),
    )


def _gpu_overheating(promql: Promql, limits: Thresholds) -> Alert:
    celsius = promql.series("butterfly_gpu_temperature_celsius")
    hottest = promql.fold("max", "node_id", "gpu_id")
    return Alert(
        name="GPUOverheating",
        expr=f"{hottest}({celsius}) > {number(limits.gpu_celsius)}",
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="GPU {{ $labels.gpu_id }} of {{ $labels.node_id }} is too hot",
        description=(
            "GPU {{ $labels.gpu_id }} of {{ $labels.node_id }} has {{ $value }} °C"
            f" (threshold: {number(limits.gpu_celsius)} °C)."
        ),
    )


def _down(promql: Promql) -> str:
    least = promql.fold("min", "from_node", "to_node")
    return f"{least}({promql.series('butterfly_connection_active')})"


def _network_partition(promql: Promql, _limits: Thresholds) -> Alert:
    return Alert(
        name="NetworkPartition",
        expr=f"{_down(promql)} == 0",
        after=promql.after(MINUTE),
        severity="critical",
        summary="{{ $labels.from_node }} does not reach {{ $labels.to_node }}",
        description="The connection from {{ $labels.from_node }} to {{ $labels.to_node }} is down.",
    )


def _node_isolated(promql: Promql, limits: Thresholds) -> Alert:
    up = _down(promql)
    left = number(round(1 - limits.isolated_ratio, 12))
    return Alert(
        name="NodeIsolated",
        expr=(
            f"{promql.fold('avg', 'node_id')}(\n"
            f'    label_replace({up}, "node_id", "$1", "from_node", "(.+)")\n'
            "  or\n"
            f'    label_replace({up}, "node_id", "$1", "to_node", "(.+)")\n'
            f") < {left}"
        ),
        after=promql.after(MINUTE),
        severity="critical",
        summary="{{ $labels.node_id }} is cut off",
        description=(
            "Only {{ $value | humanizePercentage }} of the connections from and to"
            " {{ $labels.node_id }} work."
        ),
        # For Alertmanager, which inhibits NetworkPartition where either label is equal.
        labels=(("from_node", "{{ $labels.node_id }}"), ("to_node", "{{ $labels.node_id }}")),
    )


def _queue_buildup(promql: Promql, limits: Thresholds) -> Alert:
    queued = promql.series("butterfly_tasks_queued")
    return Alert(
        name="QueueBuildup",
        expr=f"{promql.fold('sum', 'node_id')}({queued}) > {number(limits.queued_tasks)}",
        after=promql.after(5 * MINUTE),
        severity="warning",
        summary="Tasks pile up on {{ $labels.node_id }}",
        description=(
            "{{ $value }} tasks wait on {{ $labels.node_id }}"
            f" (threshold: {number(limits.queued_tasks)})."
        ),
    )
