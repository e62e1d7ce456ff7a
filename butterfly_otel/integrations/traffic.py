"""What goes over one connection, or one kind of call, to one peer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from butterfly_otel import metrics

if TYPE_CHECKING:
    from butterfly_otel.integrations.peers import ErrorType, Link, MessageType, Transport


class Traffic:
    """Counts by the contract's labels, whose two ends change places with the direction.

    Methods are thread-safe once the peer is known, and raise what handles raise in strict mode.
    Until then bytes and messages are kept, on one thread, and counted for it later.

    Args:
        protocol: The label.
        link: The two ends, where they are known from the start.
    """

    __slots__ = ("_link", "_messages", "_protocol", "_received", "_sent", "_unnamed")

    def __init__(self, protocol: Transport, link: Link | None = None) -> None:
        self._protocol: Transport = protocol
        self._unnamed = Counter[str]()
        self._messages = Counter[tuple[str, "MessageType"]]()
        self._link: Link | None = None
        if link is not None:
            self.name(link)

    def name(self, link: Link) -> None:
        """Say whose traffic it is; what was kept until now is counted."""
        self._sent = metrics.network_bytes_sent.bind(
            from_node=link.node_id, to_node=link.peer, protocol=self._protocol
        )
        self._received = metrics.network_bytes_received.bind(
            from_node=link.peer, to_node=link.node_id, protocol=self._protocol
        )
        self._link = link
        kept, self._unnamed = self._unnamed, Counter[str]()
        if kept["sent"]:
            self._sent.add(kept["sent"])
        if kept["received"]:
            self._received.add(kept["received"])
        messages, self._messages = self._messages, Counter[tuple[str, "MessageType"]]()
        for (direction, kind), count in messages.items():
            (self.message_sent if direction == "sent" else self.message_received)(kind, count)

    def sent(self, size: int) -> None:
        """Count bytes sent."""
        if self._link is None:
            self._unnamed["sent"] += size
        else:
            self._sent.add(size)

    def received(self, size: int) -> None:
        """Count bytes received."""
        if self._link is None:
            self._unnamed["received"] += size
        else:
            self._received.add(size)

    def message_sent(self, kind: MessageType, count: int = 1) -> None:
        """Count messages sent."""
        if (link := self._link) is None:
            self._messages["sent", kind] += count
        else:
            metrics.network_messages_sent_total.add(
                count, from_node=link.node_id, to_node=link.peer, message_type=kind
            )

    def message_received(self, kind: MessageType, count: int = 1) -> None:
        """Count messages received."""
        if (link := self._link) is None:
            self._messages["received", kind] += count
        else:
            metrics.network_messages_received_total.add(
                count, from_node=link.peer, to_node=link.node_id, message_type=kind
            )

    def failed(self, kind: ErrorType) -> None:
        """Count a failure of the connection to a peer that is known."""
        if (link := self._link) is not None:
            metrics.connection_errors_total.inc(
                from_node=link.node_id, to_node=link.peer, error_type=kind
            )

    def answered(self, seconds: float) -> None:
        """Record a round trip to a peer that is known."""
        if (link := self._link) is not None:
            metrics.connection_latency_seconds.record(
                seconds, from_node=link.node_id, to_node=link.peer
            )
