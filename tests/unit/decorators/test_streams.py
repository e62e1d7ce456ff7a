"""Generators of both kinds: measured to the last item, and passed through unchanged."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from butterfly_otel import counted, metrics, request
from tests.unit.decorators.conftest import Red


def talk(log: list[Any]) -> Generator[int, Any, str]:
    """Answer what is sent and what is thrown, and return a word."""
    try:
        for number in range(4):
            try:
                log.append((yield number))
            except KeyError as error:  # noqa: PERF203 - a loop of conversations
                log.append(type(error))
    finally:
        log.append("closed")
    return "end"


async def talk_async(log: list[Any]) -> AsyncGenerator[int, Any]:
    """Answer what is sent and what is thrown."""
    try:
        for number in range(4):
            await asyncio.sleep(0)
            try:
                log.append((yield number))
            except KeyError as error:
                log.append(type(error))
    finally:
        log.append("closed")


stream = request(method="inference")(talk)
stream_async = request(method="inference")(talk_async)


def conversation(function: Any) -> list[Any]:
    """Drive a generator in every way there is and return all that was seen on both sides."""
    log: list[Any] = []
    generator = function(log)
    log.append(next(generator))
    log.append(generator.send("sent"))
    log.append(generator.throw(KeyError()))
    log.append(next(generator))
    with pytest.raises(StopIteration) as stop:
        generator.send("last")
    return [*log, stop.value.value]


async def conversation_async(function: Any) -> list[Any]:
    """Drive an async generator likewise."""
    log: list[Any] = []
    generator = function(log)
    log.append(await generator.asend(None))
    log.append(await generator.asend("sent"))
    log.append(await generator.athrow(KeyError()))
    log.append(await generator.__anext__())
    with pytest.raises(StopAsyncIteration):
        await generator.asend("last")
    return log


def test_a_generator_behaves_as_undecorated(red: Red) -> None:
    """Whatever is sent, thrown and returned passes through."""
    assert conversation(stream) == conversation(talk)
    assert (red.ok, red.failed, red.in_flight, red.timed, red.first_items) == (1, 0, 0, 1, 1)


def test_an_async_generator_behaves_as_undecorated(red: Red) -> None:
    """Likewise for async generators."""

    async def main() -> tuple[list[Any], list[Any]]:
        return await conversation_async(stream_async), await conversation_async(talk_async)

    ours, theirs = asyncio.run(main())
    assert ours == theirs
    assert (red.ok, red.failed, red.in_flight, red.timed, red.first_items) == (1, 0, 0, 1, 1)


def test_a_generator_that_is_sent_to_all_the_time_returns_its_value(red: Red) -> None:
    """Items that answer what was sent all pass through our code, and so does the end."""
    log: list[Any] = []
    generator = stream(log)
    assert next(generator) == 0
    assert [generator.send(word) for word in "abc"] == [1, 2, 3]
    with pytest.raises(StopIteration) as stop:
        generator.send("d")
    assert (stop.value.value, log) == ("end", ["a", "b", "c", "d", "closed"])
    assert (red.ok, red.first_items) == (1, 1)


def test_delegation_goes_through_both_ways(red: Red) -> None:
    """A plain loop takes the fast way, in which items no longer pass through our code."""

    def outer() -> Generator[int, Any, str]:
        return (yield from stream([]))

    assert conversation(lambda _log: outer())[-1] == "end"
    assert list(stream([])) == [0, 1, 2, 3]
    assert (red.ok, red.first_items, red.in_flight) == (2, 2, 0)


def test_the_stream_is_in_flight_from_the_first_item_to_the_last(red: Red) -> None:
    """A generator that is not iterated is no request; its time to first item comes first."""
    generator = stream([])
    assert red.in_flight == 0
    next(generator)
    assert (red.in_flight, red.first_items, red.timed) == (1, 1, 0)
    list(generator)
    assert (red.in_flight, red.first_items, red.timed) == (0, 1, 1)
    del generator
    stream([]).close()
    gc.collect()
    assert (red.ok, red.failed) == (1, 0)


def test_an_empty_stream_succeeds_without_a_first_item(red: Red) -> None:
    """There is no time to what never came."""

    @request(method="inference")
    def nothing() -> Generator[int]:
        yield from ()

    assert list(nothing()) == []
    assert (red.ok, red.first_items, red.in_flight) == (1, 0, 0)


def test_times_are_told_from_the_start(red: Red, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first item after one reading of the clock, the end after another."""
    ticks = iter((10.0, 10.5, 13.0))
    monkeypatch.setattr("butterfly_otel.process.timing.perf_counter", lambda: next(ticks))
    list(stream([]))
    assert red.seconds() == (1, 3.0)
    assert red.seconds("butterfly_otel_request_first_item_seconds") == (1, 0.5)


@pytest.mark.parametrize("items", [1, 2])
def test_a_stream_closed_early_is_cancelled(red: Red, items: int) -> None:
    """Closing and dropping it are the same; the inner generator is closed as well."""
    log: list[Any] = []
    generator = stream(log)
    for _ in range(items):
        next(generator)
    generator.close()
    assert log[-1] == "closed"
    again = stream(log)
    next(again)
    del again
    gc.collect()
    assert (red.ok, red.errors, red.in_flight) == (0, {"cancelled": 2}, 0)


def test_an_early_close_may_be_a_success(red: Red) -> None:
    """Where readers stop when they have enough, one entry says so."""
    lenient = request(method="inference", errors={GeneratorExit: None})(talk)
    for item in lenient([]):
        if item == 1:
            break
    gc.collect()
    assert (red.ok, red.failed, red.in_flight) == (1, 0, 0)


@pytest.mark.parametrize("items", [0, 1, 2])
def test_an_error_in_a_stream_is_its_error(red: Red, items: int) -> None:
    """Before, at and after the first item."""

    @request(method="inference")
    def broken() -> Generator[int]:
        yield from range(items)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(broken())
    assert (red.errors, red.in_flight) == ({"network_error": 1}, 0)
    assert red.first_items == min(items, 1)


def test_an_async_stream_closed_early_is_cancelled(red: Red) -> None:
    """By ``aclose()``, by ``athrow()``, by cancelling its reader, and by the end of the loop."""
    log: list[Any] = []

    async def read(generator: Any) -> None:
        async for _ in generator:
            await asyncio.Event().wait()

    async def main() -> None:
        closed = stream_async(log)
        await closed.__anext__()
        await closed.aclose()
        assert log == ["closed"]
        thrown = stream_async(log)
        await thrown.__anext__()
        with pytest.raises(TimeoutError):
            await thrown.athrow(TimeoutError())
        task = asyncio.create_task(read(stream_async(log)))
        while red.first_items < 3:  # noqa: ASYNC110 - until the reader has come so far
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        left = stream_async(log)
        await left.__anext__()
        assert red.in_flight >= 1
        del left

    asyncio.run(main())
    gc.collect()
    assert (red.ok, red.errors, red.in_flight) == (0, {"cancelled": 3, "timeout": 1}, 0)
    assert log.count("closed") == 4


def test_an_async_stream_cancelled_while_it_works_is_cancelled(red: Red) -> None:
    """The cancellation comes up through the generator itself."""

    @request(method="inference")
    async def slow() -> AsyncGenerator[int]:
        yield 1
        await asyncio.Event().wait()
        yield 2

    async def read() -> None:
        async for _ in slow():
            pass

    async def main() -> None:
        task = asyncio.create_task(read())
        while not red.first_items:  # noqa: ASYNC110 - until the reader has come so far
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (red.errors, red.in_flight, red.timed) == ({"cancelled": 1}, 0, 1)


def test_an_early_return_of_an_async_stream_is_a_success(red: Red) -> None:
    """The generator decides when it is done."""

    @request(method="inference")
    async def short() -> AsyncGenerator[int]:
        yield 1
        return

    async def main() -> list[int]:
        return [item async for item in short()]

    assert asyncio.run(main()) == [1]
    assert (red.ok, red.in_flight, red.first_items) == (1, 0, 1)


def test_items_are_counted_as_they_pass(red: Red) -> None:
    """Each item of either kind, also of a stream that is never read to its end."""
    tokens = metrics.tokens_processed_total.bind(model="llama")
    counting = counted(tokens, per="item")

    @counting
    @request(method="inference")
    async def numbers() -> AsyncGenerator[int]:
        for number in range(5):
            yield number

    async def main() -> None:
        async for _ in numbers():
            pass

    asyncio.run(main())
    generator = counting(talk)([])
    assert [next(generator), next(generator)] == [0, 1]
    assert generator.send("sent") == 2
    name = "butterfly_tokens_processed_total"
    assert red.measured.value(name, model="llama", node_id="coordinator-1") == 8
    assert red.ok == 1
