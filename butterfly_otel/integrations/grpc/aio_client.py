"""A channel of ``grpc.aio`` that measures its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from butterfly_otel.process import timing
from butterfly_otel.process.contain import attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from typing_extensions import Self

    from butterfly_otel.integrations.grpc.far_end import FarEnd

_T = TypeVar("_T")


class MeasuredAioChannel(grpc.aio.Channel):
    """Does what another channel does, and measures it.

    Generated stubs pass on more than gRPC documents: so do its methods.
    """

    def __init__(self, channel: grpc.aio.Channel, far_end: FarEnd) -> None:
        self._channel = channel
        self._far_end = far_end

    def unary_unary(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.unary_unary
        return _UnaryUnary(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def unary_stream(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.aio.UnaryStreamMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.unary_stream
        return _UnaryStream(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def stream_unary(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.aio.StreamUnaryMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.stream_unary
        return _StreamUnary(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def stream_stream(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.aio.StreamStreamMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.stream_stream
        return _StreamStream(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def get_state(
        self,
        try_to_connect: bool = False,  # noqa: FBT001, FBT002 - gRPC's signature
    ) -> grpc.ChannelConnectivity:
        """Do what the channel does."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Do what the channel does."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Do what the channel does."""
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; ``butterfly_connection_active`` of its peer ends."""
        await self._channel.close(grace)
        self._far_end.closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


class _Caller:
    """What all kinds of calls share. Arguments are those of gRPC, passed on."""

    def __init__(self, inner: Any, far_end: FarEnd) -> None:
        self._inner = inner
        self._far_end = far_end

    def _call(self, request: Any, began: float | None, metadata: Any, more: dict[str, Any]) -> Any:
        call = self._inner(request, metadata=self._far_end.metadata(metadata), **more)

        def ended(call: grpc.aio.Call) -> None:
            attempt(self._measure, call, began)

        call.add_done_callback(ended)
        return call

    def _measure(self, call: grpc.aio.Call, began: float | None) -> None:
        self._far_end.ended(_result(call.code()), _result(call.details()), began)


class _UnaryUnary(_Caller, grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    def __call__(self, request: Any, *, metadata: Any = None, **more: Any) -> Any:
        return self._call(request, timing.perf_counter(), metadata, more)


class _UnaryStream(_Caller, grpc.aio.UnaryStreamMultiCallable[Any, Any]):
    def __call__(self, request: Any, *, metadata: Any = None, **more: Any) -> Any:
        return self._call(request, None, metadata, more)


class _StreamUnary(_Caller, grpc.aio.StreamUnaryMultiCallable[Any, Any]):
    def __call__(
        self,
        request_iterator: AsyncIterator[Any] | Iterator[Any] | None = None,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        return self._call(request_iterator, None, metadata, _named(timeout, rest, more))


class _StreamStream(_Caller, grpc.aio.StreamStreamMultiCallable[Any, Any]):
    def __call__(
        self,
        request_iterator: AsyncIterator[Any] | Iterator[Any] | None = None,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        return self._call(request_iterator, None, metadata, _named(timeout, rest, more))


def _named(timeout: float | None, rest: tuple[Any, ...], more: dict[str, Any]) -> dict[str, Any]:
    """Return a call's other arguments by name, in the order of gRPC's signature."""
    names = ("credentials", "wait_for_ready", "compression")
    return {"timeout": timeout, **dict(zip(names, rest, strict=False)), **more}


def _result(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine of a call that has ended returns, which it does at once.

    ``grpc.aio`` has no other way to ask an ended call, and a task of our own might outlive the
    application's loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    coroutine.close()
    msg = "a call that is done has no status yet"
    raise RuntimeError(msg)
