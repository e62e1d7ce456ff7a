"""Observable metrics: callbacks that read the simulated nodes whenever somebody collects.

They run on the thread that collects, while the simulation goes on, so they go through
structures of fixed size alone and read each value once. A node that is down is not read:
its series end, as those of a process that has died.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from butterfly_otel import metrics
from butterfly_otel.collectors.handles import BY_NAME as OWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.demo.cluster import Cluster
    from butterfly_otel.demo.consensus import Raft
    from butterfly_otel.demo.world import Gpu, Link, Node, World
    from butterfly_otel.handles.registration import Registration


def register(cluster: Cluster) -> list[Registration]:
    """Register a callback for every observable metric of the contract."""
    return [*_consensus(cluster), *_quic(cluster.world), *_nodes(cluster.world), *_gpus(cluster)]


def _consensus(cluster: Cluster) -> Iterator[Registration]:
    def rafts() -> Iterator[tuple[str, Raft]]:
        for node in cluster.world.coordinators:
            if node.up:
                yield node.node_id, cluster.consensus.state[node.node_id]

    term, log = metrics.consensus_term, metrics.consensus_log_entries_total
    commit, applied = metrics.consensus_commit_index, metrics.consensus_applied_index
    yield term.observe(lambda: [term.observation(r.term, node_id=n) for n, r in rafts()])
    yield log.observe(lambda: [log.observation(r.log, node_id=n) for n, r in rafts()])
    yield commit.observe(lambda: [commit.observation(r.commit, node_id=n) for n, r in rafts()])
    yield applied.observe(lambda: [applied.observation(r.applied, node_id=n) for n, r in rafts()])

    def sizes() -> Iterator[Observation]:
        now, size = cluster.sizes(), metrics.cluster_size
        yield size.observation(now["active"], state="active")
        yield size.observation(now["degraded"], state="degraded")
        yield size.observation(now["recovering"], state="recovering")

    yield metrics.cluster_size.observe(sizes)
    yield metrics.quorum_size.observe(lambda: cluster.world.size.quorum)


def _quic(world: World) -> Iterator[Registration]:
    def links() -> Iterator[Link]:
        return (link for link in world.links.values() if link.near.up)

    streams, window = metrics.quic_streams_active, metrics.quic_congestion_window_bytes
    yield streams.observe(
        lambda: [streams.observation(n.streams, node_id=n.node_id) for n in _up(world.nodes)]
    )
    yield window.observe(
        lambda: [
            window.observation(round(n.congestion_window), node_id=n.node_id)
            for n in _up(world.nodes)
        ]
    )
    rtt, loss = metrics.quic_rtt_seconds, metrics.quic_packet_loss_ratio
    yield rtt.observe(
        lambda: [
            rtt.observation(link.rtt, from_node=link.near.node_id, to_node=link.far.node_id)
            for link in links()
            if link.up
        ]
    )
    yield loss.observe(
        lambda: [
            loss.observation(link.loss, from_node=link.near.node_id, to_node=link.far.node_id)
            for link in links()
        ]
    )


def _nodes(world: World) -> Iterator[Registration]:
    def memory() -> Iterator[Observation]:
        allocated = metrics.memory_allocated_bytes
        for node in _up(world.nodes):
            name, pools = node.node_id, node.memory
            yield allocated.observation(round(pools["model"]), node_id=name, pool="model")
            yield allocated.observation(round(pools["tensor"]), node_id=name, pool="tensor")
            yield allocated.observation(round(pools["buffer"]), node_id=name, pool="buffer")
            yield allocated.observation(round(pools["system"]), node_id=name, pool="system")

    yield metrics.memory_allocated_bytes.observe(memory)
    limit, used = OWN["butterfly_otel_memory_limit_bytes"], OWN["butterfly_otel_memory_used_bytes"]
    yield limit.observe(
        lambda: [
            Observation(round(node.memory_limit), {"node_id": node.node_id})
            for node in _up(world.nodes)
        ]
    )
    yield used.observe(
        lambda: [
            Observation(round(node.memory_used), {"node_id": node.node_id})
            for node in _up(world.nodes)
        ]
    )
    peak, fragmentation = metrics.memory_peak_bytes, metrics.memory_fragmentation_ratio
    yield peak.observe(
        lambda: [
            peak.observation(round(n.memory_peak), node_id=n.node_id) for n in _up(world.nodes)
        ]
    )
    yield fragmentation.observe(
        lambda: [
            fragmentation.observation(n.fragmentation, node_id=n.node_id) for n in _up(world.nodes)
        ]
    )
    cpu, throttled = metrics.cpu_usage_ratio, metrics.cpu_throttle_events_total
    yield cpu.observe(lambda: [cpu.observation(n.cpu, node_id=n.node_id) for n in _up(world.nodes)])
    yield throttled.observe(
        lambda: [
            throttled.observation(n.throttle_events, node_id=n.node_id) for n in _up(world.nodes)
        ]
    )
    queued, disk = metrics.tasks_queued, metrics.disk_checkpoint_bytes
    yield queued.observe(
        lambda: [queued.observation(n.queued, node_id=n.node_id) for n in _up(world.compute)]
    )
    yield disk.observe(
        lambda: [
            disk.observation(round(n.disk_checkpoint_bytes), node_id=n.node_id)
            for n in _up(world.compute)
        ]
    )


def _gpus(cluster: Cluster) -> Iterator[Registration]:
    def gpus() -> Iterator[tuple[str, Gpu]]:
        for node in _up(cluster.world.compute):
            for gpu in node.gpus:
                yield node.node_id, gpu

    def memory() -> Iterator[Observation]:
        held = metrics.gpu_memory_bytes
        for name, gpu in gpus():
            used = round(gpu.memory_used)
            free = round(gpu.memory_total) - used
            yield held.observation(used, node_id=name, gpu_id=gpu.gpu_id, state="used")
            yield held.observation(free, node_id=name, gpu_id=gpu.gpu_id, state="free")

    def units() -> Iterator[Observation]:
        active = metrics.gpu_compute_unit_active
        for name, gpu in gpus():
            sms, cores = gpu.sm_active, gpu.tensor_active
            yield active.observation(sms, node_id=name, gpu_id=gpu.gpu_id, unit_type="sm")
            yield active.observation(
                cores, node_id=name, gpu_id=gpu.gpu_id, unit_type="tensor_core"
            )

    busy, warm = metrics.gpu_utilization_ratio, metrics.gpu_temperature_celsius
    yield busy.observe(
        lambda: [busy.observation(g.utilization, node_id=n, gpu_id=g.gpu_id) for n, g in gpus()]
    )
    yield warm.observe(
        lambda: [warm.observation(g.temperature, node_id=n, gpu_id=g.gpu_id) for n, g in gpus()]
    )
    yield metrics.gpu_memory_bytes.observe(memory)
    yield metrics.gpu_compute_unit_active.observe(units)


def _up(nodes: list[Node]) -> Iterator[Node]:
    return (node for node in nodes if node.up)
