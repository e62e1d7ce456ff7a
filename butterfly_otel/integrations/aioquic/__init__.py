"""QUIC connections of aioquic: traffic, round trips, losses, streams, and whether they are up.

On the side that connects, say whom to before it does, so that the handshake counts too::

    import aioquic.asyncio
    from butterfly_otel.integrations.aioquic import track_connection, tracked_protocol

    async def send_tensor(address, configuration, tensor):
        create = tracked_protocol(to_node="compute-node-2")
        async with aioquic.asyncio.connect(
            *address, configuration=configuration, create_protocol=create
        ) as protocol:
            reader, writer = await protocol.create_stream()
            writer.write(tensor)
            writer.write_eof()
            track_connection(protocol).message_sent("tensor")
            return await reader.read()

On the side that listens, pass ``create_protocol=tracked_protocol()`` and call
``track_connection(protocol, to_node=...)`` as soon as the peer is known.

=============================================  ====================================================
``butterfly_network_bytes_{sent,received}``    payload of UDP datagrams: all of QUIC (headers,
                                               handshake, acknowledgements, repeats, padding), not
                                               the headers of UDP and IP
``butterfly_network_messages_…_total``         what ``message_sent()`` and ``message_received()``
                                               are told
``butterfly_connection_latency_seconds``       the handshake, once a connection, where it connects
``butterfly_connection_errors_total``          connections that were lost or never made
``butterfly_connection_active``                1 while one is up, 0 when the last was lost; ends
                                               when it is closed in an orderly way
``butterfly_quic_rtt_seconds``                 aioquic's smoothed estimate, whose samples are never
                                               below 1 ms
``butterfly_quic_packet_loss_ratio``           of the packets sent within the last minute, those
                                               that congestion control was told are lost
``butterfly_quic_streams_active``              streams open in either direction, over all
                                               connections
``butterfly_quic_congestion_window_bytes``     over all connections
=============================================  ====================================================

Gauges end with the connection. Counters of a peer stay until
:func:`~butterfly_otel.integrations.peers.forget_peer`.

Needs the extra ``aioquic``.
"""

# For whoever changes this room: aioquic's private names stand in `internals` alone. It may import
# what `integrations` may, and `aioquic`.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from aioquic.asyncio.protocol import QuicConnectionProtocol
except ModuleNotFoundError as _error:
    _message = f"{__name__} needs the extra: pip install 'butterfly-otel[aioquic]'"
    raise ModuleNotFoundError(_message, name=_error.name) from _error

from butterfly_otel.decorators.checks import require_text
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.integrations.aioquic.connection import TrackedConnection
from butterfly_otel.integrations.aioquic.internals import is_closing, quic_of
from butterfly_otel.integrations.aioquic.registry import registry
from butterfly_otel.integrations.peers import forget_peer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TrackedConnection", "forget_peer", "track_connection", "tracked_protocol"]


def track_connection(
    protocol: QuicConnectionProtocol, to_node: str | None = None, *, node_id: str | None = None
) -> TrackedConnection:
    """Measure a connection until it ends.

    Call it on the connection's event loop. The protocol is kept by a weak reference. Nothing
    here ever raises into aioquic: what fails is logged once, and what this version of aioquic
    does not tell is missing.

    Args:
        protocol: The connection, before or after its handshake. One that is tracked already is
            not tracked twice: its tracking is returned.
        to_node: The peer's node id. None: not known yet; bytes and messages are kept for it
            until this function or ``name_peer()`` tells, and count for ``unknown`` where none
            does before the connection ends. Nothing else about a nameless peer is reported.
        node_id: The near end; by default this process' own.

    Returns:
        The tracking, to count messages by and to end early.
    """
    tracked = registry.find(protocol)
    if tracked is None:
        tracked = _track(protocol, node_id)
    if to_node is not None:
        tracked.name_peer(to_node)
    return tracked


def _track(protocol: QuicConnectionProtocol, node_id: str | None) -> TrackedConnection:
    quic = quic_of(protocol)
    if quic is not None and is_closing(quic):
        quic = None
    tracked = TrackedConnection(protocol, quic, node_id, registry.discard)
    if quic is not None:
        registry.add(tracked)
    return tracked


def tracked_protocol(
    protocol_class: Callable[..., QuicConnectionProtocol] = QuicConnectionProtocol,
    *,
    to_node: str | None = None,
    node_id: str | None = None,
) -> Callable[..., QuicConnectionProtocol]:
    """Return a ``create_protocol`` for aioquic's ``connect()`` and ``serve()`` that measures.

    Args:
        protocol_class: What makes the protocols otherwise.
        to_node: The peer, as in :func:`track_connection`; for ``connect()``.
        node_id: The near end; by default this process' own.

    Raises:
        ConfigurationError: When an argument is none of that.
    """
    if not callable(protocol_class):
        raise ConfigurationError(f"protocol_class is {protocol_class!r}; pass a class of protocols")
    for place, name in (("to_node", to_node), ("node_id", node_id)):
        if name is not None:
            require_text(place, name)

    def create_protocol(*args: Any, **kwargs: Any) -> QuicConnectionProtocol:
        protocol = protocol_class(*args, **kwargs)
        track_connection(protocol, to_node, node_id=node_id)
        return protocol

    return create_protocol
