"""grpc.aio: real servers and channels over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from butterfly_otel.integrations.grpc import (
    NODE_ID_KEY,
    aio_server_interceptor,
    forget_peer,
    measured_channel,
)
from butterfly_otel.integrations.peers import links
from tests.unit.integrations.grpc.support import (
    BOTH,
    CLIENT,
    JOIN,
    OPTIONS,
    SERVER,
    SPLIT,
    UNARY,
    AioService,
    Cable,
    aio_serving,
    aio_until,
    decode,
    encode,
)

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]
LINK = {"from_node": CLIENT, "to_node": SERVER}
BACK = {"from_node": SERVER, "to_node": CLIENT}
ACTIVE, ERRORS = "butterfly_connection_active", "butterfly_connection_errors_total"
SENT, RECEIVED = "butterfly_network_bytes_sent", "butterfly_network_bytes_received"
LATENCY = "butterfly_connection_latency_seconds"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """See that no test leaves a link."""
    yield
    forget_peer(SERVER)
    assert links._up == {}


def channel_to(target: str, *interceptors: Any, **settings: Any) -> grpc.aio.Channel:
    """Return a measured channel."""
    channel = grpc.aio.insecure_channel(target, OPTIONS, interceptors=interceptors)
    return measured_channel(channel, **{"to_node": SERVER, **settings})


def test_bytes_and_messages_of_all_kinds_of_calls(start: Start) -> None:
    """Both ends count each message and exactly its serialised bytes, by what it carries."""
    measured = start()

    async def letters(text: str) -> Any:
        for letter in text:
            yield letter

    async def run() -> None:
        async with (
            aio_serving(AioService(), aio_server_interceptor(node_id=SERVER)) as (_, target),
            channel_to(target) as channel,
        ):
            assert await channel.unary_unary(UNARY, encode, decode)("åb") == "åbåb"
            split = channel.unary_stream(SPLIT, encode, decode)("abc")
            assert [each async for each in split] == ["a", "b", "c"]
            assert await channel.stream_unary(JOIN, encode, decode)(iter(["ab", "c"])) == "abc"
            both = channel.stream_stream(BOTH, encode, decode)(letters("xyz"))
            assert [each async for each in both] == ["x", "y", "z"]

    asyncio.run(run())
    for ends, size, counts in (
        (LINK, 12, {"tensor": 1, "checkpoint": 1, "consensus": 2, "heartbeat": 3}),
        (BACK, 15, {"tensor": 1, "checkpoint": 3, "consensus": 1, "heartbeat": 3}),
    ):
        assert measured.value(SENT, **ends, protocol="grpc") == size
        assert measured.value(RECEIVED, **ends, protocol="grpc") == size
        for kind, count in counts.items():
            for direction in ("sent", "received"):
                name = f"butterfly_network_messages_{direction}_total"
                assert measured.value(name, **ends, message_type=kind) == count
    [latency] = measured.points(LATENCY)
    assert (latency.count, dict(latency.attributes)) == (1, LINK)


def test_streams_may_be_written_and_read_by_hand(start: Start) -> None:
    """read(), write() and done_writing() are those of the call, and measured."""
    measured = start()

    async def run() -> None:
        async with aio_serving(AioService()) as (_, target), channel_to(target) as channel:
            by_position = (None, 30, (("key", "value"),), None, True)
            call = channel.stream_stream(BOTH, encode, decode)(*by_position)
            await call.write("abc")
            assert await call.read() == "abc"
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            await aio_until(lambda: measured.value(ACTIVE, **LINK) == 1)

    asyncio.run(run())
    assert measured.value(SENT, **LINK, protocol="grpc") == 3


def test_the_channel_does_what_the_real_one_does(start: Start) -> None:
    """Its states are passed on; stubs' arguments and interceptors inside work."""

    class Shouting(grpc.aio.UnaryUnaryClientInterceptor):
        """Changes requests."""

        async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return await continuation(details, request.upper())

    measured = start()

    async def run() -> None:
        async with (
            aio_serving(AioService()) as (_, target),
            channel_to(target, Shouting()) as channel,
        ):
            state = channel.get_state(try_to_connect=True)
            assert isinstance(state, grpc.ChannelConnectivity)
            await channel.channel_ready()
            if state is not grpc.ChannelConnectivity.READY:
                await channel.wait_for_state_change(state)
            more: dict[str, Any] = {"_registered_method": False}
            assert await channel.unary_unary(UNARY, encode, decode, **more)("abc") == "ABCABC"
            await aio_until(lambda: measured.value(ACTIVE, **LINK) == 1)
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(UNARY, encode, decode)("missing", timeout=30)

    asyncio.run(run())


def test_a_server_that_is_not_there_is_refused(start: Start) -> None:
    """UNAVAILABLE counts as refused, and the link is down until the channel is closed."""
    measured = start()

    async def run() -> None:
        async with aio_serving(AioService()) as (_, target):
            pass
        async with channel_to(target) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(UNARY, encode, decode)("a")
            assert measured.value(ERRORS, **LINK, error_type="refused") == 1
            assert measured.value(ACTIVE, **LINK) == 0

    asyncio.run(run())
    assert measured.values(ACTIVE) == {}
    assert measured.points(LATENCY) == []


def test_a_connection_that_is_cut_is_reset(start: Start) -> None:
    """A stream whose connection breaks is one failure, and the link is down."""
    measured, service = start(), AioService()

    async def run() -> None:
        async with aio_serving(service) as (_, target):
            with Cable(target) as cable:
                async with channel_to(cable.target) as channel:
                    call = channel.unary_stream(SPLIT, encode, decode)("wait")
                    assert [await call.read() for _ in range(4)] == list("wait")
                    cable.cut()
                    with pytest.raises(grpc.aio.AioRpcError):
                        await call.read()
                    await aio_until(lambda: measured.value(ACTIVE, **LINK) == 0)

    asyncio.run(run())
    assert measured.value(ERRORS, **LINK, error_type="reset") == 1


def test_deadlines_and_cancellations(start: Start) -> None:
    """A deadline is a timeout; a call or a task that is cancelled is no failure."""
    measured, service = start(), AioService()

    async def run() -> None:
        async with aio_serving(service) as (_, target), channel_to(target) as channel:
            unary = channel.unary_unary(UNARY, encode, decode)
            with pytest.raises(grpc.aio.AioRpcError):
                await unary("wait", timeout=0.05)
            assert measured.value(ERRORS, **LINK, error_type="timeout") == 1
            call = unary("wait")
            await aio_until(service.asked.is_set)
            assert call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            task = asyncio.ensure_future(
                _collect(channel.unary_stream(SPLIT, encode, decode)("wait"))
            )
            await aio_until(lambda: measured.value(RECEIVED, **BACK, protocol="grpc") == 4)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert measured.value(ERRORS, **LINK, error_type="timeout") == 1
    assert measured.values(ACTIVE) == {}
    assert measured.points(LATENCY) == []


async def _collect(call: Any) -> list[str]:
    return [each async for each in call]


def test_metadata_names_the_client(start: Start) -> None:
    """The server's default names the peer by it, beside the metadata of the call, of any type."""
    measured, service = start(), AioService()

    async def run() -> None:
        async with (
            aio_serving(service, aio_server_interceptor(node_id=SERVER)) as (_, target),
            channel_to(target) as channel,
        ):
            unary = channel.unary_unary(UNARY, encode, decode)
            await unary("a", metadata=grpc.aio.Metadata(("key", "value")))
            assert {"key": "value", NODE_ID_KEY: CLIENT}.items() <= dict(service.metadata).items()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/butterfly.Compute/Nothing", encode, decode)("a")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    asyncio.run(run())
    assert measured.value(RECEIVED, **LINK, protocol="grpc") == 1


def test_nothing_reaches_the_calls_in_strict_mode(start: Start) -> None:
    """A message type outside the contract fails no call, on neither side."""
    start(strict=True)

    def wrong(*_: object) -> Any:
        return "nonsense"

    async def run() -> None:
        interceptor = aio_server_interceptor(message_type=wrong, node_id=SERVER)
        async with (
            aio_serving(AioService(), interceptor) as (_, target),
            channel_to(target, message_type=wrong) as channel,
        ):
            assert await channel.unary_unary(UNARY, encode, decode)("a") == "aa"

    asyncio.run(run())
