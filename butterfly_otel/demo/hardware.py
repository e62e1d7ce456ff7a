"""Memory, CPU and GPUs of the nodes, as the load and the faults leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.demo.pipeline import HOT
from butterfly_otel.demo.world import DT, GIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.demo.pipeline import Pipeline
    from butterfly_otel.demo.world import Gpu, Node, World

#: Usual bytes of each pool; tensors and buffers grow with the load.
_POOLS: Mapping[str, Mapping[str, float]] = {
    "coordinator": {"model": 0.0, "tensor": GIB, "buffer": 6 * GIB, "system": 4 * GIB},
    "compute": {"model": 96 * GIB, "tensor": 24 * GIB, "buffer": 12 * GIB, "system": 6 * GIB},
    "observer": {"model": 0.0, "tensor": 0.0, "buffer": 2 * GIB, "system": 3 * GIB},
}
#: Share of its memory that a node under pressure uses.
_PRESSED = 0.96
#: Seconds in which temperatures and memory go most of the way to where they tend.
_WARMS_IN, _FILLS_IN = 18.0, 12.0
#: Temperatures: idle, at full load, and where the cooling has failed.
_IDLE, _BUSY, _UNCOOLED = 42.0, 76.0, 94.0
_SM, _TENSOR_CORES = 132, 528
_WEIGHTS, _CACHE = 44 * GIB, 26 * GIB


class Hardware:
    """The hardware of a world's nodes."""

    def __init__(self, world: World, pipeline: Pipeline) -> None:
        self._world = world
        self._pipeline = pipeline
        for node in world.nodes:
            node.memory = {pool: size * 0.6 for pool, size in _POOLS[node.role].items()}

    def advance(self) -> None:
        """Let the hardware follow the load."""
        working = {node.node_id for node in self._pipeline.nodes if node.works}
        for node in self._world.nodes:
            busy = self._world.intensity if node.node_id in working else 0.0
            # A slow node is one that does something else as well.
            self._cpu(node, max(busy, 1 - node.pace))
            self._memory(node, busy)
            for gpu in node.gpus:
                self._gpu(gpu, busy)

    def _cpu(self, node: Node, busy: float) -> None:
        chance = self._world.chance
        usual = 0.15 + 0.45 * self._world.intensity if node.role == "coordinator" else 0.08
        target = usual + 0.6 * busy + chance.gauss(0.0, 0.03)
        node.cpu += (min(0.99, max(0.01, target)) - node.cpu) * 0.3
        hot = any(gpu.temperature > HOT for gpu in node.gpus)
        if node.up:
            node.throttle_events += chance.poisson((1.2 if hot else 0.01) * DT)

    def _memory(self, node: Node, busy: float) -> None:
        chance, usual = self._world.chance, _POOLS[node.role]
        wanted = {
            "model": usual["model"],
            "tensor": usual["tensor"] * (0.4 + busy),
            "buffer": usual["buffer"] * (0.6 + 0.6 * busy),
            "system": usual["system"],
        }
        if node.pressured:
            rest = sum(wanted.values()) - wanted["tensor"]
            wanted["tensor"] = node.memory_limit * _PRESSED - rest
        for pool, target in wanted.items():
            now = node.memory[pool]
            node.memory[pool] = now + (target * chance.uniform(0.98, 1.02) - now) * DT / _FILLS_IN
        node.memory_peak = max(node.memory_peak, node.memory_used)
        fragmentation = (0.66 if node.pressured else 0.93) + chance.gauss(0.0, 0.01)
        node.fragmentation += (min(1.0, fragmentation) - node.fragmentation) * 0.1

    def _gpu(self, gpu: Gpu, busy: float) -> None:
        chance = self._world.chance
        target = min(0.99, max(0.0, 0.12 + 0.85 * busy + chance.gauss(0.0, 0.04)) if busy else 0.0)
        gpu.utilization += (target - gpu.utilization) * 0.4
        gpu.sm_active = _SM * gpu.utilization * chance.uniform(0.85, 1.0)
        gpu.tensor_active = _TENSOR_CORES * gpu.utilization * chance.uniform(0.5, 0.75)
        used = _WEIGHTS + _CACHE * (0.3 + 0.7 * gpu.utilization)
        gpu.memory_used += (used - gpu.memory_used) * DT / _FILLS_IN
        warm = _UNCOOLED if gpu.overheating else _IDLE + (_BUSY - _IDLE) * gpu.utilization
        gpu.temperature += (warm - gpu.temperature) * DT / _WARMS_IN + chance.gauss(0.0, 0.15)
