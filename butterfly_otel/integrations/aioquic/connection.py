"""One QUIC connection that is measured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import ref

from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted

from butterfly_otel.integrations.aioquic import internals
from butterfly_otel.integrations.aioquic.endings import error_of
from butterfly_otel.integrations.aioquic.loss import WINDOW, Losses, LossWindow
from butterfly_otel.integrations.peers import UNKNOWN_PEER, Link, links
from butterfly_otel.integrations.traffic import Traffic
from butterfly_otel.process import timing
from butterfly_otel.process.contain import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import QuicEvent
    from aioquic.quic.packet_builder import QuicSentPacket
    from typing_extensions import Self

    from butterfly_otel.integrations.peers import MessageType

#: Seconds between the first traffic after a snapshot and the next snapshot. An idle connection
#: takes none, and costs nothing.
SNAPSHOT_INTERVAL = 0.25
_NONE = Losses(0, 0)


class TrackedConnection:
    """A connection that is measured, until it ends, is forgotten, or ``unregister()``.

    Made by :func:`~butterfly_otel.integrations.aioquic.track_connection`. Use it on the
    connection's event loop only; a ``with`` block unregisters it at its end.

    Attributes:
        snapshot: What the connection last said of itself; None before it is connected and after
            its end.
    """

    def __init__(
        self,
        protocol: QuicConnectionProtocol,
        quic: QuicConnection | None,
        node_id: str | None,
        on_end: Callable[[TrackedConnection], object],
    ) -> None:
        self.snapshot: internals.Snapshot | None = None
        self._losses = _NONE
        self._counted = 0.0
        self.node_id = node_id
        # The connection outlives what measures it, never the other way round.
        self._protocol = ref(protocol)
        self._on_end = on_end
        self._link: Link | None = None
        self._traffic = Traffic("quic")
        self._connected = quic is not None and internals.is_connected(quic)
        self._began: float | None = None
        self._connect_latency: float | None = None
        self._ended = quic is None
        self._window = LossWindow()
        self._timer: asyncio.TimerHandle | None = None
        if quic is not None:
            self._install(protocol, quic)
        if self._connected:
            attempt(self._read)

    @property
    def link(self) -> Link | None:
        """Both ends of the connection; None while the peer is not known."""
        return self._link

    @property
    def losses(self) -> Losses:
        """Packets sent and lost within the last minute, as they were at the last snapshot.

        0 of 0 once that is a minute ago: the connection has been idle ever since.
        """
        return self._losses if timing.monotonic() - self._counted < WINDOW else _NONE

    @property
    def protocol(self) -> QuicConnectionProtocol | None:
        """The connection's protocol; None when it is gone or no longer measured."""
        return None if self._ended else self._protocol()

    def name_peer(self, to_node: str) -> None:
        """Say who the peer is; what was measured until now counts for it. Only the first counts."""
        if self._link is not None or self._ended:
            return
        self._link = Link(to_node, self.node_id)
        attempt(self._traffic.name, self._link)
        if self._connected:
            self._come_up(self._link)

    def message_sent(self, message_type: MessageType, count: int = 1) -> None:
        """Count messages sent, which only the application can tell from streams of bytes."""
        attempt(self._traffic.message_sent, message_type, count)

    def message_received(self, message_type: MessageType, count: int = 1) -> None:
        """Count messages received."""
        attempt(self._traffic.message_received, message_type, count)

    def unregister(self) -> None:
        """Measure the connection no longer; its gauges end. Harmless when done twice."""
        if not self._ended and self._link is not None:
            links.closed(self._link, self)
        self._end()

    def abandon(self) -> None:
        """Say that the connection was dropped without an end. Called by the registry."""
        if not self._ended and self._link is not None:
            links.lost(self._link, self)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.unregister()

    def _install(self, protocol: QuicConnectionProtocol, quic: QuicConnection) -> None:
        def tell_sent(original: Callable[..., Any]) -> Callable[..., Any]:
            def datagrams_to_send(*args: Any, **kwargs: Any) -> Any:
                datagrams = original(*args, **kwargs)
                attempt(self._datagrams_sent, datagrams)
                return datagrams

            return datagrams_to_send

        def tell_received(original: Callable[..., Any]) -> Callable[..., Any]:
            def receive_datagram(data: bytes, *args: Any, **kwargs: Any) -> Any:
                attempt(self._datagram_received, data)
                return original(data, *args, **kwargs)

            return receive_datagram

        def tell_event(original: Callable[..., Any]) -> Callable[..., Any]:
            def quic_event_received(event: QuicEvent) -> Any:
                attempt(self._event_received, event)
                return original(event)

            return quic_event_received

        what = "bytes are not counted"
        internals.hook(quic, "datagrams_to_send", tell_sent, what)
        internals.hook(quic, "receive_datagram", tell_received, what)
        what = "the beginning and end of connections are not seen"
        internals.hook(protocol, "quic_event_received", tell_event, what)
        internals.hook_losses(quic, self._packet_sent, self._packets_lost)

    def _datagrams_sent(self, datagrams: Sequence[tuple[bytes, object]]) -> None:
        if not datagrams or self._ended:
            return
        self._traffic.sent(sum(len(data) for data, _ in datagrams))
        if not self._connected and self._began is None:
            self._began = timing.perf_counter()
        self._snapshot_soon()

    def _datagram_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._traffic.received(len(data))
        if self._began is None:
            self._began = 0.0  # a server: what it measures is not a round trip
        self._snapshot_soon()

    def _packet_sent(self, packet: QuicSentPacket) -> None:
        if packet.sent_time is not None:
            self._window.sent(packet.sent_time)

    def _packets_lost(self, packets: Sequence[QuicSentPacket]) -> None:
        for packet in packets:
            if packet.sent_time is not None:
                self._window.lost(packet.sent_time)

    def _event_received(self, event: QuicEvent) -> None:
        if self._ended:
            return
        if isinstance(event, HandshakeCompleted):
            self._connected = True
            if self._began:
                self._connect_latency = timing.perf_counter() - self._began
            if self._link is not None:
                self._come_up(self._link)
            self._read()
        elif isinstance(event, ConnectionTerminated):
            self._terminated(event)

    def _come_up(self, link: Link) -> None:
        links.up(link, self)
        if self._connect_latency is not None:
            attempt(self._traffic.answered, self._connect_latency)

    def _terminated(self, event: ConnectionTerminated) -> None:
        kind = error_of(
            event.error_code, event.frame_type, event.reason_phrase, connected=self._connected
        )
        if self._link is None:
            attempt(self._traffic.name, Link(UNKNOWN_PEER, self.node_id))
        else:
            (links.closed if kind is None else links.lost)(self._link, self)
        if kind is not None:
            attempt(self._traffic.failed, kind)
        self._end()

    def _snapshot_soon(self) -> None:
        if self._timer is None and self._connected:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SNAPSHOT_INTERVAL, attempt, self._read)

    def _read(self) -> None:
        """Take a snapshot. Runs on the event loop, which is why callbacks read just this."""
        self._timer = None
        protocol = self.protocol
        quic = None if protocol is None else internals.quic_of(protocol)
        if quic is None:
            return
        self.snapshot = internals.snapshot(quic)
        self._losses = self._window.losses(asyncio.get_running_loop().time())
        self._counted = timing.monotonic()
        if self._link is not None:
            links.up(self._link, self)  # again, for a configure() that came later

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self.snapshot = None
        if self._link is None:
            attempt(self._traffic.name, Link(UNKNOWN_PEER, self.node_id))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_end(self)
