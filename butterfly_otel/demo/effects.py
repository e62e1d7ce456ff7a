"""What each kind of fault does to the world, and how it is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.demo.faults import INFO
from butterfly_otel.handles.handles import node_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from butterfly_otel.demo.checkpoints import Checkpoints
    from butterfly_otel.demo.faults import FaultKind, Planned
    from butterfly_otel.demo.pipeline import Pipeline
    from butterfly_otel.demo.world import Node, World

    #: Begins a fault; returns whom it hit and what ends it, or None where it can't hit now.
    Begin = Callable[[], tuple[list[Node], Callable[[], None]] | None]

#: Share of its pace that a slow node has, and by how much more clients ask meanwhile.
_SLOW_PACE, _SURGE = 0.25, 1.8
#: Least and most seconds a node needs to restore its state after it was away.
_RECOVERY = (8.0, 30.0)


@dataclass(slots=True)
class Active:
    """A fault that goes on.

    Attributes:
        detail: Whom it hit.
        ends: Simulated seconds since the start at which it is over.
    """

    kind: FaultKind
    victims: list[Node]
    ends: float
    undo: Callable[[], None]

    @property
    def detail(self) -> str:
        """The nodes it hit."""
        return ", ".join(node.node_id for node in self.victims)


class Faults:
    """Begins faults as planned, and ends them.

    Args:
        world: What they happen to.
        pipeline: Tells which nodes matter.
        checkpoints: From which nodes recover afterwards.
        plans: Sequences of faults, each in the order of their start.
    """

    def __init__(
        self,
        world: World,
        pipeline: Pipeline,
        checkpoints: Checkpoints,
        plans: Sequence[Iterator[Planned]],
    ) -> None:
        self._world = world
        self._pipeline = pipeline
        self._checkpoints = checkpoints
        self._plans = list(plans)
        self._next = [next(plan, None) for plan in self._plans]
        self.active: list[Active] = []
        self._kinds: dict[FaultKind, Begin] = {
            "node_failure": self._node_failure,
            "network_partition": self._network_partition,
            "quorum_loss": self._quorum_loss,
            "leader_failure": self._leader_failure,
            "leader_instability": self._leader_instability,
            "byzantine_fault": self._byzantine_fault,
            "gpu_overheating": self._gpu_overheating,
            "queue_buildup": self._queue_buildup,
            "memory_pressure": self._memory_pressure,
        }

    def advance(self) -> None:
        """End what is over and begin what is due."""
        clock = self._world.clock
        for fault in [each for each in self.active if each.ends <= clock]:
            self.active.remove(fault)
            fault.undo()
            self._world.step.notes.append(f"{fault.kind} is over")
        for turn, plan in enumerate(self._plans):
            # What finds nobody to hit waits until it does.
            while (due := self._next[turn]) and due.start <= clock and self._begin(due):
                self._next[turn] = next(plan, None)

    def _begin(self, planned: Planned) -> bool:
        begun = self._kinds[planned.kind]()
        if begun is None:
            return False
        victims, undo = begun
        fault = Active(planned.kind, victims, self._world.clock + planned.seconds, undo)
        self.active.append(fault)
        note = f"{fault.kind}: {INFO[fault.kind].what} ({fault.detail})"
        self._world.step.notes.append(note)
        return True

    def _victim(self) -> Node | None:
        """Choose a compute node that holds layers and has no trouble yet."""
        troubled = [node for fault in self.active for node in fault.victims]
        nodes = dict.fromkeys(self._pipeline.nodes)
        well = [node for node in nodes if node.works and node not in troubled]
        return self._world.chance.choice(well) if well else None

    def _recover(self, node: Node) -> None:
        self._checkpoints.recover(node, self._world.chance.uniform(*_RECOVERY))

    def _cut(self, pairs: list[tuple[str, str]]) -> Callable[[], None]:
        """Cut connections, in both directions; return what mends them."""
        both = [*pairs, *((far, near) for near, far in pairs)]
        links = [self._world.links[ends] for ends in both if ends in self._world.links]
        for link in links:
            link.cuts += 1

        def mend() -> None:
            for link in links:
                link.cuts -= 1

        return mend

    def _node_failure(self) -> tuple[list[Node], Callable[[], None]] | None:
        node = self._victim()
        if node is None:
            return None
        node.up = False

        def undo() -> None:
            node.up = True
            self._recover(node)

        return [node], undo

    def _network_partition(self) -> tuple[list[Node], Callable[[], None]] | None:
        compute = self._world.compute
        here, there = compute[: (len(compute) + 1) // 2], compute[(len(compute) + 1) // 2 :]
        mend = self._cut([(a.node_id, b.node_id) for a in here for b in there])

        def undo() -> None:
            mend()
            for node in there:
                if node.up:
                    self._recover(node)
            pair = node_pair(here[-1].node_id, there[0].node_id)
            self._world.step.divergences[pair] += 1

        return list(there), undo

    def _quorum_loss(self) -> tuple[list[Node], Callable[[], None]] | None:
        nodes = self._world.coordinators
        ids = [node.node_id for node in nodes]
        return list(nodes), self._cut([(a, b) for a in ids for b in ids if a < b])

    def _leader_failure(self) -> tuple[list[Node], Callable[[], None]] | None:
        leader = self._world.leader
        if leader is None:
            return None
        leader.up = False

        def undo() -> None:
            leader.up = True

        return [leader], undo

    def _leader_instability(self) -> tuple[list[Node], Callable[[], None]] | None:
        self._world.unstable = True

        def undo() -> None:
            self._world.unstable = False

        return list(self._world.coordinators), undo

    def _byzantine_fault(self) -> tuple[list[Node], Callable[[], None]] | None:
        node = self._victim()
        if node is None:
            return None
        node.byzantine = True

        def undo() -> None:
            node.byzantine = False

        return [node], undo

    def _gpu_overheating(self) -> tuple[list[Node], Callable[[], None]] | None:
        node = self._victim()
        if node is None or not node.gpus:
            return None
        gpu = self._world.chance.choice(node.gpus)
        gpu.overheating = True

        def undo() -> None:
            gpu.overheating = False

        return [node], undo

    def _queue_buildup(self) -> tuple[list[Node], Callable[[], None]] | None:
        node = self._victim()
        if node is None:
            return None
        node.pace, self._world.surge = _SLOW_PACE, _SURGE

        def undo() -> None:
            node.pace, self._world.surge = 1.0, 1.0

        return [node], undo

    def _memory_pressure(self) -> tuple[list[Node], Callable[[], None]] | None:
        node = self._victim()
        if node is None:
            return None
        node.pressured = True

        def undo() -> None:
            node.pressured = False

        return [node], undo
