"""Requests: how many come, how long they wait and take, and what becomes of them."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from butterfly_otel.demo.pipeline import TOKENS_PER_PASS
from butterfly_otel.demo.size import TASK_POOL
from butterfly_otel.demo.world import DT

if TYPE_CHECKING:
    from butterfly_otel.demo.consensus import Consensus
    from butterfly_otel.demo.pipeline import Pipeline
    from butterfly_otel.demo.step import Method, TaskStatus, WorkingRole
    from butterfly_otel.demo.world import Node, World

#: Requests a second: the middle of the wave, and what the cluster can serve at full pace.
USUAL_RATE, FULL_RATE = 16.0, 60.0
#: A "day" of the load's wave, compressed, and how far it swings.
_DAY, _SWING = 1200.0, 0.4
#: Bursts: chance a second, least and most seconds, and by how much more comes.
_BURST, _BURST_LASTS, _BURST_FACTOR = 1 / 150, (15.0, 40.0), 1.5
#: Clients ask less when this many requests wait.
_PATIENCE = 250.0
#: Seconds after which a client gives up, and the same while nobody can decide anything.
_TIMEOUT, _NO_LEADER_TIMEOUT = 30.0, 4.0
_MEAN_TOKENS, _MOST_TOKENS = 170.0, 640
#: Chances of a request to fail: always, by memory pressure, by a Byzantine node, and a
#: second while a node of its pipeline is gone.
_BAD_LUCK, _OUT_OF_MEMORY, _LIED_TO, _CUT_OFF = 0.0006, 0.13, 0.025, 0.12
#: Seconds between two health checks of a node.
_HEALTH_CHECK_EVERY = 5
#: The contract's budget of task ids.
_TASK_BUDGET = 100


@dataclass(slots=True, order=True)
class Request:
    """One inference request; ordered by the time at which it ends."""

    ends: float
    arrived: float = field(compare=False)
    model: str = field(compare=False)
    tokens: int = field(compare=False)
    service: float = field(default=0.0, compare=False)


class Workload:
    """The inference requests of a world."""

    def __init__(self, world: World, pipeline: Pipeline, consensus: Consensus) -> None:
        self._world = world
        self._pipeline = pipeline
        self._consensus = consensus
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self._room = 0.0
        self._burst_until = 0.0
        self._home = 0
        self._in_flight: Counter[tuple[WorkingRole, Method]] = Counter()

    def rate(self) -> float:
        """Return the requests a second that clients would like to send now."""
        world = self._world
        if world.chance.happens(_BURST * DT):
            self._burst_until = world.clock + world.chance.uniform(*_BURST_LASTS)
        wave = 1 + _SWING * math.sin(2 * math.pi * world.clock / _DAY)
        burst = _BURST_FACTOR if world.clock < self._burst_until else 1.0
        impatience = 1 + (len(self.waiting) / _PATIENCE) ** 4
        return USUAL_RATE * wave * burst * world.surge / impatience

    def advance(self, *, lost_node: bool) -> None:
        """Let requests arrive, start, run, end and fail."""
        self._arrive()
        if lost_node:
            self._reassign()
        if self._pipeline.broken:
            self._cut_off()
        self._give_up()
        self._start()
        self._run()
        self._finish()
        self._check_health()
        self._queues()
        self.count_in_flight("coordinator", "inference", len(self.waiting) + len(self.running))
        self.count_in_flight("compute", "inference", len(self.running))

    def count_in_flight(self, role: WorkingRole, method: Method, now: int) -> None:
        """Record how the number of requests in flight has changed."""
        self._world.step.in_flight[role, method] += now - self._in_flight[role, method]
        self._in_flight[role, method] = now

    def task_of(self, node: Node) -> str:
        """Return the id of the next task that runs on a node; ids are used again and again."""
        nodes = self._world.size.compute
        pool = max(TASK_POOL, min(nodes, _TASK_BUDGET))
        turn = self._world.chance.randrange(max(1, TASK_POOL // nodes))
        return f"task_{(node.index + nodes * turn) % pool + 1:03d}"

    def _arrive(self) -> None:
        world, chance = self._world, self._world.chance
        for _ in range(chance.poisson(self.rate() * DT)):
            tokens = min(_MOST_TOKENS, max(8, round(chance.spread(_MEAN_TOKENS * 0.8, 0.6))))
            arrived = world.clock + chance.random() * DT
            model = chance.choice(world.size.model_names)
            self.waiting.append(Request(arrived, arrived, model, tokens))

    def _start(self) -> None:
        """Start what there is room for; nothing without a leader or with a broken pipeline."""
        world, pipeline, leader = self._world, self._pipeline, self._world.leader
        self._room = min(self._room, 2.0) + FULL_RATE * pipeline.capacity * DT
        used = 0
        now = world.clock + DT
        if leader is not None and pipeline.stages and not pipeline.broken:
            while self.waiting and self._room >= 1:
                request = self.waiting.popleft()
                self._room -= 1
                used += 1
                passes = math.ceil(request.tokens / TOKENS_PER_PASS)
                seconds = passes * pipeline.pass_seconds(request.model) + 0.02
                request.service = world.chance.spread(seconds, 0.15)
                # It started within the step if it did not have to wait for the step's end.
                waited = request.arrived < world.clock
                request.ends = (now if waited else request.arrived) + request.service
                heapq.heappush(self.running, request)
                for node in pipeline.nodes:
                    world.step.tasks_assigned[leader.node_id, node.node_id] += 1
        intensity = min(1.0, used / (FULL_RATE * max(0.2, pipeline.capacity) * DT))
        world.intensity += (intensity - world.intensity) * 0.2

    def _run(self) -> None:
        """Run the passes of a step, and count their waits."""
        world, pipeline = self._world, self._pipeline
        if pipeline.broken or not pipeline.stages:
            return
        sequences = Counter(request.model for request in self.running)
        for model in sorted(sequences):
            pipeline.run(model, sequences[model])
        for node in pipeline.nodes:
            if sequences:
                wait = world.chance.spread(0.006 / node.pace, 0.6)
                world.step.barrier_waits.append(("batch_sync", node.node_id, wait))
            if world.leader is None:
                world.step.stalls[node.node_id, "consensus_wait"] += 1
            if world.chance.happens(0.02):
                world.step.stalls[node.node_id, "network_wait"] += 1
            if node.pressured:
                stalls = world.chance.poisson(1.5)
                world.step.stalls[node.node_id, "memory_pressure"] += stalls

    def _finish(self) -> None:
        now = self._world.clock + DT
        while self.running and self.running[0].ends <= now:
            request = heapq.heappop(self.running)
            error, culprit = self._failure()
            if error is None:
                self._succeed(request)
            else:
                self._fail(request, error, culprit)

    def _failure(self) -> tuple[str | None, Node | None]:
        chance = self._world.chance
        for node in self._pipeline.nodes:
            if node.pressured and chance.happens(_OUT_OF_MEMORY):
                return "oom", node
            if node.byzantine and chance.happens(_LIED_TO):
                return "byzantine_fault", node
        if chance.happens(_BAD_LUCK):
            nodes = self._pipeline.nodes
            kind = chance.choice(("timeout", "network_error"))
            return kind, chance.choice(nodes) if nodes else None
        return None, None

    def _succeed(self, request: Request) -> None:
        step, nodes, chance = self._world.step, self._pipeline.nodes, self._world.chance
        step.requests["coordinator", "inference", "success"] += 1
        step.request_seconds.append(("coordinator", "inference", request.ends - request.arrived))
        step.requests["compute", "inference", "success"] += len(nodes)
        for node in nodes:
            share = chance.spread(request.service / len(nodes), 0.2)
            step.request_seconds.append(("compute", "inference", share))
            step.tasks_completed[node.node_id, "success"] += 1
            wait = chance.spread(0.008 / node.pace, 0.9)
            step.dependency_waits.append((self.task_of(node), node.node_id, wait))
        if nodes:
            # One node samples a sequence's tokens, so that the sum over nodes is the cluster's.
            self._home += 1
            home = nodes[self._home % len(nodes)].node_id
            step.tokens[request.model, home] += request.tokens
            step.sequences[request.model, home] += 1

    def _fail(self, request: Request, error: str, culprit: Node | None) -> None:
        step, nodes = self._world.step, self._pipeline.nodes
        step.requests["coordinator", "inference", "error"] += 1
        step.request_errors["coordinator", "inference", error] += 1
        took = max(0.01, request.ends - request.arrived)
        step.request_seconds.append(("coordinator", "inference", took))
        status: TaskStatus = "timeout" if error == "timeout" else "error"
        for node in nodes if culprit is not None else ():
            if node is culprit:
                step.requests["compute", "inference", "error"] += 1
                step.request_errors["compute", "inference", error] += 1
                step.tasks_completed[node.node_id, status] += 1
                break
            step.requests["compute", "inference", "success"] += 1
            step.tasks_completed[node.node_id, "success"] += 1

    def _cut_off(self) -> None:
        """Fail some of the requests that run through a node that is gone; hold up the rest."""
        world, now = self._world, self._world.clock + DT
        gone = next((node for node in self._pipeline.nodes if not node.works), None)
        kept: list[Request] = []
        for request in self.running:
            if world.chance.happens(_CUT_OFF * DT):
                request.ends = now
                self._fail(request, "network_error", gone)
            else:
                request.ends += DT
                kept.append(request)
        heapq.heapify(kept)
        self.running = kept

    def _reassign(self) -> None:
        """Give the running tasks of a lost node to the one that took over its layers."""
        step, nodes, leader = self._world.step, self._pipeline.nodes, self._world.leader
        step.reassignments["node_failure"] += len(self.running)
        if leader is not None and nodes:
            for turn in range(len(self.running)):
                step.tasks_assigned[leader.node_id, nodes[turn % len(nodes)].node_id] += 1

    def _give_up(self) -> None:
        """Time out what has waited too long."""
        world, now = self._world, self._world.clock + DT
        patience = _TIMEOUT if self._consensus.quorate else _NO_LEADER_TIMEOUT
        while self.waiting and now - self.waiting[0].arrived > patience:
            request = self.waiting.popleft()
            request.ends = request.arrived + patience
            self._fail(request, "timeout", None)
            if world.chance.happens(0.3):
                world.step.reassignments["timeout"] += 1

    def _check_health(self) -> None:
        world = self._world
        for place, node in enumerate(world.nodes):
            if node.up and (round(world.clock) + place) % _HEALTH_CHECK_EVERY == 0:
                world.step.requests[node.role, "health_check", "success"] += 1

    def _queues(self) -> None:
        """Let what waits wait where the pipeline is slowest."""
        world, nodes = self._world, self._pipeline.nodes
        slowest = min(nodes, key=lambda node: node.pace, default=None)
        for node in world.compute:
            node.queued = world.chance.poisson(1 + 2 * world.intensity) if node.up else 0
        if slowest is not None:
            slowest.queued += len(self.waiting)
            if slowest.pace < 1 and world.chance.happens(0.5):
                world.step.reassignments["overload"] += 1
