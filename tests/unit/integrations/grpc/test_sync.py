"""grpc: real servers and channels over loopback."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from butterfly_otel.integrations.grpc import (
    NODE_ID_KEY,
    forget_peer,
    measured_channel,
    server_interceptor,
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
    Cable,
    Service,
    answered,
    decode,
    encode,
    server_credentials,
    serving,
    until,
)

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]
LINK = {"from_node": CLIENT, "to_node": SERVER}
BACK = {"from_node": SERVER, "to_node": CLIENT}
ACTIVE, ERRORS = "butterfly_connection_active", "butterfly_connection_errors_total"
LATENCY = "butterfly_connection_latency_seconds"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """See that no test leaves a link or a thread."""
    yield
    forget_peer(SERVER)
    assert links._up == {}
    assert not [each for each in threading.enumerate() if "ThreadPool" in each.name]


def channel_to(target: str, **settings: Any) -> grpc.Channel:
    """Return a measured channel."""
    channel = grpc.insecure_channel(target, OPTIONS)
    return measured_channel(channel, **{"to_node": SERVER, **settings})


def traffic(
    measured: Any, ends: dict[str, str]
) -> tuple[float | None, float | None, dict[str, float]]:
    """Return bytes sent and received between two ends, and messages by direction and type."""
    messages = {
        f"{direction} {dict(labels)['message_type']}": value
        for direction in ("sent", "received")
        for labels, value in measured.values(
            f"butterfly_network_messages_{direction}_total"
        ).items()
        if ends.items() <= dict(labels).items()
    }
    return (
        measured.value("butterfly_network_bytes_sent", **ends, protocol="grpc"),
        measured.value("butterfly_network_bytes_received", **ends, protocol="grpc"),
        messages,
    )


def test_bytes_and_messages_of_all_kinds_of_calls(start: Start) -> None:
    """Both ends count each message and exactly its serialised bytes, by what it carries."""
    measured = start()
    with (
        serving(Service(), server_interceptor(node_id=SERVER)) as (_, target),
        channel_to(target) as channel,
    ):
        assert channel.unary_unary(UNARY, encode, decode)("åb") == "åbåb"
        assert list(channel.unary_stream(SPLIT, encode, decode)("abc")) == ["a", "b", "c"]
        assert channel.stream_unary(JOIN, encode, decode)(iter(["ab", "c"])) == "abc"
        assert list(channel.stream_stream(BOTH, encode, decode)(iter("xyz"))) == ["x", "y", "z"]
    there = (3 + 3 + 3 + 3, 3 + 3 + 3 + 3)
    back = (6 + 3 + 3 + 3, 6 + 3 + 3 + 3)
    kinds = {"tensor": (1, 1), "checkpoint": (1, 3), "consensus": (2, 1), "heartbeat": (3, 3)}
    for ends, bytes_, index in ((LINK, there, 0), (BACK, back, 1)):
        sent, received, messages = traffic(measured, ends)
        assert (sent, received) == bytes_
        assert messages == {
            f"{direction} {kind}": counts[index]
            for direction in ("sent", "received")
            for kind, counts in kinds.items()
        }


def test_other_ways_to_call(start: Start) -> None:
    """with_call() and future() are measured once each, with every argument passed on."""
    measured, service = start(), Service()
    with serving(service) as (_, target), channel_to(target) as channel:
        unary = channel.unary_unary(UNARY, encode, decode)
        assert unary.with_call("a", 30.0, (("key", "value"),))[0] == "aa"
        assert ("key", "value") in service.metadata
        assert unary.future("b", metadata=(("key", "other"),), timeout=30).result(30) == "bb"
        assert ("key", "other") in service.metadata
        join = channel.stream_unary(JOIN, encode, decode)
        assert join.with_call(iter("ab"), wait_for_ready=True)[0] == "ab"
        assert join.future(iter("cd")).result(30) == "cd"
    assert traffic(measured, LINK)[0] == 6
    until(lambda: measured.points(LATENCY)[0].count == 2)  # the calls of one message each way


def test_messages_without_serialisers_are_bytes(start: Start) -> None:
    """Generic proxies that pass bytes on are measured as well."""
    measured = start()
    with serving(Service()) as (_, target), channel_to(target) as channel:
        assert channel.unary_unary(UNARY)(b"abc") == b"abcabc"
    assert traffic(measured, LINK)[0] == 3
    assert traffic(measured, BACK)[1] == 6


def test_stubs_and_interceptors_work_on_a_measured_channel(start: Start) -> None:
    """What generated stubs pass on is passed on; interceptors may be outside."""

    class Shouting(grpc.UnaryUnaryClientInterceptor):
        """Changes requests."""

        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(details, request.upper())

    measured = start()
    with serving(Service()) as (_, target), channel_to(target) as channel:
        outside = grpc.intercept_channel(channel, Shouting())
        call = outside.unary_unary(UNARY, encode, decode, _registered_method=True)  # type: ignore[call-arg]
        assert call("abc") == "ABCABC"
    assert traffic(measured, LINK)[0] == 3


def test_a_server_that_is_not_there_is_refused(start: Start) -> None:
    """UNAVAILABLE counts as refused, the link is down, and up when the server is there."""
    measured = start()
    with serving(Service()) as (_, target):
        pass
    with channel_to(target) as channel:
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(UNARY, encode, decode)("a")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert measured.value(ERRORS, **LINK, error_type="refused") == 2
        assert measured.value(ACTIVE, **LINK) == 0
        assert measured.points(LATENCY) == []
    assert measured.values(ACTIVE) == {}


class Subscribed(grpc.Channel):
    """A channel of which only the subscriptions matter: gRPC's poll from a thread of their own."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def subscribe(self, *arguments: Any) -> None:
        self.calls.append(("subscribe", *arguments))

    def unsubscribe(self, callback: Any) -> None:
        self.calls.append(("unsubscribe", callback))

    def close(self) -> None:
        self.calls.append(("close",))

    def _no_calls(self, *_args: Any, **_more: Any) -> Any:
        raise NotImplementedError

    unary_unary = unary_stream = stream_unary = stream_stream = _no_calls


def test_subscriptions_are_those_of_the_channel() -> None:
    """Whoever watches the channel's state watches the real one."""
    inner = Subscribed()
    with measured_channel(inner, to_node=SERVER) as channel:
        channel.subscribe(print, try_to_connect=True)
        channel.unsubscribe(print)
    assert inner.calls == [("subscribe", print, True), ("unsubscribe", print), ("close",)]


def test_a_connection_that_is_cut_is_reset(start: Start) -> None:
    """A stream whose connection breaks is one failure, and the link is down until it is back."""
    measured, service = start(), Service()
    with (
        serving(service) as (_, target),
        Cable(target) as cable,
        channel_to(cable.target) as channel,
    ):
        assert channel.unary_unary(UNARY, encode, decode)("a") == "aa"
        assert measured.value(ACTIVE, **LINK) == 1
        call = channel.unary_stream(SPLIT, encode, decode)("wait")
        assert [next(call) for _ in range(4)] == list("wait")
        cable.cut()
        with pytest.raises(grpc.RpcError):
            next(call)
        until(lambda: measured.value(ACTIVE, **LINK) == 0)
        assert measured.value(ERRORS, **LINK, error_type="reset") == 1
        service.go.set()
        unary = channel.unary_unary(UNARY, encode, decode)
        until(lambda: answered(lambda: unary("a", wait_for_ready=True)))
        assert measured.value(ACTIVE, **LINK) == 1


def test_a_deadline_is_a_timeout_of_a_link_that_may_be_up(start: Start) -> None:
    """DEADLINE_EXCEEDED counts once for a blocking call, a future and a stream each."""
    measured, service = start(), Service()
    with serving(service) as (_, target), channel_to(target) as channel:
        unary = channel.unary_unary(UNARY, encode, decode)
        with pytest.raises(grpc.RpcError):
            unary("wait", timeout=0.05)
        error = unary.future("wait", timeout=0.05).exception(30)
        assert isinstance(error, grpc.RpcError)
        with pytest.raises(grpc.RpcError):
            list(channel.unary_stream(SPLIT, encode, decode)("wait", timeout=0.05))
        until(lambda: measured.value(ERRORS, **LINK, error_type="timeout") == 3)
        service.go.set()
        channel.unary_unary(UNARY, encode, decode)("b")
        assert measured.value(ACTIVE, **LINK) == 1


def test_a_cancelled_call_is_no_failure(start: Start) -> None:
    """A call that its caller has cancelled leaves bytes, and neither an error nor a latency."""
    measured, service = start(), Service()
    with serving(service) as (_, target), channel_to(target) as channel:
        call = channel.unary_unary(UNARY, encode, decode).future("wait")
        assert service.asked.wait(30)
        assert call.cancel()
    assert traffic(measured, LINK)[0] == 4
    assert measured.values(ERRORS) == {}
    assert measured.points(LATENCY) == []


def test_an_answer_that_the_application_dislikes_is_an_answer(start: Start) -> None:
    """NOT_FOUND comes from the peer: the link is up, and the round trip took its time."""
    measured = start()
    with serving(Service()) as (_, target), channel_to(target) as channel:
        with pytest.raises(grpc.RpcError, match="there is none"):
            channel.unary_unary(UNARY, encode, decode)("missing")
        assert measured.value(ACTIVE, **LINK) == 1
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/butterfly.Compute/Nothing", encode, decode)("a")
    assert measured.values(ERRORS) == {}
    [latency] = measured.points(LATENCY)
    assert latency.count == 1


def test_message_that_cannot_be_serialised_is_the_callers_own_error(start: Start) -> None:
    """The application sees what it would have seen, and nothing is counted as sent."""
    measured = start()
    with serving(Service()) as (_, target), channel_to(target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(UNARY, encode, decode)(7)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert measured.values(ACTIVE) == {}
    assert traffic(measured, LINK)[0] is None
    assert measured.values(ERRORS) == {}


def test_functions_name_peers_and_messages(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The application's functions get method and metadata; one that raises is replaced."""
    measured = start()

    def peer(method: str, metadata: Any) -> str:
        assert method == UNARY
        return dict(metadata)["from"]

    interceptor = server_interceptor(
        peer=peer, message_type=lambda _method, _metadata: "heartbeat", node_id=SERVER
    )
    with (
        serving(Service(), interceptor) as (_, target),
        channel_to(target, send_node_id=False, message_type=lambda *_: 1 / 0) as channel,
    ):
        unary = channel.unary_unary(UNARY, encode, decode)
        assert unary("a", metadata=(("from", "observer-7"),)) == "aa"
        assert unary("a") == "aa"
    name = "butterfly_network_messages_received_total"
    ends = {"to_node": SERVER, "message_type": "heartbeat"}
    assert measured.value(name, from_node="observer-7", **ends) == 1
    assert measured.value(name, from_node="unknown", **ends) == 1
    assert measured.value(name, **BACK, message_type="tensor") == 2
    assert "ZeroDivisionError" in caplog.text


def test_clients_say_which_node_they_are(start: Start) -> None:
    """The default is the configured node; a name given to the channel or the call comes first."""
    service = Service()
    with serving(service) as (_, target):
        with channel_to(target) as channel:
            unary = channel.unary_unary(UNARY, encode, decode)
            unary("a")
            assert NODE_ID_KEY not in dict(service.metadata)
            start()
            unary("a")
            assert dict(service.metadata)[NODE_ID_KEY] == CLIENT
            unary("a", metadata=((NODE_ID_KEY, "call"),))
            assert dict(service.metadata)[NODE_ID_KEY] == "call"
        with channel_to(target, node_id="observer-7") as channel:
            channel.unary_unary(UNARY, encode, decode)("a")
            assert dict(service.metadata)[NODE_ID_KEY] == "observer-7"


@pytest.mark.parametrize("server", [server_credentials, None], ids=["untrusted", "plain"])
def test_a_failed_handshake_is_an_encryption_error(start: Start, server: Any) -> None:
    """A certificate that is not trusted, and a server that speaks no TLS, are one each."""
    measured = start()
    credentials = grpc.ssl_channel_credentials()
    with serving(Service(), credentials=server and server()) as (_, target):
        secure = grpc.secure_channel(target, credentials, OPTIONS)
        with measured_channel(secure, to_node=SERVER) as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary(UNARY, encode, decode)("a")
    assert measured.value(ERRORS, **LINK, error_type="encryption_error") == 1


def test_nothing_reaches_the_calls_in_strict_mode(start: Start) -> None:
    """A message type outside the contract fails no call, on neither side."""
    start(strict=True)
    wrong: Any = lambda *_: "nonsense"  # noqa: E731
    with (
        serving(Service(), server_interceptor(message_type=wrong, node_id=SERVER)) as (_, target),
        channel_to(target, message_type=wrong) as channel,
    ):
        assert channel.unary_unary(UNARY, encode, decode)("a") == "aa"


def test_callers_outlive_their_channel(start: Start) -> None:
    """A stub may be all that is kept of a channel; the link ends with it."""
    measured = start()
    with serving(Service()) as (_, target):
        inner = grpc.insecure_channel(target, OPTIONS)
        unary = measured_channel(inner, to_node=SERVER).unary_unary(UNARY, encode, decode)
        gc.collect()
        unary("a")
        assert measured.value(ACTIVE, **LINK) == 1
        del unary
        gc.collect()
        assert measured.values(ACTIVE) == {}
        inner.close()


def test_a_peer_may_have_two_channels(start: Start) -> None:
    """The link is up until the last of them is closed."""
    measured = start()
    with serving(Service()) as (_, target), channel_to(target) as channel:
        channel.unary_unary(UNARY, encode, decode)("a")
        with channel_to(target) as second:
            second.unary_unary(UNARY, encode, decode)("a")
        assert measured.value(ACTIVE, **LINK) == 1
    assert measured.values(ACTIVE) == {}
