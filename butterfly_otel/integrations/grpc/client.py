"""A channel of ``grpc`` that measures its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from butterfly_otel.process import timing
from butterfly_otel.process.contain import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from butterfly_otel.integrations.grpc.far_end import FarEnd


class MeasuredChannel(grpc.Channel):
    """Does what another channel does, and measures it.

    Generated stubs and interceptors pass on more than gRPC documents: so do its methods.
    """

    def __init__(self, channel: grpc.Channel, far_end: FarEnd) -> None:
        self._channel = channel
        self._far_end = far_end

    def unary_unary(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.unary_unary
        return _UnaryUnary(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def unary_stream(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.UnaryStreamMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.unary_stream
        return _UnaryStream(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def stream_unary(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.StreamUnaryMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.stream_unary
        return _StreamUnary(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def stream_stream(
        self, method: str, *coders: Any, **more: Any
    ) -> grpc.StreamStreamMultiCallable[Any, Any]:
        """Return a measured caller of a method."""
        make = self._channel.stream_stream
        return _StreamStream(self._far_end.caller(make, method, *coders, **more), self._far_end)

    def subscribe(
        self,
        callback: Callable[[grpc.ChannelConnectivity], None],
        try_to_connect: bool = False,  # noqa: FBT001, FBT002 - gRPC's signature
    ) -> None:
        """Do what the channel does."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """Do what the channel does."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Close the channel; ``butterfly_connection_active`` of its peer ends."""
        self._channel.close()
        self._far_end.closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class _Caller:
    """What all kinds of calls share. Arguments are those of gRPC, passed on."""

    def __init__(self, inner: Any, far_end: FarEnd) -> None:
        self._inner = inner
        self._far_end = far_end

    def _watched(self, call: Any, began: float | None = None) -> Any:
        """Measure a call when it ends, which it may have done already."""

        def ended() -> None:
            attempt(self._measure, call, began)

        if not call.add_callback(ended):
            ended()
        return call

    def _measure(self, call: Any, began: float | None) -> None:
        self._far_end.ended(call.code(), call.details(), began)

    def _blocking(self, began: float | None, *args: Any, **more: Any) -> tuple[Any, grpc.Call]:
        try:
            response, call = self._inner.with_call(*args, **more)
        except grpc.RpcError as error:
            attempt(self._measure, error, began)
            raise
        attempt(self._measure, call, began)
        return response, call


class _UnaryUnary(_Caller, grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg] # not at runtime
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        return self.with_call(request, timeout, metadata, *rest, **more)[0]

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> tuple[Any, grpc.Call]:
        metadata = self._far_end.metadata(metadata)
        return self._blocking(timing.perf_counter(), request, timeout, metadata, *rest, **more)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        metadata = self._far_end.metadata(metadata)
        began = timing.perf_counter()
        return self._watched(self._inner.future(request, timeout, metadata, *rest, **more), began)


class _StreamUnary(_Caller, grpc.StreamUnaryMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        return self.with_call(request_iterator, timeout, metadata, *rest, **more)[0]

    def with_call(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> tuple[Any, grpc.Call]:
        metadata = self._far_end.metadata(metadata)
        return self._blocking(None, request_iterator, timeout, metadata, *rest, **more)

    def future(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        metadata = self._far_end.metadata(metadata)
        return self._watched(self._inner.future(request_iterator, timeout, metadata, *rest, **more))


class _UnaryStream(_Caller, grpc.UnaryStreamMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        metadata = self._far_end.metadata(metadata)
        return self._watched(self._inner(request, timeout, metadata, *rest, **more))


class _StreamStream(_Caller, grpc.StreamStreamMultiCallable):  # type: ignore[type-arg] # likewise
    def __call__(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: Any = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        metadata = self._far_end.metadata(metadata)
        return self._watched(self._inner(request_iterator, timeout, metadata, *rest, **more))
