"""Interceptors that measure what a server receives and sends."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import grpc

from butterfly_otel.decorators.checks import require_function, require_text
from butterfly_otel.integrations.grpc.messages import counting_deserializer, counting_serializer
from butterfly_otel.integrations.grpc.naming import (
    ask_message_type,
    ask_peer,
    message_type_of,
    peer_of,
)
from butterfly_otel.integrations.peers import Link
from butterfly_otel.integrations.traffic import Traffic
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from butterfly_otel.integrations.grpc.naming import MessageTypeOf, PeerOf

    _Handler = grpc.RpcMethodHandler[Any, Any] | None


#: How many peers' counters are kept at hand; the contract's budget of nodes is 1000.
_PEERS = 1000


class _Measuring:
    """What both interceptors do with a handler."""

    def __init__(self, peer: PeerOf, message_type: MessageTypeOf, node_id: str | None) -> None:
        require_function("peer", peer, "a full method", "metadata")
        require_function("message_type", message_type, "a full method", "metadata")
        if node_id is not None:
            require_text("node_id", node_id)
        self._peer = peer
        self._message_type = message_type
        self._node_id = node_id
        # Bounded, because callers choose their names.
        self._traffic_with = lru_cache(_PEERS)(self._traffic)

    def _measured(self, handler: _Handler, details: grpc.HandlerCallDetails) -> _Handler:
        if handler is None:  # no such method
            return None
        try:
            return self._rebuilt(handler, details)
        except Exception as error:  # noqa: BLE001 - a call goes on, measured or not
            log_once("a gRPC handler can't be measured", error=error)
            return handler

    def _rebuilt(self, handler: grpc.RpcMethodHandler[Any, Any], details: Any) -> _Handler:
        method, metadata = details.method, details.invocation_metadata or ()
        if isinstance(method, bytes):
            method = method.decode()
        kind = ask_message_type(self._message_type, method, metadata)
        traffic = self._traffic_with(ask_peer(self._peer, method, metadata))
        behaviour, build = SHAPES[handler.request_streaming, handler.response_streaming]
        return build(
            getattr(handler, behaviour),
            request_deserializer=counting_deserializer(handler.request_deserializer, traffic, kind),
            response_serializer=counting_serializer(handler.response_serializer, traffic, kind),
        )

    def _traffic(self, peer: str) -> Traffic:
        return Traffic("grpc", Link(peer, self._node_id))


#: Whether requests and responses stream, to where the behaviour is kept and what builds a handler.
SHAPES: dict[tuple[bool, bool], tuple[str, Callable[..., grpc.RpcMethodHandler[Any, Any]]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class _Interceptor(_Measuring, grpc.ServerInterceptor):
    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        return self._measured(continuation(handler_call_details), handler_call_details)


class _AioInterceptor(_Measuring, grpc.aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        return self._measured(await continuation(handler_call_details), handler_call_details)


def server_interceptor(
    *,
    peer: PeerOf = peer_of,
    message_type: MessageTypeOf = message_type_of,
    node_id: str | None = None,
) -> grpc.ServerInterceptor:
    """Return an interceptor for ``grpc.server(..., interceptors=[...])``.

    Counts messages and their bytes in both directions. Put it first: what an interceptor before
    it answers by itself is not counted.

    Args:
        peer: Names the node that calls; by default the one our clients say they are.
        message_type: Names what the messages carry; by default a guess by the method's name.
        node_id: This node; by default the one that ``configure()`` names.

    Raises:
        ConfigurationError: When one of them is none of that.
    """
    return _Interceptor(peer, message_type, node_id)


def aio_server_interceptor(
    *,
    peer: PeerOf = peer_of,
    message_type: MessageTypeOf = message_type_of,
    node_id: str | None = None,
) -> grpc.aio.ServerInterceptor:
    """Return the same for ``grpc.aio.server(interceptors=[...])``."""
    return _AioInterceptor(peer, message_type, node_id)
