"""The state that all parts of the simulation share: nodes, GPUs, connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from butterfly_otel.demo.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from butterfly_otel.demo.chance import Chance
    from butterfly_otel.demo.size import Size
    from butterfly_otel.settings.config import NodeRole

#: Simulated seconds a step takes, whatever the speed: so a seed gives one simulation.
DT = 1.0
MIB = 1024.0**2
GIB = 1024.0**3
_GPU_MEMORY = 80 * GIB
_HOST_MEMORY = {"coordinator": 64 * GIB, "compute": 256 * GIB, "observer": 16 * GIB}


@dataclass(slots=True, eq=False)
class Gpu:
    """One GPU of a compute node."""

    gpu_id: str
    memory_total: float = _GPU_MEMORY
    memory_used: float = 0.0
    utilization: float = 0.0
    temperature: float = 40.0
    sm_active: float = 0.0
    tensor_active: float = 0.0
    overheating: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """One node.

    Attributes:
        index: Its place among the nodes of its role, from 0.
        pace: Its share of full speed.
        recovers_for: Simulated seconds until it has restored its state.
        pressured: Whether something eats its memory.
        byzantine: Whether its results are wrong.
    """

    node_id: str
    role: NodeRole
    index: int
    gpus: tuple[Gpu, ...] = ()
    up: bool = True
    pace: float = 1.0
    recovers_for: float = 0.0
    pressured: bool = False
    byzantine: bool = False
    memory_limit: float = 0.0
    memory: dict[str, float] = field(default_factory=dict)
    memory_peak: float = 0.0
    fragmentation: float = 0.95
    cpu: float = 0.05
    throttle_events: int = 0
    queued: int = 0
    streams: int = 0
    congestion_window: float = 0.0
    disk_checkpoint_bytes: float = 0.0
    reputation: float = 0.98
    clock_skew: float = 0.0
    batch: int = 0

    @property
    def memory_used(self) -> float:
        """Bytes in all pools."""
        return sum(self.memory.values())

    @property
    def works(self) -> bool:
        """Whether it is up and has its state."""
        return self.up and self.recovers_for <= 0.0


@dataclass(slots=True, eq=False)
class Link:
    """A connection, as the node at its near end sees it.

    Attributes:
        cuts: How many faults separate its ends now.
        up: Whether it works.
    """

    near: Node
    far: Node
    base_rtt: float
    rtt: float
    loss: float = 0.001
    cuts: int = 0
    up: bool = True


class World:
    """Everything the parts of the simulation read and change."""

    def __init__(self, size: Size, chance: Chance) -> None:
        self.size = size
        self.chance = chance
        self.clock = 0.0
        self.step = Step()
        self.coordinators = [_node(name, "coordinator", i) for i, name in _of(size.coordinator_ids)]
        self.compute = [_node(name, "compute", i, size.gpus) for i, name in _of(size.compute_ids)]
        self.observers = [_node(name, "observer", i) for i, name in _of(size.observer_ids)]
        self.nodes = [*self.coordinators, *self.compute, *self.observers]
        self.by_id = {node.node_id: node for node in self.nodes}
        self.links = {
            ends: _link(self.by_id[ends[0]], self.by_id[ends[1]], chance)
            for ends in size.connections()
        }
        #: The coordinator that leads; None while there is none.
        self.leader: Node | None = None
        #: The largest group of coordinators that reach each other.
        self.voters: list[Node] = list(self.coordinators)
        #: Whether leaders lose their place again and again.
        self.unstable = False
        #: By how much clients ask for more than usual.
        self.surge = 1.0
        #: Share of the cluster's capacity that is in use, from 0 to 1.
        self.intensity = 0.0

    def connected(self, near: Node, far: Node) -> bool:
        """Tell whether a node reaches another directly."""
        link = self.links.get((near.node_id, far.node_id))
        return link is not None and link.up


def largest_group(nodes: Sequence[Node], connected: Callable[[Node, Node], bool]) -> list[Node]:
    """Return the largest set of nodes that reach each other, the first of equal ones."""
    left, best = list(nodes), list[Node]()
    while len(left) > len(best):
        group = [left.pop(0)]
        for member in group:
            found = [node for node in left if connected(member, node)]
            group += found
            left = [node for node in left if node not in found]
        best = group if len(group) > len(best) else best
    return sorted(best, key=lambda node: node.index)


def _of(names: Iterable[str]) -> list[tuple[int, str]]:
    return list(enumerate(names))


def _node(name: str, role: NodeRole, index: int, gpus: int = 0) -> Node:
    return Node(
        name,
        role,
        index,
        gpus=tuple(Gpu(str(number)) for number in range(gpus)),
        memory_limit=_HOST_MEMORY[role],
    )


def _link(near: Node, far: Node, chance: Chance) -> Link:
    # Observers are far away, coordinators in the next room, compute nodes in the next rack.
    roles = {near.role, far.role}
    middle = 0.003 if "observer" in roles else 0.0012 if "coordinator" in roles else 0.0004
    rtt = chance.spread(middle, 0.3)
    return Link(near, far, base_rtt=rtt, rtt=rtt)
