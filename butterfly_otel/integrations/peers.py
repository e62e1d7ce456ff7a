"""Peers, whatever the transport: whether they are connected, and the end of their series."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from butterfly_otel import metrics
from butterfly_otel.process import forks
from butterfly_otel.process.contain import attempt

Transport = Literal["quic", "grpc"]
MessageType = Literal["tensor", "checkpoint", "consensus", "heartbeat"]
ErrorType = Literal["timeout", "refused", "reset", "encryption_error"]

_PROTOCOLS: tuple[Transport, ...] = get_args(Transport)
_MESSAGE_TYPES: tuple[MessageType, ...] = get_args(MessageType)
_ERROR_TYPES: tuple[ErrorType, ...] = get_args(ErrorType)

#: The peer's name where nobody knows it.
UNKNOWN_PEER = "unknown"


class Link(NamedTuple):
    """A node and one of its peers.

    Attributes:
        peer: The peer's node id.
        node_id: The near end; None for the node that ``configure()`` names.
    """

    peer: str
    node_id: str | None = None


class Links:
    """``butterfly_connection_active`` of links that several connections may share.

    1 as long as one of them is up. When the last one goes: 0 if it was lost, since the peer is
    still expected, and no series if it was closed, since it is not. Thread-safe.
    """

    def __init__(self) -> None:
        self._up: dict[Link, set[object]] = {}
        # Reentrant: a channel that is garbage says that it is closed wherever that is noticed.
        self._lock = forks.rlock()

    def up(self, link: Link, connection: object) -> None:
        """Say that a connection, or what stands for it, is up; harmless when said again."""
        with self._lock:
            self._up.setdefault(link, set()).add(connection)
            attempt(metrics.connection_active.set, 1, from_node=link.node_id, to_node=link.peer)

    def lost(self, link: Link, connection: object) -> None:
        """Say that a connection has failed, or could not be made."""
        with self._lock:
            if not self._leave(link, connection):
                attempt(metrics.connection_active.set, 0, from_node=link.node_id, to_node=link.peer)

    def closed(self, link: Link, connection: object) -> None:
        """Say that a connection has been closed in an orderly way."""
        with self._lock:
            if not self._leave(link, connection):
                attempt(metrics.connection_active.remove, from_node=link.node_id, to_node=link.peer)

    def forget(self, link: Link) -> None:
        """End the series, whatever is known of the link."""
        with self._lock:
            self._up.pop(link, None)
            attempt(metrics.connection_active.remove, from_node=link.node_id, to_node=link.peer)

    def _leave(self, link: Link, connection: object) -> bool:
        """Take a connection away; return whether another one is up. Needs the lock."""
        others = self._up.get(link, set())
        others.discard(connection)
        if not others:
            self._up.pop(link, None)
        return bool(others)


links = Links()


def forget_peer(peer: str, *, node_id: str | None = None) -> None:
    """End every communication series of a peer that has left for good.

    A gauge ends with its connection, by itself. A counter stays, because a peer that comes back
    goes on counting, and a series that ends at once would lose what it counted since the last
    scrape. So call this some scrapes after the last connection ended, when the membership says
    that the peer is gone; a connection that is still tracked begins new series from zero.

    Ends, in both directions where there are two: bytes, messages, connection errors, connection
    latency, ``butterfly_connection_active`` and ``butterfly_consensus_heartbeat_failures_total``.
    Thread-safe; harmless for a peer without series.

    Args:
        peer: The peer's node id.
        node_id: The near end; by default this process' own.
    """
    links.forget(Link(peer, node_id))
    for protocol in _PROTOCOLS:
        attempt(
            metrics.network_bytes_sent.remove, from_node=node_id, to_node=peer, protocol=protocol
        )
        attempt(
            metrics.network_bytes_received.remove,
            from_node=peer,
            to_node=node_id,
            protocol=protocol,
        )
    for kind in _MESSAGE_TYPES:
        attempt(
            metrics.network_messages_sent_total.remove,
            from_node=node_id,
            to_node=peer,
            message_type=kind,
        )
        attempt(
            metrics.network_messages_received_total.remove,
            from_node=peer,
            to_node=node_id,
            message_type=kind,
        )
    for error in _ERROR_TYPES:
        attempt(
            metrics.connection_errors_total.remove,
            from_node=node_id,
            to_node=peer,
            error_type=error,
        )
    attempt(metrics.connection_latency_seconds.remove, from_node=node_id, to_node=peer)
    attempt(metrics.consensus_heartbeat_failures_total.remove, from_node=node_id, to_node=peer)
