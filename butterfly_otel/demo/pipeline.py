"""Which compute node runs which layers, and the forward passes through them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from butterfly_otel.demo.size import ring_distance
from butterfly_otel.demo.step import LayerRun
from butterfly_otel.demo.world import DT, largest_group

if TYPE_CHECKING:
    from butterfly_otel.demo.network import Network
    from butterfly_otel.demo.world import Node, World

#: Tokens that one pass adds to each sequence of its batch, and most sequences of a batch.
TOKENS_PER_PASS, LARGEST_BATCH = 32, 32
#: Seconds of silence after which a node counts as lost.
DETECTION = 6.0
#: Hidden size and bytes a number, of the tensors between layers.
_HIDDEN, _NUMBER_BYTES = 8192, 2
#: A GPU that runs hot is slowed down by its driver to this share, from this temperature.
HOT, _THROTTLED_PACE = 85.0, 0.75
#: Seconds the layers of a model take together, where the pipeline has its usual length.
_PASS_SECONDS = 0.17


class Pipeline:
    """The layers of all models, spread over the compute nodes.

    Attributes:
        stages: The nodes that hold layers, each with its layers, in the order of the layers.
        reachable: The compute nodes that work and reach each other.
        broken: Whether a node that holds layers is gone and not yet known to be.
    """

    def __init__(self, world: World, network: Network) -> None:
        self._world = world
        self._network = network
        self.homes = _split(world.size.layers, world.compute)
        self.stages: list[tuple[Node, list[int]]] = []
        self.reachable: list[Node] = []
        self.broken = False
        self._lost_for = dict.fromkeys(world.size.compute_ids, DETECTION)
        self._planned: list[Node] = []
        chance = world.chance
        layers, models = world.size.layers, world.size.models
        self._base = {
            model: [chance.spread(_scale(place, models) / layers, 0.35) for _ in range(layers)]
            for place, model in enumerate(world.size.model_names)
        }

    @property
    def nodes(self) -> list[Node]:
        """The nodes that hold layers."""
        return [node for node, _ in self.stages]

    @property
    def capacity(self) -> float:
        """Share of its usual throughput that the pipeline has; its slowest node decides."""
        if not self.stages or self.broken:
            return 0.0
        usual = {node.node_id: len(layers) for node, layers in self.homes}
        return min(
            _pace(node) * usual.get(node.node_id, len(on)) / len(on) for node, on in self._by_node()
        )

    def advance(self) -> bool:
        """Find out which nodes work; return whether layers moved because one was lost."""
        world = self._world
        alive = [node for node in world.compute if node.works]
        self.reachable = working = largest_group(alive, world.connected)
        for node in world.compute:
            lost = self._lost_for[node.node_id] + DT
            self._lost_for[node.node_id] = 0.0 if node in working else lost
        planned = [node for node in world.compute if self._lost_for[node.node_id] < DETECTION]
        lost_one = any(node not in planned for node in self._planned)
        if planned != self._planned:
            self._planned = planned
            self.stages = self._place(planned)
            world.step.stages_changed = True
            for node in planned:
                wait = world.chance.spread(0.08, 0.6)
                world.step.barrier_waits.append(("pipeline_rebuild", node.node_id, wait))
        self.broken = any(node not in working for node in self.nodes)
        return lost_one

    def pass_seconds(self, model: str) -> float:
        """Return how long one pass of a model takes now."""
        base = self._base[model]
        return sum(base[layer] / _pace(node) for node, on in self.stages for layer in on)

    def run(self, model: str, sequences: int) -> None:
        """Run a step's passes of a model for so many sequences at a time."""
        seconds = self.pass_seconds(model)
        batch = max(1, min(LARGEST_BATCH, sequences))
        passes = max(1, round(DT / max(seconds, 0.1)))
        self._world.step.passes += (self._pass(model, batch) for _ in range(passes))
        self._move_tensors(passes, batch)
        for node in self.nodes:
            node.batch = batch

    def _pass(self, model: str, batch: int) -> list[LayerRun]:
        chance = self._world.chance
        base = self._base[model]
        size: float = batch * TOKENS_PER_PASS * _HIDDEN * _NUMBER_BYTES
        runs: list[LayerRun] = []
        for node, layers in self.stages:
            pace = _pace(node)
            for layer in layers:
                took = base[layer] / pace * (0.7 + 0.6 * batch / LARGEST_BATCH)
                out = size * chance.uniform(0.9, 1.1)
                seconds = chance.spread(took, 0.12)
                runs.append(LayerRun(layer, node.node_id, model, seconds, size, out))
                size = out
        return runs

    def _move_tensors(self, passes: int, batch: int) -> None:
        """Send what the passes hand from node to node, all of a step's passes at once."""
        world = self._world
        size = passes * batch * TOKENS_PER_PASS * _HIDDEN * _NUMBER_BYTES
        for near, far in pairwise(self.nodes):
            took = self._network.send(near, far, "tensor", passes, size)
            if took is None:
                world.step.stalls[far.node_id, "network_wait"] += 1
                continue
            trip = world.chance.spread(2 * took + 0.0002, 0.25)
            world.step.round_trips.append((near.node_id, far.node_id, trip))

    def _place(self, planned: list[Node]) -> list[tuple[Node, list[int]]]:
        """Leave layers at home where home works; else give them to a neighbour with few."""
        if not planned:
            return []
        adopted = dict.fromkeys((node.node_id for node in planned), 0)
        stages: list[tuple[Node, list[int]]] = []
        for home, layers in self.homes:
            node = home
            if home not in planned:
                node = min(planned, key=lambda other: self._cost(home, other, adopted))
                adopted[node.node_id] += 1
            stages.append((node, layers))
        return stages

    def _cost(self, home: Node, other: Node, adopted: dict[str, int]) -> tuple[int, int, int]:
        distance = ring_distance(home.index, other.index, self._world.size.compute)
        return adopted[other.node_id], distance, other.index

    def _by_node(self) -> list[tuple[Node, list[int]]]:
        together: dict[str, tuple[Node, list[int]]] = {}
        for node, layers in self.stages:
            together.setdefault(node.node_id, (node, []))[1].extend(layers)
        return list(together.values())


def _split(layers: int, nodes: list[Node]) -> list[tuple[Node, list[int]]]:
    """Give each node a run of neighbouring layers; with few layers some nodes get none."""
    count = min(layers, len(nodes))
    bounds = [layers * place // count for place in range(count + 1)]
    chosen = [nodes[len(nodes) * place // count] for place in range(count)]
    return [(node, list(range(*bounds[i : i + 2]))) for i, node in enumerate(chosen)]


def _scale(place: int, models: int) -> float:
    """Return the seconds that all layers of a model take together; the first is the largest."""
    return _PASS_SECONDS * (1.2 - 0.6 * place / models)


def _pace(node: Node) -> float:
    hot = any(gpu.temperature > HOT for gpu in node.gpus)
    return node.pace * (_THROTTLED_PACE if hot else 1.0)
