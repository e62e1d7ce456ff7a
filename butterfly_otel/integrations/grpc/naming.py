"""Who a call is from and what it carries, by its method and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from butterfly_otel.integrations.peers import UNKNOWN_PEER, MessageType
from butterfly_otel.process.contain import ask

#: A call's metadata: pairs of a key in lower case and a value.
Metadata: TypeAlias = Iterable[tuple[str, "str | bytes"]]
#: Names the peer of a call from its full method (``/package.Service/Method``) and metadata.
PeerOf: TypeAlias = Callable[[str, Metadata], str]
#: Names what a call's messages carry, likewise.
MessageTypeOf: TypeAlias = Callable[[str, Metadata], MessageType]

#: The metadata by which our clients say which node they are.
NODE_ID_KEY = "butterfly-node-id"

#: Words in a method's name, or else in its service's, that tell what it carries.
_WORDS: tuple[tuple[MessageType, tuple[str, ...]], ...] = (
    ("heartbeat", ("heartbeat", "keepalive", "health", "ping")),
    ("checkpoint", ("checkpoint", "snapshot")),
    ("consensus", ("consensus", "raft", "vote", "appendentries", "elect", "leader")),
)


def peer_of(method: str, metadata: Metadata) -> str:
    """Return the node that the caller says it is, ``unknown`` where it says nothing.

    A caller's word is taken for it. Where peers may lie, name them by what they have proved.
    """
    del method
    for key, value in metadata:
        if key == NODE_ID_KEY:
            return value if isinstance(value, str) else value.decode("utf-8", "replace")
    return UNKNOWN_PEER


def message_type_of(method: str, metadata: Metadata) -> MessageType:
    """Guess from the method's name, then from its service's; ``tensor`` where neither tells.

    >>> message_type_of("/butterfly.Raft/AppendEntries", ())
    'consensus'
    >>> message_type_of("/butterfly.Raft/Heartbeat", ())
    'heartbeat'
    >>> message_type_of("/butterfly.Compute/Forward", ())
    'tensor'
    """
    del metadata
    service, _, name = method.lower().rpartition("/")
    for text in (name, service.rpartition(".")[2]):
        for kind, words in _WORDS:
            if any(word in text for word in words):
                return kind
    return "tensor"


def ask_peer(function: PeerOf, method: str, metadata: Metadata) -> str:
    """Return what a caller's function says, ``unknown`` where it raises."""
    return ask(function, UNKNOWN_PEER, method, metadata)


def ask_message_type(function: MessageTypeOf, method: str, metadata: Metadata) -> MessageType:
    """Return what a caller's function says; where it raises, our own guess."""
    return ask(function, message_type_of(method, metadata), method, metadata)
