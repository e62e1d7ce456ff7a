"""gRPC calls, of ``grpc`` and ``grpc.aio``: messages, bytes, failures, round trips; requests.

A client wraps its channel, of either kind, and says who is at the other end::

    import grpc
    from butterfly_otel.integrations.grpc import measured_channel

    channel = measured_channel(grpc.insecure_channel("10.0.0.2:50051"), to_node="compute-node-2")

A server takes an interceptor, ``grpc.aio``'s its own::

    from concurrent.futures import ThreadPoolExecutor
    from butterfly_otel.integrations.grpc import aio_server_interceptor, server_interceptor

    server = grpc.server(ThreadPoolExecutor(), interceptors=[server_interceptor()])

    async def main():
        server = grpc.aio.server(interceptors=[aio_server_interceptor()])

===========================================  ======================================================
``butterfly_network_bytes_{sent,received}``  messages as they are serialised, exactly; without the
                                             framing, headers and compression of HTTP/2
``butterfly_network_messages_…_total``       each message of a stream is one; counted as sent when
                                             it is serialised, as received before it is deserialised
``butterfly_connection_latency_seconds``     clients: from the call to the answer of a
                                             unary-unary call that succeeds, or fails with a status
                                             that only a server can send; messages of streams have
                                             no answers of their own
``butterfly_connection_errors_total``        clients: UNAVAILABLE (refused, reset, encryption_error
                                             or timeout, by the status' text) and DEADLINE_EXCEEDED
                                             (timeout); what the application answers is no failure
                                             of the connection, and a cancelled call is none
``butterfly_connection_active``              clients: 1 after an answer, 0 after UNAVAILABLE; ends
                                             when the channel is closed, or it and all callers made
                                             from it are gone
===========================================  ======================================================

Clients say which node they are in the metadata ``butterfly-node-id``, by which servers name the
peer. Counters of a peer stay until :func:`~butterfly_otel.integrations.peers.forget_peer`.

The requests that a server handles are another interceptor's, beside or without the former::

    from butterfly_otel.integrations.grpc import request_interceptor

    requests = request_interceptor(method={"/butterfly.Inference/Generate": "inference"})
    server = grpc.server(ThreadPoolExecutor(), interceptors=[server_interceptor(), requests])

Needs the extra ``grpc``.
"""

# For whoever changes this room: it may import what `integrations` may, and `grpc`.

from __future__ import annotations

from typing import overload

try:
    import grpc
except ModuleNotFoundError as _error:
    _message = f"{__name__} needs the extra: pip install 'butterfly-otel[grpc]'"
    raise ModuleNotFoundError(_message, name=_error.name) from _error

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.integrations.grpc.aio_client import MeasuredAioChannel
from butterfly_otel.integrations.grpc.client import MeasuredChannel
from butterfly_otel.integrations.grpc.far_end import FarEnd
from butterfly_otel.integrations.grpc.naming import (
    NODE_ID_KEY,
    MessageTypeOf,
    Metadata,
    PeerOf,
    message_type_of,
    peer_of,
)
from butterfly_otel.integrations.grpc.requests import (
    CallMethod,
    CallMethods,
    aio_request_interceptor,
    request_interceptor,
)
from butterfly_otel.integrations.grpc.server import aio_server_interceptor, server_interceptor
from butterfly_otel.integrations.grpc.serving import CodeFailed, failed_by_code
from butterfly_otel.integrations.peers import Link, forget_peer

__all__ = [
    "NODE_ID_KEY",
    "CallMethod",
    "CallMethods",
    "CodeFailed",
    "MessageTypeOf",
    "Metadata",
    "PeerOf",
    "aio_request_interceptor",
    "aio_server_interceptor",
    "failed_by_code",
    "forget_peer",
    "measured_channel",
    "message_type_of",
    "peer_of",
    "request_interceptor",
    "server_interceptor",
]


@overload
def measured_channel(
    channel: grpc.aio.Channel,
    *,
    to_node: str,
    message_type: MessageTypeOf = message_type_of,
    node_id: str | None = None,
    send_node_id: bool = True,
) -> grpc.aio.Channel: ...
@overload
def measured_channel(
    channel: grpc.Channel,
    *,
    to_node: str,
    message_type: MessageTypeOf = message_type_of,
    node_id: str | None = None,
    send_node_id: bool = True,
) -> grpc.Channel: ...
def measured_channel(
    channel: grpc.Channel | grpc.aio.Channel,
    *,
    to_node: str,
    message_type: MessageTypeOf = message_type_of,
    node_id: str | None = None,
    send_node_id: bool = True,
) -> grpc.Channel | grpc.aio.Channel:
    """Return a channel that does what ``channel`` does, and measures it.

    Use it in its place, also to close it. Interceptors may be inside (given to ``channel``) or
    outside (``grpc.intercept_channel`` on the result); a call that one of them answers or
    repeats inside is one call here. As thread-safe as the channel.

    Args:
        channel: A channel of ``grpc`` or ``grpc.aio``.
        to_node: The peer's node id.
        message_type: Names what a method's messages carry; asked once a method, with no
            metadata; by default a guess by the method's name.
        node_id: This node; by default the one that ``configure()`` names.
        send_node_id: Whether calls carry this node's name in the metadata ``butterfly-node-id``.

    Raises:
        ConfigurationError: When an argument is none of that.
    """
    if not callable(getattr(channel, "unary_unary", None)):
        raise ConfigurationError(f"channel is {channel!r}; pass one of grpc or grpc.aio")
    far_end = FarEnd(Link(to_node, node_id), message_type, send_node_id=send_node_id)
    if isinstance(channel, grpc.aio.Channel):
        return MeasuredAioChannel(channel, far_end)
    return MeasuredChannel(channel, far_end)
