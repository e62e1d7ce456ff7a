"""Counters and histograms: what a node measures at the moment something happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import metrics

if TYPE_CHECKING:
    from butterfly_otel.demo.step import LayerRun, Step


class Calls:
    """Turns the events of a step into calls of handles.

    Args:
        every: Of how many forward passes one is measured layer by layer.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._passes = 0

    def measure(self, step: Step) -> None:
        """Measure the events of a step."""
        _requests(step)
        _consensus(step)
        for runs in step.passes:
            if self._passes % self._every == 0:
                _layers(runs)
            self._passes += 1
        _computation(step)
        _traffic(step)
        _connections(step)
        _disks(step)
        _checkpoints(step)
        _tasks(step)
        _waits(step)
        _trust(step)


def _requests(step: Step) -> None:
    for (any_role, any_method, status), count in step.requests.items():
        metrics.requests_total.add(count, node_role=any_role, method=any_method, status=status)
    for (role, method), change in step.in_flight.items():
        if change:
            metrics.requests_in_flight.add(change, node_role=role, method=method)
    for (role, method, kind), count in step.request_errors.items():
        metrics.request_errors_total.add(count, node_role=role, method=method, error_type=kind)
    for role, method, seconds in step.request_seconds:
        metrics.request_duration_seconds.record(seconds, node_role=role, method=method)


def _consensus(step: Step) -> None:
    for seconds in step.elections:
        # Every coordinator counts each election; this process stands for one of them.
        metrics.consensus_leader_changes_total.inc()
        metrics.consensus_election_duration_seconds.record(seconds)
    for (near, far), count in step.heartbeat_failures.items():
        metrics.consensus_heartbeat_failures_total.add(count, from_node=near, to_node=far)


def _layers(runs: list[LayerRun]) -> None:
    for run in runs:
        metrics.layer_compute_duration_seconds.record(
            run.seconds, layer_id=run.layer, node_id=run.node, model=run.model
        )
        size = metrics.tensor_size_bytes
        size.record(run.input_bytes, layer_id=run.layer, direction="input")
        size.record(run.output_bytes, layer_id=run.layer, direction="output")


def _computation(step: Step) -> None:
    for (node, reason), count in step.stalls.items():
        metrics.pipeline_stalls_total.add(count, node_id=node, reason=reason)
    for (model, node), count in step.tokens.items():
        metrics.tokens_processed_total.add(count, model=model, node_id=node)
    for (model, node), count in step.sequences.items():
        metrics.sequences_processed_total.add(count, model=model, node_id=node)


def _traffic(step: Step) -> None:
    for (near, far, protocol), count in step.bytes_sent.items():
        metrics.network_bytes_sent.add(count, from_node=near, to_node=far, protocol=protocol)
    for (near, far, protocol), count in step.bytes_received.items():
        metrics.network_bytes_received.add(count, from_node=near, to_node=far, protocol=protocol)
    for (near, far, kind), count in step.messages_sent.items():
        sent = metrics.network_messages_sent_total
        sent.add(count, from_node=near, to_node=far, message_type=kind)
    for (near, far, kind), count in step.messages_received.items():
        received = metrics.network_messages_received_total
        received.add(count, from_node=near, to_node=far, message_type=kind)


def _connections(step: Step) -> None:
    for (near, far, kind), count in step.connection_errors.items():
        metrics.connection_errors_total.add(count, from_node=near, to_node=far, error_type=kind)
    for near, far, seconds in step.round_trips:
        metrics.connection_latency_seconds.record(seconds, from_node=near, to_node=far)
    for pair, seconds in step.skews.items():
        metrics.synchronization_skew_seconds.set(seconds, node_pair=pair)


def _disks(step: Step) -> None:
    for node, write, seconds in step.disk_writes:
        metrics.disk_write_duration_seconds.record(seconds, node_id=node, operation=write)
    for (node, operation), count in step.disk_errors.items():
        metrics.disk_io_errors_total.add(count, node_id=node, operation=operation)


def _checkpoints(step: Step) -> None:
    for (node, status), change in step.checkpoint_changes.items():
        if change:
            metrics.checkpoint_count.add(change, node_id=node, status=status)
    for node, phase, seconds in step.checkpoint_seconds:
        metrics.checkpoint_duration_seconds.record(seconds, node_id=node, phase=phase)
    for node, name, size in step.checkpoint_sizes:
        metrics.checkpoint_size_bytes.record(size, node_id=node, checkpoint_id=name)
    for node, name in step.checkpoints_deleted:
        metrics.checkpoint_size_bytes.remove(node_id=node, checkpoint_id=name)
    for node, outcome, seconds in step.recoveries:
        metrics.recovery_attempts_total.inc(node_id=node, outcome=outcome)
        metrics.recovery_duration_seconds.record(seconds, node_id=node)
    for pair, count in step.divergences.items():
        metrics.state_divergence_detected_total.add(count, node_id_pair=pair)


def _tasks(step: Step) -> None:
    for (coordinator, node), count in step.tasks_assigned.items():
        metrics.tasks_assigned_total.add(count, from_coordinator=coordinator, to_node=node)
    for (node, status), count in step.tasks_completed.items():
        metrics.tasks_completed_total.add(count, node_id=node, status=status)
    for reason, count in step.reassignments.items():
        metrics.task_reassignments_total.add(count, reason=reason)


def _waits(step: Step) -> None:
    for barrier, node, seconds in step.barrier_waits:
        wait = metrics.barrier_wait_duration_seconds
        wait.record(seconds, barrier_id=barrier, node_id=node)
    for task, node, seconds in step.dependency_waits:
        metrics.dependency_wait_duration_seconds.record(seconds, task_id=task, node_id=node)


def _trust(step: Step) -> None:
    for (node, fault), count in step.faults_detected.items():
        metrics.byzantine_faults_detected_total.add(count, node_id=node, fault_type=fault)
    for (node, check), count in step.checks.items():
        metrics.verification_checks_total.add(count, node_id=node, check_type=check)
    for (node, failure), count in step.check_failures.items():
        metrics.verification_failures_total.add(count, node_id=node, failure_type=failure)
    for (node, operation), count in step.crypto_failures.items():
        metrics.cryptographic_failures_total.add(count, node_id=node, operation=operation)
    for task, count in step.merkle_mismatches.items():
        metrics.merkle_root_mismatches_total.add(count, task_id=task)
