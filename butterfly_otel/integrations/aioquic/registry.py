"""All tracked connections, and the observable metrics that are read off them together.

Streams and congestion windows carry only the node, and several connections may lead to one
peer, so no connection can report for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import metrics
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from opentelemetry.metrics import Observation

    from butterfly_otel.handles.registration import Registration
    from butterfly_otel.integrations.aioquic.connection import TrackedConnection
    from butterfly_otel.integrations.aioquic.internals import Snapshot
    from butterfly_otel.integrations.peers import Link


class Registry:
    """The connections tracked now. Thread-safe.

    Its callbacks are registered while there is a connection, and only then: a process without
    QUIC has no QUIC series.
    """

    def __init__(self) -> None:
        self._tracked: tuple[TrackedConnection, ...] = ()
        self._registrations: tuple[Registration, ...] = ()
        self._lock = forks.rlock()

    def find(self, protocol: QuicConnectionProtocol) -> TrackedConnection | None:
        """Return the tracking of a protocol, None where there is none."""
        return next((each for each in self._tracked if each.protocol is protocol), None)

    def add(self, connection: TrackedConnection) -> None:
        """Report a connection from now on."""
        with self._lock:
            self._tracked = (*self._tracked, connection)
            if not self._registered():
                self._registrations = (
                    metrics.quic_rtt_seconds.observe(self._rtts),
                    metrics.quic_packet_loss_ratio.observe(self._losses),
                    metrics.quic_streams_active.observe(self._streams),
                    metrics.quic_congestion_window_bytes.observe(self._windows),
                )

    def discard(self, connection: TrackedConnection) -> None:
        """Report a connection no longer."""
        with self._lock:
            self._tracked = tuple(each for each in self._tracked if each is not connection)
            if not self._tracked:
                registrations, self._registrations = self._registrations, ()
                for registration in registrations:
                    registration.unregister()

    def _registered(self) -> bool:
        """Tell whether the callbacks are asked: a test kit may have undone what it found."""
        now = metrics.quic_rtt_seconds.registrations
        return any(each in now for each in self._registrations)

    def _snapshots(self) -> list[tuple[TrackedConnection, Snapshot]]:
        found: list[tuple[TrackedConnection, Snapshot]] = []
        for connection in self._tracked:
            if connection.protocol is None:  # its loop has dropped it
                connection.abandon()
            elif (snapshot := connection.snapshot) is not None:
                found.append((connection, snapshot))
        return found

    def _rtts(self) -> Iterable[Observation]:
        by_link: dict[Link, list[float]] = {}
        for connection, snapshot in self._snapshots():
            if connection.link is not None and snapshot.rtt is not None:
                by_link.setdefault(connection.link, []).append(snapshot.rtt)
        observation = metrics.quic_rtt_seconds.observation
        # Several connections to one peer share its path: their mean is the better estimate.
        return [
            observation(sum(rtts) / len(rtts), from_node=link.node_id, to_node=link.peer)
            for link, rtts in by_link.items()
        ]

    def _losses(self) -> Iterable[Observation]:
        by_link: dict[Link, list[int]] = {}
        for connection, _ in self._snapshots():
            if connection.link is not None:
                sums = by_link.setdefault(connection.link, [0, 0])
                sums[0] += connection.losses.sent
                sums[1] += connection.losses.lost
        observation = metrics.quic_packet_loss_ratio.observation
        return [
            observation(lost / sent, from_node=link.node_id, to_node=link.peer)
            for link, (sent, lost) in by_link.items()
            if sent
        ]

    def _streams(self) -> Iterable[Observation]:
        by_node: dict[str | None, int] = {}
        for connection, snapshot in self._snapshots():
            if snapshot.streams is not None:
                node = connection.node_id
                by_node[node] = by_node.get(node, 0) + snapshot.streams
        observation = metrics.quic_streams_active.observation
        return [observation(streams, node_id=node) for node, streams in by_node.items()]

    def _windows(self) -> Iterable[Observation]:
        by_node: dict[str | None, int] = {}
        for connection, snapshot in self._snapshots():
            if snapshot.window is not None:
                node = connection.node_id
                by_node[node] = by_node.get(node, 0) + snapshot.window
        observation = metrics.quic_congestion_window_bytes.observation
        return [observation(window, node_id=node) for node, window in by_node.items()]


registry = Registry()
