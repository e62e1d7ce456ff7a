"""Serialisers and deserialisers that count what passes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.process.contain import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.integrations.peers import MessageType
    from butterfly_otel.integrations.traffic import Traffic

    #: Serialises or deserialises a message; None passes bytes through.
    Coder = Callable[[Any], Any] | None


def counting_serializer(serializer: Coder, traffic: Traffic, kind: MessageType) -> Coder:
    """Count each message and its bytes as sent when it has been serialised."""

    def serialize(message: Any) -> Any:
        data = message if serializer is None else serializer(message)
        attempt(_sent, traffic, kind, data)
        return data

    return serialize


def counting_deserializer(deserializer: Coder, traffic: Traffic, kind: MessageType) -> Coder:
    """Count each message and its bytes as received, whether or not it can be deserialised."""

    def deserialize(data: Any) -> Any:
        attempt(_received, traffic, kind, data)
        return data if deserializer is None else deserializer(data)

    return deserialize


def _sent(traffic: Traffic, kind: MessageType, data: bytes) -> None:
    traffic.sent(len(data))
    traffic.message_sent(kind)


def _received(traffic: Traffic, kind: MessageType, data: bytes) -> None:
    traffic.received(len(data))
    traffic.message_received(kind)
