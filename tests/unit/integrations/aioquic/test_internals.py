"""The private names of aioquic: there in the installed version, and done without in another."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aioquic
import pytest
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted
from aioquic.quic.packet_builder import QuicSentPacket

from butterfly_otel.integrations.aioquic import internals, track_connection, tracked_protocol
from butterfly_otel.process import contain
from tests.unit.integrations.aioquic.support import (
    CLIENT,
    SERVER,
    client_configuration,
    cluster,
    connected,
    send,
)

Start = Callable[..., Any]
VERSION = importlib.metadata.version("aioquic")

#: Every name of aioquic that the adapter uses and that is not documented, by how to get there.
PRIVATE = {
    "protocol._quic": "everything",
    "quic._close_event": "connections that are closed already",
    "quic._handshake_complete": "connections that are up already",
    "quic._loss._rtt_initialized": "butterfly_quic_rtt_seconds",
    "quic._loss._rtt_smoothed": "butterfly_quic_rtt_seconds",
    "quic._loss.congestion_window": "butterfly_quic_congestion_window_bytes",
    "quic._loss._cc.on_packet_sent": "butterfly_quic_packet_loss_ratio",
    "quic._loss._cc.on_packets_lost": "butterfly_quic_packet_loss_ratio",
    "quic._streams": "butterfly_quic_streams_active",
    "stream.is_finished": "butterfly_quic_streams_active",
    "quic.datagrams_to_send": "butterfly_network_bytes_sent",
    "quic.receive_datagram": "butterfly_network_bytes_received",
    "protocol.quic_event_received": "butterfly_connection_active",
}


async def _subjects() -> dict[str, object]:
    """Return a connection of each kind of thing, with one stream."""
    quic = QuicConnection(configuration=client_configuration())
    quic.connect(("127.0.0.1", 9), now=0.0)
    quic.send_stream_data(0, b"x")
    protocol = QuicConnectionProtocol(quic)
    return {"quic": quic, "protocol": protocol, "stream": quic._streams[0]}


@pytest.mark.parametrize("path", PRIVATE)
def test_this_version_of_aioquic_has_the_name(path: str) -> None:
    """The installed aioquic has each name that the adapter reads or replaces."""
    first, *names = path.split(".")
    thing = asyncio.run(_subjects())[first]
    for name in names:
        assert hasattr(thing, name), f"aioquic {VERSION} has no {path}: {PRIVATE[path]} breaks"
        thing = getattr(thing, name)


def test_this_version_of_aioquic_has_the_events_and_packets() -> None:
    """Events and packets have the fields that are read."""
    ended = ConnectionTerminated(error_code=1, frame_type=None, reason_phrase="x")
    assert (ended.error_code, ended.frame_type, ended.reason_phrase) == (1, None, "x")
    assert HandshakeCompleted
    assert "sent_time" in QuicSentPacket.__dataclass_fields__
    assert aioquic.__version__ == VERSION


def test_the_installed_version_is_within_the_pin() -> None:
    """The extra allows what is tested here."""
    major, minor = (int(part) for part in VERSION.split(".")[:2])
    assert (1, 2) <= (major, minor) < (2, 0)


def test_a_connection_of_another_version_tells_nothing_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each missing name costs its own value and one warning."""
    monkeypatch.setattr(contain, "_logged", set())
    loss = SimpleNamespace(congestion_window=1200)
    quic: Any = SimpleNamespace(_loss=loss, _streams={0: SimpleNamespace(is_finished=False)})
    for _ in range(2):
        assert internals.snapshot(quic) == internals.Snapshot(rtt=None, window=1200, streams=1)
    quic = SimpleNamespace(_loss=SimpleNamespace(_rtt_initialized=True, _rtt_smoothed=0.25))
    assert internals.snapshot(quic) == internals.Snapshot(rtt=0.25, window=None, streams=None)
    assert internals.snapshot(SimpleNamespace()).rtt is None  # type: ignore[arg-type]
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert len(warnings) == 4
    assert sum("SimpleNamespace._rtt_initialized" in each for each in warnings) == 1


def test_a_real_connection_without_statistics_still_counts_bytes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where aioquic keeps its losses elsewhere, everything else is measured and works."""
    measured = start()
    real = internals.read

    def read(thing: object, name: str, *args: Any, **kwargs: Any) -> Any:
        return real(thing, "_elsewhere" if name in {"_loss", "_streams"} else name, *args, **kwargs)

    monkeypatch.setattr(internals, "read", read)

    async def run() -> None:
        async with cluster() as net, connected(net.port) as protocol:
            await send(protocol, 1000)
            link = {"from_node": CLIENT, "to_node": SERVER}
            assert measured.value("butterfly_network_bytes_sent", **link, protocol="quic") > 1000
            assert measured.value("butterfly_connection_active", **link) == 1
            track_connection(protocol)._read()
            for name in ("rtt_seconds", "packet_loss_ratio", "congestion_window_bytes"):
                assert measured.values(f"butterfly_quic_{name}") == {}
            assert measured.values("butterfly_quic_streams_active") == {}

    asyncio.run(run())


def test_a_protocol_without_a_connection_is_left_alone() -> None:
    """A protocol of a version that names its connection otherwise works, unmeasured."""

    class Other:
        """A protocol that has nothing of what is looked for."""

    protocol: Any = tracked_protocol(Other, to_node=SERVER)()  # type: ignore[arg-type]
    tracked = track_connection(protocol, to_node=SERVER)
    tracked.message_sent("tensor")
    assert tracked.protocol is None


def test_without_aioquic_the_import_says_what_to_install() -> None:
    """The error names the extra."""
    code = "import sys; sys.modules['aioquic'] = None\nimport butterfly_otel.integrations.aioquic"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "pip install 'butterfly-otel[aioquic]'" in result.stderr
