"""The names of aioquic that are no part of its public interface, all of them.

aioquic offers no statistics, so they are read where it keeps them. A name that another version
lacks costs the one metric it feeds, said once in the log. ``tests/unit/integrations/aioquic/
test_internals.py`` fails where an installed version lacks one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from butterfly_otel.process.contain import attempt, log_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.packet_builder import QuicSentPacket

_NOTHING: Any = object()


class Snapshot(NamedTuple):
    """What a QUIC connection said of itself; None where it could not.

    Attributes:
        rtt: Smoothed round-trip time in seconds; None also before the first sample.
        window: Congestion window in bytes.
        streams: Streams that are not finished in both directions.
    """

    rtt: float | None
    window: int | None
    streams: int | None


def quic_of(protocol: QuicConnectionProtocol) -> QuicConnection | None:
    """Return the sans-IO connection of a protocol."""
    return cast("QuicConnection | None", read(protocol, "_quic", "nothing can be measured"))


def is_connected(quic: QuicConnection) -> bool:
    """Tell whether the handshake has been completed already."""
    what = "connections tracked before their handshake count as connected"
    return bool(read(quic, "_handshake_complete", what, instead=True))


def is_closing(quic: QuicConnection) -> bool:
    """Tell whether the connection is closing or closed."""
    what = "closed connections that are tracked count as open"
    return read(quic, "_close_event", what) is not None


def snapshot(quic: QuicConnection) -> Snapshot:
    """Read a connection. Call it on the connection's event loop."""
    loss = read(quic, "_loss", "butterfly_quic_rtt_seconds is missing")
    streams = read(quic, "_streams", "butterfly_quic_streams_active is missing")
    return Snapshot(
        rtt=_rtt(loss),
        window=read(loss, "congestion_window", "butterfly_quic_congestion_window_bytes is missing"),
        streams=_open_streams(streams),
    )


def _rtt(loss: object) -> float | None:
    what = "butterfly_quic_rtt_seconds is missing"
    # Before the first sample the estimate is 0, which would be a lie.
    if not read(loss, "_rtt_initialized", what):
        return None
    return cast("float | None", read(loss, "_rtt_smoothed", what))


def _open_streams(streams: Any) -> int | None:
    if streams is None:
        return None
    what = "butterfly_quic_streams_active is missing"
    finished = [read(stream, "is_finished", what) for stream in streams.values()]
    return None if None in finished else finished.count(False)


def hook_losses(
    quic: QuicConnection,
    sent: Callable[[QuicSentPacket], object],
    lost: Callable[[tuple[QuicSentPacket, ...]], object],
) -> None:
    """Have ``sent`` and ``lost`` called with the packets that congestion control is told of.

    These are the packets in flight: acknowledgements alone are never declared lost.
    """
    what = "butterfly_quic_packet_loss_ratio is missing"
    control = read(read(quic, "_loss", what), "_cc", what)

    def tell_sent(original: Callable[..., Any]) -> Callable[..., Any]:
        def on_packet_sent(*, packet: QuicSentPacket, **more: Any) -> Any:
            attempt(sent, packet)
            return original(packet=packet, **more)

        return on_packet_sent

    def tell_lost(original: Callable[..., Any]) -> Callable[..., Any]:
        def on_packets_lost(*, packets: Iterable[QuicSentPacket], **more: Any) -> Any:
            packets = tuple(packets)  # it may be an iterator, which is read but once
            attempt(lost, packets)
            return original(packets=packets, **more)

        return on_packets_lost

    hook(control, "on_packet_sent", tell_sent, what)
    hook(control, "on_packets_lost", tell_lost, what)


def hook(
    thing: object,
    name: str,
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]],
    consequence: str,
) -> None:
    """Replace a method of this one object by what ``wrap`` makes of it, if it has one."""
    method = read(thing, name, consequence)
    if method is not None:
        attempt(setattr, thing, name, wrap(method))


def read(thing: object, name: str, consequence: str, *, instead: object = None) -> Any:
    """Return an attribute, or ``instead`` after logging once what its absence means."""
    if thing is None:
        return instead  # its own absence has been logged
    value = getattr(thing, name, _NOTHING)
    if value is _NOTHING:
        log_once(_MESSAGE.format(type(thing).__name__, name, consequence))
        return instead
    return value


_MESSAGE = "this version of aioquic has no {0}.{1}: {2}"
