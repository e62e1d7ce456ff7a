"""Connections between nodes: heartbeats, traffic, round trips, clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.demo.world import DT
from butterfly_otel.handles.handles import node_pair

if TYPE_CHECKING:
    from butterfly_otel.demo.step import MessageType, Protocol
    from butterfly_otel.demo.world import Link, Node, World

#: Bulk data goes by QUIC, control messages by gRPC.
_PROTOCOLS: dict[MessageType, Protocol] = {
    "tensor": "quic",
    "checkpoint": "quic",
    "consensus": "grpc",
    "heartbeat": "grpc",
}
_HEARTBEAT_BYTES = 180.0
#: Seconds between two attempts to connect again, and between two comparisons of clocks.
_RECONNECT_EVERY, _CLOCKS_EVERY = 4, 5
_WINDOW, _BUSY_WINDOW = 1.2e6, 4.0e6


class Network:
    """The connections of a world, and what goes over them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def advance(self) -> None:
        """Bring each connection up to date and let nodes ask each other for signs of life."""
        for link in self._world.links.values():
            self._update(link)
            if "coordinator" in (link.near.role, link.far.role):
                self._heartbeat(link)
        if round(self._world.clock) % _CLOCKS_EVERY == 0:
            self._compare_clocks()
        self._update_nodes()

    def send(
        self, near: Node, far: Node, kind: MessageType, messages: int, size: float
    ) -> float | None:
        """Send ``messages`` of ``size`` bytes together, by a coordinator where it must be.

        Returns:
            Seconds it takes to get there; None where there is no way.
        """
        link = self._world.links.get((near.node_id, far.node_id))
        if link is not None and link.up:
            self._transfer(link, kind, messages, size)
            return link.rtt / 2
        relay = self._relay(near, far)
        if relay is None:
            return None
        for hop in relay:
            self._transfer(hop, kind, messages, size)
        return sum(hop.rtt for hop in relay)

    def _relay(self, near: Node, far: Node) -> tuple[Link, Link] | None:
        for middle in self._world.voters:
            first = self._world.links.get((near.node_id, middle.node_id))
            second = self._world.links.get((middle.node_id, far.node_id))
            if first is not None and second is not None and first.up and second.up:
                return first, second
        return None

    def _transfer(self, link: Link, kind: MessageType, messages: int, size: float) -> None:
        step, chance = self._world.step, self._world.chance
        near, far = link.near.node_id, link.far.node_id
        # QUIC and TCP repeat what is lost; a few messages are still cut off by a restart.
        lost = min(messages, chance.poisson(messages * link.loss * 0.02))
        protocol = _PROTOCOLS[kind]
        step.messages_sent[near, far, kind] += messages
        step.bytes_sent[near, far, protocol] += round(size)
        step.messages_received[near, far, kind] += messages - lost
        step.bytes_received[near, far, protocol] += round(size * (1 - lost / max(1, messages)))

    def _update(self, link: Link) -> None:
        world, chance = self._world, self._world.chance
        was_up, link.up = link.up, link.near.up and link.far.up and not link.cuts
        if not link.near.up:
            return
        if link.up:
            target = link.base_rtt * (1 + 0.6 * world.intensity) * chance.uniform(0.8, 1.3)
            link.rtt += (target - link.rtt) * 0.3
            target = chance.spread(0.0008 * (1 + world.intensity), 0.6)
            link.loss += (min(0.03, target) - link.loss) * 0.2
            return
        link.loss = min(1.0, link.loss + 0.25)
        near, far = link.near.node_id, link.far.node_id
        if was_up:
            world.step.connection_errors[near, far, "reset"] += 1
        elif round(world.clock) % _RECONNECT_EVERY == 0:
            world.step.connection_errors[near, far, "timeout" if link.far.up else "refused"] += 1

    def _heartbeat(self, link: Link) -> None:
        step = self._world.step
        near, far = link.near.node_id, link.far.node_id
        if not link.near.up:
            return
        if link.up:
            self._transfer(link, "heartbeat", 1, _HEARTBEAT_BYTES)
            step.round_trips.append((near, far, self._world.chance.spread(link.rtt, 0.25)))
            return
        step.messages_sent[near, far, "heartbeat"] += 1
        step.bytes_sent[near, far, "grpc"] += round(_HEARTBEAT_BYTES)
        step.heartbeat_failures[near, far] += 1

    def _compare_clocks(self) -> None:
        world = self._world
        for node in world.nodes:
            drift = world.chance.gauss(0.0, 0.0002) * DT
            node.clock_skew = 0.97 * node.clock_skew + drift
        for link in world.links.values():
            if link.up and link.near.role == "coordinator":
                ids = link.near.node_id, link.far.node_id
                first, second = (world.by_id[name] for name in sorted(ids))
                pair = node_pair(*ids)
                world.step.skews[pair] = second.clock_skew - first.clock_skew

    def _update_nodes(self) -> None:
        world, chance = self._world, self._world.chance
        open_links: dict[str, int] = {}
        for link in world.links.values():
            if link.up:
                open_links[link.near.node_id] = open_links.get(link.near.node_id, 0) + 1
        for node in world.nodes:
            links = open_links.get(node.node_id, 0)
            busy = world.intensity if node.role == "compute" else world.intensity / 3
            node.streams = links + chance.poisson(links * 3 * busy)
            window = links * (_WINDOW + _BUSY_WINDOW * busy) * chance.uniform(0.9, 1.1)
            node.congestion_window += (window - node.congestion_window) * 0.3
