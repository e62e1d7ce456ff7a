"""Whatever calls do, requests in flight return to zero and every one that began has ended."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import butterfly_otel
from butterfly_otel import ERROR_TYPES, request
from tests.unit.decorators.conftest import Red

ERRORS = [None, ValueError, TimeoutError, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt]
#: A call: its kind, what it raises, how many items come before, how many are read, what follows.
PLANS = st.recursive(
    st.tuples(
        st.sampled_from(["plain", "coroutine", "stream", "async stream", "block"]),
        st.sampled_from(ERRORS),
        st.integers(0, 3),
        st.integers(0, 4),
        st.just(()),
    ),
    lambda inner: st.tuples(
        st.sampled_from(["plain", "coroutine", "stream", "async stream", "block"]),
        st.sampled_from(ERRORS),
        st.integers(0, 3),
        st.integers(0, 4),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)
measuring = request(method="inference")


class Drive:
    """Makes the calls of a plan and knows how many of them began, and how they were to end."""

    def __init__(self) -> None:
        self.succeeded = 0
        self.errors: dict[str, int] = {}

    def ended(self, error: type[BaseException] | None) -> None:
        """Expect one more request that has ended so."""
        if error is None:
            self.succeeded += 1
        else:
            kind = str(ERROR_TYPES.classify(error()))
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def call(self, plan: Any) -> None:
        """Make one call and those within it."""
        kind, error, items, read, nested = plan
        with suppress(BaseException):
            if kind == "plain":
                self.ended(error)
                self._plain(error, nested)
            elif kind == "coroutine":
                self.ended(error)
                self._drive(self._coroutine(error, nested))
            elif kind == "block":
                self.ended(error)
                with request(method="inference"):
                    self._do(error, nested)
            elif read:
                self.ended(error if read > items else GeneratorExit)
                if kind == "stream":
                    self._read(self._stream(error, items, nested), read)
                else:
                    self._drive(self._read_async(self._async_stream(error, items, nested), read))

    def _do(self, error: type[BaseException] | None, nested: Any) -> None:
        for each in nested:
            self.call(each)
        if error is not None:
            raise error

    @measuring
    def _plain(self, error: type[BaseException] | None, nested: Any) -> None:
        self._do(error, nested)

    @measuring
    async def _coroutine(self, error: type[BaseException] | None, nested: Any) -> None:
        self._do(error, nested)

    @measuring
    def _stream(self, error: type[BaseException] | None, items: int, nested: Any) -> Generator[int]:
        yield from range(items)
        self._do(error, nested)

    @measuring
    async def _async_stream(
        self, error: type[BaseException] | None, items: int, nested: Any
    ) -> AsyncGenerator[int]:
        for number in range(items):
            yield number
        self._do(error, nested)

    @staticmethod
    def _read(stream: Generator[int], read: int) -> None:
        for _ in range(read):
            next(stream)

    @staticmethod
    async def _read_async(stream: AsyncGenerator[int], read: int) -> None:
        try:
            for _ in range(read):
                await stream.__anext__()
        finally:
            await stream.aclose()

    @staticmethod
    def _drive(coroutine: Any) -> None:
        with suppress(StopIteration):
            coroutine.send(None)


@pytest.fixture
def fresh(start: Callable[..., Any]) -> Callable[[], Red]:
    """Return a function that configures anew."""

    def configured() -> Red:
        butterfly_otel.shutdown()
        return Red(start(strict=True))

    return configured


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans=st.lists(PLANS, max_size=4))
def _balanced(fresh: Callable[[], Red], plans: list[Any]) -> None:
    red = fresh()
    drive = Drive()
    for plan in plans:
        drive.call(plan)
    gc.collect(0)
    assert red.in_flight == 0
    assert (red.ok, red.errors) == (drive.succeeded, drive.errors)
    assert red.ok + red.failed == red.timed == drive.succeeded + sum(drive.errors.values())


def test_every_request_that_begins_ends_once(fresh: Callable[[], Red]) -> None:
    """In flight returns to 0; total is success plus error, is durations, is errors by type."""
    _balanced(fresh)
