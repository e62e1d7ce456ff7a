"""The series that are known beforehand, begun at zero.

A counter born at 1 never shows in ``rate()``. ``configure()`` does this for the one node a
process is; this process stands for many, so each simulated node does it for its role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from butterfly_otel import metrics, node_pair

if TYPE_CHECKING:
    from butterfly_otel.demo.cluster import Cluster
    from butterfly_otel.demo.size import Size

_WORKING: tuple[Literal["coordinator", "compute"], ...] = ("coordinator", "compute")
_METHODS: tuple[Literal["inference", "checkpoint"], ...] = ("inference", "checkpoint")
_STATUSES: tuple[Literal["success", "error"], ...] = ("success", "error")


def start_at_zero(cluster: Cluster) -> None:
    """Begin the series of every simulated node whose labels are known."""
    size = cluster.world.size
    _requests(size)
    for near, far in cluster.world.links:
        _connection(near, far)
    for name in (*size.coordinator_ids, *size.compute_ids):
        _any_node(name)
    for name in size.compute_ids:
        _compute_node(name, size)
    for reason in ("node_failure", "timeout", "overload"):
        metrics.task_reassignments_total.add(0, reason=reason)
    metrics.consensus_leader_changes_total.add(0)
    # The only counter whose one label is neither closed nor a node: one id, so that it exists.
    metrics.merkle_root_mismatches_total.add(0, task_id="task_001")


def _requests(size: Size) -> None:
    for role in _WORKING:
        for method in _METHODS:
            metrics.requests_in_flight.add(0, node_role=role, method=method)
            for kind in ("timeout", "network_error"):
                metrics.request_errors_total.add(0, node_role=role, method=method, error_type=kind)
            for status in _STATUSES:
                metrics.requests_total.add(0, node_role=role, method=method, status=status)
        for kind in ("oom", "byzantine_fault"):
            errors = metrics.request_errors_total
            errors.add(0, node_role=role, method="inference", error_type=kind)
    for status in _STATUSES:
        metrics.requests_total.add(0, node_role="coordinator", method="health_check", status=status)
        metrics.requests_total.add(0, node_role="compute", method="health_check", status=status)
        if size.observers:
            metrics.requests_total.add(
                0, node_role="observer", method="health_check", status=status
            )


def _connection(near: str, far: str) -> None:
    for kind in ("timeout", "refused", "reset", "encryption_error"):
        metrics.connection_errors_total.add(0, from_node=near, to_node=far, error_type=kind)
    if near.startswith("coordinator") or far.startswith("coordinator"):
        metrics.consensus_heartbeat_failures_total.add(0, from_node=near, to_node=far)


def _any_node(name: str) -> None:
    for operation in ("sign", "verify", "encrypt", "decrypt"):
        metrics.cryptographic_failures_total.add(0, node_id=name, operation=operation)
    for disk in ("read", "write"):
        metrics.disk_io_errors_total.add(0, node_id=name, operation=disk)


def _compute_node(name: str, size: Size) -> None:
    for coordinator in size.coordinator_ids:
        metrics.tasks_assigned_total.add(0, from_coordinator=coordinator, to_node=name)
    for status in ("success", "error", "timeout"):
        metrics.tasks_completed_total.add(0, node_id=name, status=status)
    for reason in ("memory_pressure", "network_wait", "consensus_wait"):
        metrics.pipeline_stalls_total.add(0, node_id=name, reason=reason)
    for checkpoints in ("pending", "complete", "failed"):
        metrics.checkpoint_count.add(0, node_id=name, status=checkpoints)
    for outcome in ("success", "partial", "failed"):
        metrics.recovery_attempts_total.add(0, node_id=name, outcome=outcome)
    _verdicts(name)
    for model in size.model_names:
        metrics.tokens_processed_total.add(0, model=model, node_id=name)
        metrics.sequences_processed_total.add(0, model=model, node_id=name)
    after = size.compute_ids[(size.compute_ids.index(name) + 1) % size.compute]
    if after != name:
        metrics.state_divergence_detected_total.add(0, node_id_pair=node_pair(name, after))


def _verdicts(name: str) -> None:
    for fault in ("incorrect_result", "invalid_signature", "merkle_mismatch"):
        metrics.byzantine_faults_detected_total.add(0, node_id=name, fault_type=fault)
    for check in ("signature", "merkle_tree", "result_comparison"):
        metrics.verification_checks_total.add(0, node_id=name, check_type=check)
    for failure in ("signature_invalid", "merkle_mismatch", "result_divergence"):
        metrics.verification_failures_total.add(0, node_id=name, failure_type=failure)
