"""Checkpoints of the cluster, and nodes that restore their state from them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.demo.size import CHECKPOINT_EVERY, CHECKPOINTS_KEPT
from butterfly_otel.demo.world import DT, GIB
from butterfly_otel.handles.handles import node_pair

if TYPE_CHECKING:
    from butterfly_otel.demo.network import Network
    from butterfly_otel.demo.step import Outcome, Phase
    from butterfly_otel.demo.workload import Workload
    from butterfly_otel.demo.world import Node, World

_PHASES: tuple[Phase, ...] = ("snapshot", "write", "verify")
#: Seconds each phase usually takes, and a node needs to restore its state.
_TAKES = {"snapshot": 0.9, "write": 11.0, "verify": 2.2}
#: Time of the first checkpoint: soon, so that everything can be seen early.
_FIRST = 6.0
_SIZE, _BITS_WRITTEN_AT_ONCE = 1.6 * GIB, 4
#: Chances: that a write fails, that a recovery must be tried again, that states differ after it.
_WRITE_FAILS, _TRY_AGAIN, _DIVERGES = 0.002, 0.2, 0.4
#: Share of the nodes whose parts make a checkpoint that can be restored.
_ENOUGH = 2 / 3


@dataclass(slots=True)
class _Job:
    """One node's part in a checkpoint."""

    node: Node
    checkpoint: str
    began: float
    phase: int = 0
    left: float = 0.0
    took: float = 0.0


class Checkpoints:
    """The checkpoints of a world."""

    def __init__(self, world: World, network: Network, workload: Workload) -> None:
        self._world = world
        self._network = network
        self._workload = workload
        self._next = _FIRST
        self._number = 0
        self._jobs: list[_Job] = []
        self._kept: dict[str, deque[tuple[str, float]]] = {}
        self._recovering: dict[str, float] = {}
        self._failed: list[str] = []
        self._parts = 0
        for node in world.compute:
            self.recover(node, world.chance.uniform(1.5, 4.0))

    @property
    def running(self) -> bool:
        """Whether a checkpoint is being made."""
        return bool(self._jobs)

    def recover(self, node: Node, seconds: float) -> None:
        """Let a node restore its state, which takes it so long."""
        node.recovers_for = seconds
        self._recovering[node.node_id] = seconds

    def advance(self) -> None:
        """Begin a checkpoint when it is time, go on with it, let nodes recover."""
        world = self._world
        if world.clock >= self._next and world.leader is not None and not self._jobs:
            self._begin()
        for job in list(self._jobs):
            self._go_on(job)
        for node in world.compute:
            self._recover(node)
        # The coordinator holds one request, each compute node its own.
        self._workload.count_in_flight("coordinator", "checkpoint", int(bool(self._jobs)))
        self._workload.count_in_flight("compute", "checkpoint", len(self._jobs))

    def _begin(self) -> None:
        world = self._world
        self._next = world.clock + CHECKPOINT_EVERY
        self._number += 1
        for failed in self._failed:
            # What a failed checkpoint left behind is deleted when the next one begins.
            world.step.checkpoint_changes[failed, "failed"] -= 1
        self._failed = []
        self._parts = sum(node.works for node in world.compute)
        name = f"ckpt_{self._number:03d}"
        for node in world.compute:
            if node.works:
                job = _Job(node, name, world.clock)
                job.left = job.took = world.chance.spread(_TAKES["snapshot"], 0.3)
                self._jobs.append(job)
                world.step.checkpoint_changes[node.node_id, "pending"] += 1
                wait = world.chance.spread(0.3, 0.7)
                world.step.barrier_waits.append(("checkpoint_snapshot", node.node_id, wait))

    def _go_on(self, job: _Job) -> None:
        world, chance, phase = self._world, self._world.chance, _PHASES[job.phase]
        if not job.node.works:
            # A node that is gone counts nothing.
            self._end(job, error=None, lost=True)
            return
        if phase == "write":
            self._write(job)
        job.left -= DT
        if job.left > 0:
            return
        world.step.checkpoint_seconds.append((job.node.node_id, phase, job.took))
        if phase == "write" and chance.happens(_WRITE_FAILS):
            world.step.disk_errors[job.node.node_id, "write"] += 1
            self._end(job, error="disk_error")
        elif phase == "verify":
            self._end(job, error=None)
        else:
            job.phase += 1
            middle = _TAKES[_PHASES[job.phase]] * (1 + world.intensity / 2)
            job.left = job.took = chance.spread(middle, 0.35)

    def _write(self, job: _Job) -> None:
        """Write a part to the disk, and a copy of it to the leader."""
        world, chance = self._world, self._world.chance
        for _ in range(_BITS_WRITTEN_AT_ONCE):
            seconds = chance.spread(0.2, 0.5)
            world.step.disk_writes.append((job.node.node_id, "checkpoint_write", seconds))
        if world.leader is not None:
            part = _SIZE / max(1.0, job.took) / 8
            self._network.send(job.node, world.leader, "checkpoint", 4, part)

    def _end(self, job: _Job, error: str | None, *, lost: bool = False) -> None:
        step, name = self._world.step, job.node.node_id
        complete = error is None and not lost
        self._jobs.remove(job)
        step.checkpoint_changes[name, "pending"] -= 1
        step.checkpoint_changes[name, "complete" if complete else "failed"] += 1
        took = self._world.clock + DT - job.began
        if complete:
            self._keep(job.node, job.checkpoint)
        else:
            self._failed.append(name)
        if not lost:
            step.requests["compute", "checkpoint", "success" if complete else "error"] += 1
            step.request_seconds.append(("compute", "checkpoint", took))
        if error is not None:
            step.request_errors["compute", "checkpoint", error] += 1
        if not self._jobs:
            self._complete(job.checkpoint, took)

    def _complete(self, name: str, took: float) -> None:
        step = self._world.step
        enough = len(self._failed) <= self._parts * (1 - _ENOUGH)
        step.requests["coordinator", "checkpoint", "success" if enough else "error"] += 1
        step.request_seconds.append(("coordinator", "checkpoint", took))
        if not enough:
            step.request_errors["coordinator", "checkpoint", "incomplete_checkpoint"] += 1
        step.notes.append(f"{name} {'complete' if enough else 'is incomplete'}")

    def _keep(self, node: Node, name: str) -> None:
        """Keep a checkpoint on the node's disk, and the last few before it."""
        step, kept = self._world.step, self._kept.setdefault(node.node_id, deque())
        size = self._world.chance.spread(_SIZE, 0.25)
        step.checkpoint_sizes.append((node.node_id, name, size))
        kept.append((name, size))
        if len(kept) > CHECKPOINTS_KEPT:
            oldest, _ = kept.popleft()
            step.checkpoints_deleted.append((node.node_id, oldest))
            step.checkpoint_changes[node.node_id, "complete"] -= 1
        node.disk_checkpoint_bytes = sum(each for _, each in kept)

    def _recover(self, node: Node) -> None:
        world, chance = self._world, self._world.chance
        took = self._recovering.get(node.node_id)
        if took is None or not node.up:
            return
        node.recovers_for -= DT
        if node.recovers_for > 0:
            return
        if chance.happens(_TRY_AGAIN):
            outcome: Outcome = "partial" if chance.happens(0.6) else "failed"
            world.step.recoveries.append((node.node_id, outcome, took))
            if outcome == "failed":
                world.step.disk_errors[node.node_id, "read"] += 1
            self.recover(node, chance.spread(took * 0.6, 0.3))
            return
        world.step.recoveries.append((node.node_id, "success", took))
        del self._recovering[node.node_id]
        if world.clock > _FIRST and chance.happens(_DIVERGES):
            other = world.compute[(node.index + 1) % len(world.compute)]
            if other is not node:
                world.step.divergences[node_pair(node.node_id, other.node_id)] += 1
