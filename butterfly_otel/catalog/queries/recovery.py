"""Example queries on checkpoints, coordination and Byzantine faults."""

from __future__ import annotations

from butterfly_otel.catalog.promql import new_within_hour
from butterfly_otel.catalog.queries.model import Query

_CHECKPOINTS = (
    Query(
        subject="butterfly_checkpoint_count",
        tells="Checkpoints of each node that are not complete yet.",
        expr='sum by (node_id) (butterfly_checkpoint_count{status="pending"})',
    ),
    Query(
        subject="butterfly_checkpoint_count",
        tells="Checkpoints by status, on all nodes together.",
        expr="sum by (status) (butterfly_checkpoint_count)",
        own=True,
    ),
    Query(
        subject="butterfly_checkpoint_duration_seconds",
        tells="P99 of each phase of a checkpoint.",
        expr=(
            "histogram_quantile(0.99, sum by (phase, le)"
            " (rate(butterfly_checkpoint_duration_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_checkpoint_size_bytes",
        tells="Average size of the checkpoints each node has.",
        expr=(
            "sum by (node_id) (butterfly_checkpoint_size_bytes_sum)"
            " / sum by (node_id) (butterfly_checkpoint_size_bytes_count)"
        ),
    ),
    Query(
        subject="butterfly_recovery_attempts_total",
        tells="Share of recoveries that succeed fully; no answer where there were none.",
        expr=(
            'sum(rate(butterfly_recovery_attempts_total{outcome="success"}[1h]))'
            " / sum(rate(butterfly_recovery_attempts_total[1h]))"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_recovery_attempts_total",
        tells="Share of recoveries that fail, wholly or in part.",
        expr=(
            'sum(rate(butterfly_recovery_attempts_total{outcome!="success"}[1h]))'
            " / sum(rate(butterfly_recovery_attempts_total[1h]))"
        ),
        own=True,
        always=False,
    ),
    Query(
        subject="butterfly_recovery_duration_seconds",
        tells="P99 of recoveries.",
        expr=(
            "histogram_quantile(0.99, sum by (le)"
            " (rate(butterfly_recovery_duration_seconds_bucket[1h])))"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_state_divergence_detected_total",
        tells="Pairs of nodes whose state differed within the hour, and how often.",
        expr=new_within_hour("sum by (node_id_pair) ", "butterfly_state_divergence_detected_total"),
        always=False,
    ),
)

_COORDINATION = (
    Query(
        subject="butterfly_tasks_queued",
        tells="Tasks that wait on each node.",
        expr="sum by (node_id) (butterfly_tasks_queued)",
    ),
    Query(
        subject="butterfly_tasks_queued",
        tells="Nodes on which more than 100 tasks wait.",
        expr="sum by (node_id) (butterfly_tasks_queued) > 100",
        always=False,
    ),
    Query(
        subject="butterfly_tasks_assigned_total",
        tells="Tasks a second that each node is given.",
        expr="sum by (to_node) (rate(butterfly_tasks_assigned_total[5m]))",
    ),
    Query(
        subject="butterfly_tasks_completed_total",
        tells="Tasks a second that each node completes.",
        expr='sum by (node_id) (rate(butterfly_tasks_completed_total{status="success"}[5m]))',
    ),
    Query(
        subject="butterfly_tasks_completed_total",
        tells="Share of each node's tasks that end with an error or a timeout.",
        expr=(
            'sum by (node_id) (rate(butterfly_tasks_completed_total{status!="success"}[5m]))'
            " / sum by (node_id) (rate(butterfly_tasks_completed_total[5m]))"
        ),
    ),
    Query(
        subject="butterfly_task_reassignments_total",
        tells="Reassignments a second, by reason.",
        expr="sum by (reason) (rate(butterfly_task_reassignments_total[5m]))",
    ),
    Query(
        subject="butterfly_barrier_wait_duration_seconds",
        tells="P99 of the wait at each barrier.",
        expr=(
            "histogram_quantile(0.99, sum by (barrier_id, le)"
            " (rate(butterfly_barrier_wait_duration_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_synchronization_skew_seconds",
        tells="Largest clock skew between any two nodes, in either direction.",
        expr="max(abs(butterfly_synchronization_skew_seconds))",
    ),
    Query(
        subject="butterfly_dependency_wait_duration_seconds",
        tells="P99 of each node's wait for what its tasks depend on.",
        expr=(
            "histogram_quantile(0.99, sum by (node_id, le)"
            " (rate(butterfly_dependency_wait_duration_seconds_bucket[5m])))"
        ),
        own=True,
    ),
)

_BYZANTINE = (
    Query(
        subject="butterfly_byzantine_faults_detected_total",
        tells="Faults a second, by type; a node's very first fault is not in it.",
        expr="sum by (fault_type) (rate(butterfly_byzantine_faults_detected_total[1h]))",
        always=False,
    ),
    Query(
        subject="butterfly_byzantine_faults_detected_total",
        tells="Faults of each node within the hour, its first one included.",
        expr=new_within_hour(
            "sum by (node_id, fault_type) ", "butterfly_byzantine_faults_detected_total"
        ),
        own=True,
        always=False,
    ),
    Query(
        subject="butterfly_verification_checks_total",
        tells="Checks a second, by kind.",
        expr="sum by (check_type) (rate(butterfly_verification_checks_total[5m]))",
    ),
    Query(
        subject="butterfly_verification_failures_total",
        tells="Share of the checks of each node that fail.",
        expr=(
            "sum by (node_id) (rate(butterfly_verification_failures_total[5m]))"
            " / sum by (node_id) (rate(butterfly_verification_checks_total[5m]))"
        ),
    ),
    Query(
        subject="butterfly_reputation_score",
        tells="Nodes of low reputation, as whoever trusts them least sees them.",
        expr="min by (node_id) (butterfly_reputation_score) < 0.5",
        always=False,
    ),
    Query(
        subject="butterfly_cryptographic_failures_total",
        tells="Failed cryptographic operations a second of each node.",
        expr="sum by (node_id, operation) (rate(butterfly_cryptographic_failures_total[5m]))",
    ),
    Query(
        subject="butterfly_merkle_root_mismatches_total",
        tells="Mismatches within the hour.",
        expr=new_within_hour("sum", "butterfly_merkle_root_mismatches_total"),
        always=False,
    ),
)
QUERIES = (*_CHECKPOINTS, *_COORDINATION, *_BYZANTINE)
