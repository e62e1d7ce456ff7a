"""Verification of the compute nodes' work, and what becomes of those that lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.demo.world import DT

if TYPE_CHECKING:
    from butterfly_otel.demo.pipeline import Pipeline
    from butterfly_otel.demo.step import CheckType, FailureType, FaultType
    from butterfly_otel.demo.workload import Workload
    from butterfly_otel.demo.world import Node, World

#: Chance a second that a lie is found, and what it costs in reputation.
_FOUND, _COSTS = 0.4, 0.07
#: Reputation gained a second by honest work, and the most there is.
_GAINED, _MOST = 0.002, 0.99
#: Share of results that are computed twice, and the chance a second of a failing operation.
_COMPARED, _CRYPTO_FAILS = 0.1, 0.0004


@dataclass(frozen=True, slots=True)
class _Lie:
    """A way to be wrong, and how it is found out."""

    fault: FaultType
    failure: FailureType


_LIES = (
    _Lie("invalid_signature", "signature_invalid"),
    _Lie("merkle_mismatch", "merkle_mismatch"),
    _Lie("incorrect_result", "result_divergence"),
)
#: What each failed check was.
_CHECKS: dict[FailureType, CheckType] = {
    "signature_invalid": "signature",
    "merkle_mismatch": "merkle_tree",
    "result_divergence": "result_comparison",
}


class Trust:
    """The verification of a world's results."""

    def __init__(self, world: World, pipeline: Pipeline, workload: Workload) -> None:
        self._world = world
        self._pipeline = pipeline
        self._workload = workload
        self._found = 0

    def advance(self) -> None:
        """Check a step's results."""
        step, chance = self._world.step, self._world.chance
        for node in self._pipeline.nodes:
            done = step.tasks_completed[node.node_id, "success"]
            step.checks[node.node_id, "signature"] += done
            step.checks[node.node_id, "merkle_tree"] += len(step.passes)
            compared = chance.poisson(done * _COMPARED)
            step.checks[node.node_id, "result_comparison"] += compared
            if node.byzantine and step.passes and chance.happens(_FOUND * DT):
                self._expose(node)
            else:
                node.reputation = min(_MOST, node.reputation + _GAINED * DT)
        for node in self._world.nodes:
            if node.up and chance.happens(_CRYPTO_FAILS * DT):
                step.crypto_failures[node.node_id, chance.choice(("encrypt", "decrypt"))] += 1

    def _expose(self, node: Node) -> None:
        step = self._world.step
        # Each kind in turn, so that a short fault shows all of them.
        lie = _LIES[self._found % len(_LIES)]
        self._found += 1
        step.faults_detected[node.node_id, lie.fault] += 1
        step.check_failures[node.node_id, lie.failure] += 1
        step.checks[node.node_id, _CHECKS[lie.failure]] += 1
        node.reputation = max(0.0, node.reputation - _COSTS)
        if lie.fault == "merkle_mismatch":
            step.merkle_mismatches[self._workload.task_of(node)] += 1
        elif lie.fault == "invalid_signature" and self._world.leader is not None:
            leader = self._world.leader.node_id
            step.crypto_failures[leader, "verify"] += 1
            step.crypto_failures[node.node_id, "sign"] += 1
            step.connection_errors[leader, node.node_id, "encryption_error"] += 1
