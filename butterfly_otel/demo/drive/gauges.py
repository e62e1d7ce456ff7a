"""Gauges that are set, by the code that knows that a value has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import metrics
from butterfly_otel.demo.world import GIB, MIB

if TYPE_CHECKING:
    from butterfly_otel.demo.cluster import Cluster
    from butterfly_otel.demo.step import Step
    from butterfly_otel.demo.world import Link

#: Seconds between two looks at what each layer holds.
_LAYERS_EVERY = 5
#: Bytes of a layer's weights, of its activations under full load, of its adapters' gradients.
_WEIGHTS, _ACTIVATIONS, _GRADIENTS = 1.5 * GIB, 2.0 * GIB, 24 * MIB
_HEADS, _LEAST_HEADS = 64, 8
_OPERATIONS = ("forward", "activation", "gradient")


class Gauges:
    """Sets the gauges of a cluster, and ends the series of what is gone."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._links: dict[Link, bool | None] = {}
        self._layers: set[tuple[int, str]] = set()
        self._stages: set[str] = set()
        self._reputation: dict[str, float] = {}

    def measure(self, step: Step) -> None:
        """Set what may have changed in a step."""
        self._connections()
        if step.stages_changed:
            self._place()
        if step.stages_changed or round(step.clock) % _LAYERS_EVERY == 0:
            self._layer_state()
        for node in self._cluster.pipeline.nodes:
            if node.batch:
                metrics.batch_size.set(node.batch, node_id=node.node_id)
        for node in self._cluster.world.compute:
            if self._reputation.get(node.node_id) != node.reputation:
                self._reputation[node.node_id] = node.reputation
                metrics.reputation_score.set(node.reputation, node_id=node.node_id)

    def _connections(self) -> None:
        """Tell which connections are up; a node that is down tells nothing."""
        for link in self._cluster.world.links.values():
            state = link.up if link.near.up else None
            if self._links.get(link, "unknown") == state:
                continue
            self._links[link] = state
            near, far = link.near.node_id, link.far.node_id
            if state is None:
                metrics.connection_active.remove(from_node=near, to_node=far)
            else:
                metrics.connection_active.set(int(state), from_node=near, to_node=far)

    def _place(self) -> None:
        """Follow layers that have moved, and end the series they had where they were."""
        stages = self._cluster.pipeline.stages
        layers = {(layer, node.node_id) for node, on in stages for layer in on}
        for layer, name in self._layers - layers:
            metrics.attention_heads_active.remove(layer_id=layer, node_id=name)
            for operation in ("forward", "activation", "gradient"):
                metrics.layer_memory_bytes.remove(layer_id=layer, node_id=name, operation=operation)
        self._layers = layers
        nodes = {node.node_id for node, _ in stages}
        for name in nodes:
            metrics.pipeline_depth.set(len(stages), node_id=name)
        for name in self._stages - nodes:
            metrics.pipeline_depth.remove(node_id=name)
            metrics.batch_size.remove(node_id=name)
        self._stages = nodes

    def _layer_state(self) -> None:
        world = self._cluster.world
        busy, models = world.intensity, world.size.models
        heads = models * max(_LEAST_HEADS, round(_HEADS * busy))
        memory = metrics.layer_memory_bytes
        for layer, name in sorted(self._layers):
            metrics.attention_heads_active.set(heads, layer_id=layer, node_id=name)
            activations = models * _ACTIVATIONS * busy
            memory.set(models * _WEIGHTS, layer_id=layer, node_id=name, operation="forward")
            memory.set(activations, layer_id=layer, node_id=name, operation="activation")
            memory.set(models * _GRADIENTS, layer_id=layer, node_id=name, operation="gradient")
