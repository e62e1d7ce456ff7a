"""What happened in one step of the simulation: plain data, and all that is measured by calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from butterfly_otel.settings.config import NodeRole

WorkingRole = Literal["coordinator", "compute"]
Method = Literal["inference", "checkpoint"]
AnyMethod = Literal["inference", "checkpoint", "health_check"]
Status = Literal["success", "error"]
TaskStatus = Literal["success", "error", "timeout"]
StallReason = Literal["memory_pressure", "network_wait", "consensus_wait"]
Protocol = Literal["quic", "grpc"]
MessageType = Literal["tensor", "checkpoint", "consensus", "heartbeat"]
ConnectionFailure = Literal["timeout", "refused", "reset", "encryption_error"]
DiskWrite = Literal["checkpoint_write", "log_append"]
DiskOperation = Literal["read", "write"]
CheckpointStatus = Literal["pending", "complete", "failed"]
Phase = Literal["snapshot", "write", "verify"]
Outcome = Literal["success", "partial", "failed"]
ReassignmentReason = Literal["node_failure", "timeout", "overload"]
FaultType = Literal["incorrect_result", "invalid_signature", "merkle_mismatch"]
CheckType = Literal["signature", "merkle_tree", "result_comparison"]
FailureType = Literal["signature_invalid", "merkle_mismatch", "result_divergence"]
CryptoOperation = Literal["sign", "verify", "encrypt", "decrypt"]


class LayerRun(NamedTuple):
    """One execution of one layer."""

    layer: int
    node: str
    model: str
    seconds: float
    input_bytes: float
    output_bytes: float


@dataclass(slots=True)
class Step:
    """One step's events: counts by their labels, in the contract's order, and single values.

    Attributes:
        clock: Simulated seconds since the start, at the end of the step.
        in_flight: By how much the requests in flight changed.
        passes: Forward passes, each the executions of all layers of a model.
        stages_changed: Whether layers moved to other nodes, so that gauges about them change.
        checkpoint_changes: By how much the checkpoints of a node in a status changed.
        checkpoints_deleted: Checkpoints that were given up for newer ones.
        notes: What a person watching should be told.
    """

    clock: float = 0.0
    requests: Counter[tuple[NodeRole, AnyMethod, Status]] = field(default_factory=Counter)
    in_flight: Counter[tuple[WorkingRole, Method]] = field(default_factory=Counter)
    request_errors: Counter[tuple[WorkingRole, Method, str]] = field(default_factory=Counter)
    request_seconds: list[tuple[WorkingRole, Method, float]] = field(default_factory=list)
    elections: list[float] = field(default_factory=list)
    heartbeat_failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    passes: list[list[LayerRun]] = field(default_factory=list)
    stages_changed: bool = False
    stalls: Counter[tuple[str, StallReason]] = field(default_factory=Counter)
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    sequences: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes_sent: Counter[tuple[str, str, Protocol]] = field(default_factory=Counter)
    bytes_received: Counter[tuple[str, str, Protocol]] = field(default_factory=Counter)
    messages_sent: Counter[tuple[str, str, MessageType]] = field(default_factory=Counter)
    messages_received: Counter[tuple[str, str, MessageType]] = field(default_factory=Counter)
    connection_errors: Counter[tuple[str, str, ConnectionFailure]] = field(default_factory=Counter)
    round_trips: list[tuple[str, str, float]] = field(default_factory=list)
    skews: dict[str, float] = field(default_factory=dict)
    disk_writes: list[tuple[str, DiskWrite, float]] = field(default_factory=list)
    disk_errors: Counter[tuple[str, DiskOperation]] = field(default_factory=Counter)
    checkpoint_changes: Counter[tuple[str, CheckpointStatus]] = field(default_factory=Counter)
    checkpoint_seconds: list[tuple[str, Phase, float]] = field(default_factory=list)
    checkpoint_sizes: list[tuple[str, str, float]] = field(default_factory=list)
    checkpoints_deleted: list[tuple[str, str]] = field(default_factory=list)
    recoveries: list[tuple[str, Outcome, float]] = field(default_factory=list)
    divergences: Counter[str] = field(default_factory=Counter)
    tasks_assigned: Counter[tuple[str, str]] = field(default_factory=Counter)
    tasks_completed: Counter[tuple[str, TaskStatus]] = field(default_factory=Counter)
    reassignments: Counter[ReassignmentReason] = field(default_factory=Counter)
    barrier_waits: list[tuple[str, str, float]] = field(default_factory=list)
    dependency_waits: list[tuple[str, str, float]] = field(default_factory=list)
    faults_detected: Counter[tuple[str, FaultType]] = field(default_factory=Counter)
    checks: Counter[tuple[str, CheckType]] = field(default_factory=Counter)
    check_failures: Counter[tuple[str, FailureType]] = field(default_factory=Counter)
    crypto_failures: Counter[tuple[str, CryptoOperation]] = field(default_factory=Counter)
    merkle_mismatches: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
