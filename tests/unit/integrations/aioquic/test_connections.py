"""Real aioquic connections over loopback, through a network that loses what it is told to."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aioquic.asyncio import QuicConnectionProtocol

from butterfly_otel import metrics
from butterfly_otel.integrations.aioquic import connection as connection_module
from butterfly_otel.integrations.aioquic import forget_peer, track_connection, tracked_protocol
from butterfly_otel.integrations.aioquic.registry import registry
from butterfly_otel.process import timing
from tests.unit.integrations.aioquic.support import (
    CLIENT,
    SERVER,
    client_configuration,
    cluster,
    connected,
    send,
    until,
)

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]
LINK = {"from_node": CLIENT, "to_node": SERVER}
BACK = {"from_node": SERVER, "to_node": CLIENT}
SENT, RECEIVED = "butterfly_network_bytes_sent", "butterfly_network_bytes_received"
ACTIVE, ERRORS = "butterfly_connection_active", "butterfly_connection_errors_total"
RTT, LOSS = "butterfly_quic_rtt_seconds", "butterfly_quic_packet_loss_ratio"
STREAMS, WINDOW = "butterfly_quic_streams_active", "butterfly_quic_congestion_window_bytes"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take snapshots at once, and see that no test leaves a connection tracked."""
    monkeypatch.setattr(connection_module, "SNAPSHOT_INTERVAL", 0.0)
    yield
    gc.collect()
    for name in (SERVER, CLIENT, "compute-node-3", "unknown"):
        forget_peer(name)
    assert registry._tracked == ()
    assert registry._registrations == ()


def test_lost_packets_and_round_trips_are_reported(start: Start) -> None:
    """Every tenth packet lost and 20 ms of delay show as such in the loss ratio and the RTT."""
    measured = start()

    async def run() -> None:
        async with cluster() as net, connected(net.port) as protocol:
            await send(protocol, 1000)
            assert measured.value(LOSS, **LINK) == 0
            net.network.delay, net.network.drop_every = 0.02, 10
            await send(protocol, 300_000)
            net.network.drop_every = 0
            track_connection(protocol)._read()
            assert net.network.dropped >= 20
            assert 0.04 < measured.value(LOSS, **LINK) < 0.25
            assert 0.01 < measured.value(RTT, **LINK) < 10

    asyncio.run(run())
    assert measured.values(LOSS) == {}
    assert measured.values(RTT) == {}


def test_losses_of_former_times_are_not_those_of_the_last_minute(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle connection takes no snapshots, so its last one says nothing after a minute."""
    measured = start()

    async def run() -> None:
        async with cluster() as net, connected(net.port) as protocol:
            await send(protocol, 1000)
            track_connection(protocol)._read()
            now = timing.monotonic()
            for idle, ratios in ((59, [0]), (61, [])):
                monkeypatch.setattr(timing, "monotonic", lambda idle=idle: now + idle)
                assert list(measured.values(LOSS).values()) == ratios
                assert len(measured.values(RTT)) == 1

    asyncio.run(run())


def test_bytes_are_those_of_the_datagrams(start: Start) -> None:
    """Both directions are exactly what the network carried, a little more than the payload."""
    measured, size = start(), 100_000

    async def run() -> Any:
        async with cluster() as net:
            async with connected(net.port) as protocol:
                await send(protocol, size)
            await until(
                lambda: measured.value(RECEIVED, **BACK, protocol="quic") == net.network.bytes_down
            )
            return net.network

    network = asyncio.run(run())
    sent = measured.value(SENT, **LINK, protocol="quic")
    assert sent == network.bytes_up
    assert size < sent < size * 1.1 + 10_000
    assert measured.value(RECEIVED, **BACK, protocol="quic") == network.bytes_down


def test_a_server_counts_the_same_for_a_peer_it_names_late(start: Start) -> None:
    """What came before the peer had a name is counted for it, once it has one."""
    measured = start()
    create = tracked_protocol(node_id=SERVER)

    async def run() -> None:
        async with cluster(create) as net, connected(net.port) as protocol:
            await send(protocol, 50_000)
            assert measured.value(RECEIVED, **LINK, protocol="quic") is None
            track_connection(net.protocols[0]).message_received("tensor")
            track_connection(net.protocols[0], to_node=CLIENT)
            await until(
                lambda: (
                    measured.value(RECEIVED, **LINK, protocol="quic")
                    == measured.value(SENT, **LINK, protocol="quic")
                )
            )
            assert measured.value(ACTIVE, **BACK) == 1
            await until(lambda: measured.value(RTT, **BACK) is not None)

    asyncio.run(run())
    name = "butterfly_network_messages_received_total"
    assert measured.value(name, **LINK, message_type="tensor") == 1


def test_a_peer_without_a_name_is_unknown(start: Start) -> None:
    """The bytes of a connection that ends without a name are not lost."""
    measured = start()

    async def run() -> None:
        async with cluster(tracked_protocol(node_id=SERVER)) as net:
            async with connected(net.port) as protocol:
                await send(protocol, 1000)
            await until(lambda: registry.find(net.protocols[0]) is None)

    asyncio.run(run())
    received = {"from_node": "unknown", "to_node": SERVER, "protocol": "quic"}
    assert measured.value(RECEIVED, **received) > 1000
    assert measured.value(ACTIVE, from_node=SERVER, to_node="unknown") is None


def test_streams_and_windows_are_sums_over_connections(start: Start) -> None:
    """Two connections with three open streams make three streams and two windows of the node."""
    measured = start()

    async def run() -> None:
        async with (
            cluster() as net,
            cluster() as other,
            connected(net.port) as one,
            connected(other.port, to_node="compute-node-3") as two,
        ):
            writers: list[asyncio.StreamWriter] = []
            for protocol in (one, two, two):
                writers.append((await protocol.create_stream())[1])
                writers[-1].write(b"x")
            await until(lambda: measured.value(STREAMS, node_id=CLIENT) == 3)
            windows = [each._quic._loss.congestion_window for each in (one, two)]
            for each in (one, two):
                track_connection(each)._read()
            assert measured.value(WINDOW, node_id=CLIENT) == sum(windows)
            writers[0].write_eof()
            await until(lambda: measured.value(STREAMS, node_id=CLIENT) == 2)
            for writer in writers[1:]:
                writer.close()

    asyncio.run(run())
    assert measured.values(STREAMS) == {}
    assert measured.values(WINDOW) == {}


def test_a_connection_is_active_until_it_is_closed(start: Start) -> None:
    """An orderly close ends the series, records no error, and leaves one connect latency."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            async with connected(net.port):
                assert measured.value(ACTIVE, **LINK) == 1
            assert measured.values(ACTIVE) == {}

    asyncio.run(run())
    assert measured.values(ERRORS) == {}
    [latency] = measured.points("butterfly_connection_latency_seconds")
    assert (latency.count, dict(latency.attributes)) == (1, LINK)
    assert 0 < latency.sum < 60


def test_two_connections_to_one_peer_are_one_link(start: Start) -> None:
    """The link is active until the last of its connections has gone, also after a lost one."""
    measured = start()

    async def run() -> None:
        async with (
            cluster() as net,
            cluster() as other,
            connected(net.port),
            connected(other.port) as second,
        ):
            second._quic.close(error_code=7, reason_phrase="broken")
            second.transmit()
            await second.wait_closed()
            assert measured.value(ERRORS, **LINK, error_type="reset") == 1
            assert measured.value(ACTIVE, **LINK) == 1

    asyncio.run(run())
    assert measured.values(ACTIVE) == {}


def test_connections_are_reported_though_earlier_registrations_were_undone(start: Start) -> None:
    """A test kit undoes every registration, whatever connections an earlier test has left."""
    measured = start()

    async def run() -> None:
        async with cluster() as net, connected(net.port):
            await until(lambda: measured.value(RTT, **LINK) is not None)
            for handle in (
                metrics.quic_rtt_seconds,
                metrics.quic_packet_loss_ratio,
                metrics.quic_streams_active,
                metrics.quic_congestion_window_bytes,
            ):
                for registration in handle.registrations:
                    registration.unregister()
            assert measured.value(RTT, **LINK) is None
            async with cluster() as other, connected(other.port):
                await until(lambda: measured.value(RTT, **LINK) is not None)
                assert measured.value(WINDOW, node_id=CLIENT) is not None

    asyncio.run(run())
    assert measured.values(RTT) == {}


def test_a_network_that_goes_down_is_a_timeout(start: Start) -> None:
    """The link is 0 when the idle timeout strikes, and 1 again when the peer is back."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            configuration = client_configuration(idle_timeout=0.2)
            async with connected(net.port, configuration) as protocol:
                net.network.down = True
                await protocol.wait_closed()
                assert measured.value(ACTIVE, **LINK) == 0
                assert measured.value(ERRORS, **LINK, error_type="timeout") == 1
                assert measured.values(RTT) == {}
            net.network.down = False
            async with connected(net.port):
                assert measured.value(ACTIVE, **LINK) == 1

    asyncio.run(run())


def test_a_peer_that_never_answers_is_a_timeout(start: Start) -> None:
    """A handshake without an answer counts one timeout, and the link is down."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            net.network.down = True
            with pytest.raises(ConnectionError):
                async with connected(net.port, client_configuration(idle_timeout=0.2)):
                    pytest.fail("nobody answered")

    asyncio.run(run())
    assert measured.value(ERRORS, **LINK, error_type="timeout") == 1
    assert measured.value(ACTIVE, **LINK) == 0
    assert measured.points("butterfly_connection_latency_seconds") == []


def test_giving_up_a_handshake_is_a_timeout(start: Start) -> None:
    """An application that stops waiting closes without an error code, and it is still one."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            net.network.down = True
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(connected(net.port).__aenter__(), 0.05)

    asyncio.run(run())
    assert measured.value(ERRORS, **LINK, error_type="timeout") == 1


def test_a_certificate_that_is_not_trusted_is_an_encryption_error(start: Start) -> None:
    """The client's refusal counts on both ends, the server's under an unknown peer."""
    measured = start()

    async def run() -> None:
        async with cluster(tracked_protocol(node_id=SERVER)) as net:
            with pytest.raises(ConnectionError):
                async with connected(net.port, client_configuration(trusting=False)):
                    pytest.fail("it must not be trusted")
            await until(lambda: registry._tracked == ())

    asyncio.run(run())
    assert measured.value(ERRORS, **LINK, error_type="encryption_error") == 1
    unknown = {"from_node": SERVER, "to_node": "unknown"}
    assert measured.value(ERRORS, **unknown, error_type="encryption_error") == 1


def test_messages_are_what_the_application_tells(start: Start) -> None:
    """Messages are counted by type and direction."""
    measured = start()

    async def run() -> None:
        async with cluster() as net, connected(net.port) as protocol:
            tracked = track_connection(protocol)
            tracked.message_sent("tensor")
            tracked.message_sent("heartbeat", 2)
            tracked.message_received("consensus")

    asyncio.run(run())
    sent, received = (
        "butterfly_network_messages_sent_total",
        "butterfly_network_messages_received_total",
    )
    assert measured.value(sent, **LINK, message_type="tensor") == 1
    assert measured.value(sent, **LINK, message_type="heartbeat") == 2
    assert measured.value(received, **BACK, message_type="consensus") == 1


def test_series_of_a_forgotten_peer_end(start: Start) -> None:
    """No series names the peer afterwards; one that comes back begins from zero."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            async with connected(net.port) as protocol:
                track_connection(protocol).message_sent("tensor")
                net.network.down = True
                protocol._quic.close(error_code=9)
                protocol.transmit()
                await protocol.wait_closed()
            assert measured.value(ACTIVE, **LINK) == 0
            forget_peer(SERVER)
            data = measured.reader.get_metrics_data()
            assert SERVER not in (data.to_json() if data else "")
            net.network.down, before = False, net.network.bytes_up
            async with connected(net.port) as protocol:
                await send(protocol, 1000)
            assert measured.value(SENT, **LINK, protocol="quic") == net.network.bytes_up - before

    asyncio.run(run())


def test_connections_may_be_older_than_the_tracking_and_the_configuration(start: Start) -> None:
    """A connection tracked when it is up, and configured later, is reported by what follows."""

    async def run() -> None:
        async with cluster() as net, connected(net.port, to_node=None) as protocol:
            track_connection(protocol).unregister()
            tracked = track_connection(protocol, to_node=SERVER)
            assert track_connection(protocol) is tracked
            measured = start()
            assert measured.values(ACTIVE) == {}
            await send(protocol, 1000)
            await until(lambda: measured.value(ACTIVE, **LINK) == 1)
            assert measured.value(SENT, **LINK, protocol="quic") > 1000
            assert measured.value(RTT, **LINK) > 0
            tracked.unregister()
            tracked.unregister()
            assert tracked.snapshot is None
            before = measured.value(SENT, **LINK, protocol="quic")
            await send(protocol, 1000)
            assert measured.value(SENT, **LINK, protocol="quic") == before
            assert measured.values(ACTIVE) == {}

    asyncio.run(run())


def test_a_closed_connection_is_not_tracked(start: Start) -> None:
    """Tracking what has ended reports nothing and raises nothing."""
    measured = start()

    async def run() -> None:
        async with cluster() as net:
            async with connected(net.port, to_node=None) as protocol:
                track_connection(protocol).unregister()
            track_connection(protocol, to_node="compute-node-3")

    asyncio.run(run())
    assert measured.values(ACTIVE) == {}


def test_a_dropped_connection_is_not_kept_alive(start: Start) -> None:
    """Tracking holds no protocol; one that is garbage counts as lost at the next collection."""
    measured = start()

    async def run() -> weakref.ref[QuicConnectionProtocol]:
        async with cluster() as net, connected(net.port) as protocol:
            dropped = QuicConnectionProtocol(protocol._quic)
            reference = weakref.ref(dropped)
            with track_connection(dropped, to_node="compute-node-3"):
                pass
            track_connection(dropped, to_node="compute-node-3")
            assert measured.value(ACTIVE, from_node=CLIENT, to_node="compute-node-3") == 1
            del dropped
            await asyncio.sleep(0)
            gc.collect()
            measured.reader.get_metrics_data()
            assert measured.value(ACTIVE, from_node=CLIENT, to_node="compute-node-3") == 0
            return reference

    assert asyncio.run(run())() is None


def test_nothing_reaches_the_transport_in_strict_mode(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """A message type outside the contract is logged, and the connection goes on."""
    start(strict=True)

    async def run() -> None:
        async with cluster() as net, connected(net.port) as protocol:
            track_connection(protocol).message_sent("nonsense")  # type: ignore[arg-type]
            await send(protocol, 1000)

    asyncio.run(run())
    assert "Traffic.message_sent" in caplog.text
