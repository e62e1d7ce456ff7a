"""Requests of gRPC servers, of threads and of coroutines, over loopback."""

from __future__ import annotations

import asyncio
import doctest
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.integrations.grpc import (
    aio_request_interceptor,
    aio_server_interceptor,
    request_interceptor,
    server_interceptor,
)
from butterfly_otel.integrations.grpc import (
    serving as grpc_serving,
)
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.grpc.support import (
    BOTH,
    JOIN,
    OPTIONS,
    SPLIT,
    UNARY,
    AioService,
    Service,
    aio_serving,
    aio_until,
    decode,
    encode,
    serving,
    until,
)

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]
ALL = {"/butterfly.Compute/*": "inference", "/butterfly.Raft/*": "inference"}

#: What a handler is asked to do, and the error type that it counts as.
ENDINGS = {
    "missing": None,
    "set invalid": None,
    "set internal": "grpc_internal",
    "abort unavailable": "grpc_unavailable",
    "abort late": "timeout",
    "raise": "memory",
    "set and raise": "memory",
}


@pytest.fixture
def red(start: Start) -> Red:
    """Return the RED set of inference, measured from now on."""
    return Red(start())


def obey(text: str, context: Any) -> str:
    """Do as a request says."""
    codes = grpc.StatusCode
    if text.startswith("set "):
        invalid = "invalid" in text
        context.set_code(codes.INVALID_ARGUMENT if invalid else codes.INTERNAL)
    if text.startswith("abort "):
        context.abort(codes.UNAVAILABLE if "un" in text else codes.DEADLINE_EXCEEDED, "")
    if text == "missing":
        context.abort(codes.NOT_FOUND, "")
    if "raise" in text:
        raise MemoryError(text)
    return text * 2


class Obeying(Service):
    """Handlers of threads that do as they are told; functions that return streams, too."""

    def unary(self, request: str, context: Any) -> str:
        if request == "wait":
            return super().unary(request, context)
        return obey(request, context)

    def both(self, requests: Iterator[str], _context: Any) -> Iterator[str]:
        if next(requests) == "nothing":
            raise ValueError
        return iter(["a", "b"])


class AioObeying(AioService):
    """The same for grpc.aio: a function for its threads, a coroutine that writes, and its own."""

    def join(self, requests: Iterator[str], context: Any) -> str:  # type: ignore[override]
        return obey("".join(requests), context)

    async def both(self, requests: AsyncIterator[str], context: Any) -> None:  # type: ignore[override]
        async for each in requests:
            await context.write(each)

    async def unary(self, request: str, context: Any) -> str:  # type: ignore[override]
        codes = grpc.StatusCode
        if request == "missing":
            await context.abort(codes.NOT_FOUND, "")
        if request == "abort unavailable":
            await context.abort(codes.UNAVAILABLE, "")
        if request == "abort late":
            await context.abort(codes.DEADLINE_EXCEEDED, "")
        return (
            await super().unary(request, context) if request == "wait" else obey(request, context)
        )


def call(channel: Any, text: str) -> None:
    """Call, whatever comes of it."""
    try:
        channel.unary_unary(UNARY, encode, decode)(text, timeout=30)
    except grpc.RpcError:
        return


def test_all_kinds_of_calls(red: Red) -> None:
    """Each call is one request; of streams of answers, the first has a time of its own."""
    interceptors = (server_interceptor(), request_interceptor(method=ALL))
    with (
        serving(Service(), *interceptors) as (_, target),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        assert channel.unary_unary(UNARY, encode, decode)("a") == "aa"
        assert list(channel.unary_stream(SPLIT, encode, decode)("abc")) == ["a", "b", "c"]
        assert channel.stream_unary(JOIN, encode, decode)(iter(["ab", "c"])) == "abc"
        assert list(channel.stream_stream(BOTH, encode, decode)(iter("xyz"))) == ["x", "y", "z"]
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            channel.unary_unary("/butterfly.Compute/Missing", encode, decode)("a")
    assert (red.ok, red.failed, red.in_flight) == (4, 0, 0)
    assert (red.timed, red.first_items) == (4, 2)


def test_all_kinds_of_calls_of_coroutines(red: Red) -> None:
    """The same of coroutines, async generators, functions in threads, and those that write."""

    async def main() -> None:
        interceptors = (aio_server_interceptor(), aio_request_interceptor(method=ALL))
        async with (
            aio_serving(AioObeying(), *interceptors) as (_, target),
            grpc.aio.insecure_channel(target, OPTIONS) as channel,
        ):
            assert await channel.unary_unary(UNARY, encode, decode)("a") == "aa"
            split = channel.unary_stream(SPLIT, encode, decode)("abc")
            assert [each async for each in split] == ["a", "b", "c"]
            assert await channel.stream_unary(JOIN, encode, decode)(["ab", "c"]) == "abcabc"
            both = channel.stream_stream(BOTH, encode, decode)(["x", "y"])
            assert [each async for each in both] == ["x", "y"]

    asyncio.run(main())
    assert (red.ok, red.failed, red.in_flight) == (4, 0, 0)
    assert (red.timed, red.first_items) == (4, 1)


@pytest.mark.parametrize(("asked", "error"), ENDINGS.items())
def test_endings(red: Red, asked: str, error: str | None) -> None:
    """A status counts as the conventions say, and an exception as the decorators do."""
    requests = request_interceptor(method=ALL, errors={MemoryError: "memory"})
    with (
        serving(Obeying(), requests) as (_, target),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        call(channel, asked)
        until(lambda: red.ok + red.failed)
    assert red.errors == ({} if error is None else {error: 1})
    assert red.in_flight == 0


@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize(("asked", "error"), ENDINGS.items())
def test_endings_of_coroutines(red: Red, kind: str, asked: str, error: str | None) -> None:
    """The same of coroutines and of functions in threads; a code that is set wins there."""
    if asked == "set and raise":
        error = "grpc_internal"  # that is what grpc.aio answers

    async def main() -> None:
        requests = aio_request_interceptor(method=ALL, errors={MemoryError: "memory"})
        async with (
            aio_serving(AioObeying(), requests) as (_, target),
            grpc.aio.insecure_channel(target, OPTIONS) as channel,
        ):
            try:
                if kind == "coroutine":
                    await channel.unary_unary(UNARY, encode, decode)(asked)
                else:
                    await channel.stream_unary(JOIN, encode, decode)([asked])
            except grpc.RpcError:
                pass
            await aio_until(lambda: red.ok + red.failed)

    asyncio.run(main())
    assert red.errors == ({} if error is None else {error: 1})
    assert red.in_flight == 0


def test_functions_that_return_streams(red: Red) -> None:
    """A handler may return an iterator rather than be a generator, or fail to."""
    with (
        serving(Obeying(), request_interceptor(method=ALL)) as (_, target),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        both = channel.stream_stream(BOTH, encode, decode)
        assert list(both(iter("x"))) == ["a", "b"]
        with pytest.raises(grpc.RpcError):
            list(both(iter(["nothing"])))
    assert (red.ok, red.first_items, red.errors) == (1, 1, {"value_error": 1})


@pytest.mark.parametrize(
    ("timeout", "error"), [(None, "cancelled"), (2.0, "timeout")], ids=["cancelled", "deadline"]
)
@pytest.mark.parametrize("streams", [False, True], ids=["unary", "stream"])
def test_calls_that_nobody_waits_for(
    red: Red, timeout: float | None, error: str, *, streams: bool
) -> None:
    """What a client cancels is cancelled, and what comes too late is a timeout."""
    service = Service()
    with (
        ThreadPoolExecutor(1) as pool,
        serving(service, request_interceptor(method=ALL)) as (_, target),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        if streams:
            asked: Any = channel.unary_stream(SPLIT, encode, decode)("wait", timeout=timeout)
        else:
            asked = channel.unary_unary(UNARY, encode, decode).future("wait", timeout=timeout)
        service.asked.wait()
        assert red.in_flight == 1
        if timeout is None:
            asked.cancel()
        ended = threading.Event()
        asked.add_done_callback(lambda _: ended.set()) if not streams else pool.submit(
            lambda: (asked.code(), ended.set())
        )
        ended.wait()
        # The server hears of it in its own time.
        until(lambda: not service.context.is_active())
        until(lambda: timeout is None or service.context.time_remaining() == 0)
        service.go.set()
        until(lambda: (gc.collect(), red.failed)[1])
    assert (red.errors, red.in_flight) == ({error: 1}, 0)


@pytest.mark.parametrize(
    ("timeout", "error"), [(None, "cancelled"), (2.0, "timeout")], ids=["cancelled", "deadline"]
)
@pytest.mark.parametrize("streams", [False, True], ids=["unary", "stream"])
def test_coroutines_that_nobody_waits_for(
    red: Red, timeout: float | None, error: str, *, streams: bool
) -> None:
    """The same of coroutines, which grpc.aio cancels."""

    async def main() -> None:
        service = AioService()
        async with (
            aio_serving(service, aio_request_interceptor(method=ALL)) as (_, target),
            grpc.aio.insecure_channel(target, OPTIONS) as channel,
        ):
            kind = channel.unary_stream if streams else channel.unary_unary
            path = SPLIT if streams else UNARY
            asked: Any = kind(path, encode, decode)("wait", timeout=timeout)
            await aio_until(service.asked.is_set)
            assert red.in_flight == 1
            if timeout is None:
                asked.cancel()
            await aio_until(lambda: red.failed)

    asyncio.run(main())
    assert (red.errors, red.in_flight) == ({error: 1}, 0)


def test_methods_by_name(start: Start) -> None:
    """A full name beats the rest of its service; a function may decide, and None is unmeasured."""
    measured = start()
    by_name = {UNARY: "checkpoint", "/butterfly.Compute/*": "inference"}
    interceptors = [
        request_interceptor(method=by_name, node_role="compute"),
        request_interceptor(method={SPLIT: "health_check"}.get),
    ]
    with (
        serving(Service(), *interceptors) as (_, target),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        for _ in range(2):  # the second time it is known
            channel.unary_unary(UNARY, encode, decode)("a")
        list(channel.unary_stream(SPLIT, encode, decode)("a"))
        channel.stream_unary(JOIN, encode, decode)(iter("a"))
    assert Red(measured, "checkpoint", "compute").ok == 2
    assert Red(measured, "inference", "compute").ok == 1
    assert Red(measured, "health_check").ok == 1
    assert len(measured.points("butterfly_requests_total")) == 3


def test_a_function_of_the_status(red: Red) -> None:
    """``failed`` judges statuses instead; where it raises, the status is none."""
    judged = {grpc.StatusCode.NOT_FOUND: "lost"}
    with (
        serving(Obeying(), request_interceptor(method=ALL, failed=lambda code: judged[code])) as (
            _,
            target,
        ),
        grpc.insecure_channel(target, OPTIONS) as channel,
    ):
        call(channel, "missing")
        call(channel, "set internal")
        until(lambda: red.ok + red.failed == 2)
    assert (red.errors, red.ok) == ({"lost": 1}, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "inference"}, "pass a mapping"),
        ({"method": {UNARY: "infer"}}, "has the method 'infer'"),
        ({"method": {"Forward": "inference"}}, "'Forward' is no gRPC method"),
        ({"method": ALL, "node_role": "boss"}, "node_role is 'boss'"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], said: str) -> None:
    """Each mistake is a sentence where the interceptor is made."""
    for make in (request_interceptor, aio_request_interceptor):
        with pytest.raises(ConfigurationError, match=said):
            make(**settings)


def test_the_documentation_is_true() -> None:
    """The examples of the docstring hold."""
    assert doctest.testmod(grpc_serving).failed == 0
