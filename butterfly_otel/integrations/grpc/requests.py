"""Requests of a gRPC server by the RED method: total by status, errors, in flight, duration."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import grpc

from butterfly_otel.decorators.checks import require_function
from butterfly_otel.decorators.error_types import extended
from butterfly_otel.decorators.red import Method, RequestCall
from butterfly_otel.decorators.red_series import series
from butterfly_otel.decorators.wrapping import decorate, is_plain
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.integrations.grpc.server import SHAPES
from butterfly_otel.integrations.grpc.serving import (
    CodeFailed,
    RememberedCode,
    ServedCall,
    Stream,
    failed_by_code,
)
from butterfly_otel.integrations.methods import (
    asked,
    require_mapping,
    require_method,
    require_role,
)
from butterfly_otel.process.contain import ask, log_once

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from butterfly_otel.decorators.error_types import Entries, ErrorTypes
    from butterfly_otel.decorators.red import Role

    _Handler = grpc.RpcMethodHandler[Any, Any] | None
    _Begin = Callable[[tuple[Any, ...], dict[str, Any]], ServedCall]

#: By full method, ``/package.Service/Method``, or ``/package.Service/*`` for all others of it.
CallMethods: TypeAlias = Mapping[str, Method]
#: Names what a call asks for by its full method; None where it is not to be measured.
CallMethod: TypeAlias = Callable[[str], "Method | None"]

#: Generic handlers may serve any number of methods; generated ones have this few.
_KEPT: Final = 1000
_FULL_METHOD: Final = re.compile(r"/[^/\s]+/[^/\s]+")
_EXAMPLE: Final = "{'/butterfly.Inference/Generate': 'inference'}"


class _Requests:
    """What both interceptors do with a handler."""

    def __init__(
        self,
        method: CallMethods | CallMethod,
        node_role: Role | None,
        errors: ErrorTypes | Entries | None,
        failed: CodeFailed,
    ) -> None:
        require_role(node_role)
        require_mapping(method, _EXAMPLE, "a full method")
        if failed is not failed_by_code:
            require_function("failed", failed, "a status code")
        mapping: CallMethods = {} if callable(method) else dict(method)
        for name, its in cast("Mapping[object, Method]", mapping).items():
            require_method(its, f"the gRPC method {name!r}")
            if not isinstance(name, str) or _FULL_METHOD.fullmatch(name) is None:
                msg = f"{name!r} is no gRPC method; write /package.Service/Method, as in {_EXAMPLE}"
                raise ConfigurationError(msg)
        self._method_of: Callable[[Any], Method | None] = asked(
            method, lambda name: mapping.get(name) or mapping.get(f"{name.rpartition('/')[0]}/*")
        )
        self._role: Role | None = node_role
        self._types = extended(errors)
        self._failed: CodeFailed = failed
        self._known: dict[str, tuple[object, _Handler]] = {}

    def _measured(self, handler: _Handler, name: str | bytes, *, aio: bool) -> _Handler:
        if handler is None:  # no such method
            return None
        name = name if isinstance(name, str) else name.decode()
        known = self._known.get(name)
        if known is not None and known[0] is handler:
            return known[1]
        try:
            method = self._method_of(name)
            rebuilt = handler if method is None else self._rebuilt(handler, method, aio=aio)
        except Exception as error:  # noqa: BLE001 - a call goes on, measured or not
            log_once("a gRPC handler can't be measured", error=error)
            return handler
        if len(self._known) < _KEPT or name in self._known:
            self._known[name] = (handler, rebuilt)
        return rebuilt

    def _rebuilt(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: Method, *, aio: bool
    ) -> _Handler:
        name, build = SHAPES[handler.request_streaming, handler.response_streaming]
        behaviour: Callable[..., Any] = getattr(handler, name)
        types, role = self._types, self._role

        def failed(code: grpc.StatusCode) -> str | None:
            return ask(self._failed, None, code)

        def begin(args: tuple[Any, ...], _kwargs: dict[str, Any]) -> ServedCall:
            call = RequestCall(series(method, role), types)
            return ServedCall(call, types, failed, args[1], aio=aio)

        if handler.response_streaming and is_plain(behaviour):
            measured = _returning_a_stream(behaviour, begin)
        else:
            measured = decorate(behaviour, lambda _: begin, lambda _: None, "request")
        if aio and not _is_async(behaviour):
            measured = _remembering(measured)
        return build(
            measured,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _returning_a_stream(behaviour: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    """Measure a function, rather than a generator, that returns the messages."""

    def measured(*args: Any) -> Any:
        call = begin(args, {})
        try:
            messages = behaviour(*args)
            # Where the messages go through a callback, nothing is returned.
            if messages is not None:
                return Stream(iter(messages), call)
        except BaseException as error:
            call.end(error, None)
            raise
        call.end(None, None)
        return None

    return measured


def _is_async(behaviour: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)


def _remembering(measured: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that grpc.aio runs in a thread a context that tells its code."""

    def behaviour(request: Any, context: Any) -> Any:
        return measured(request, RememberedCode(context))

    return behaviour


class _Interceptor(_Requests, grpc.ServerInterceptor):
    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        handler = continuation(handler_call_details)
        return self._measured(handler, handler_call_details.method, aio=False)


class _AioInterceptor(_Requests, grpc.aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        handler = await continuation(handler_call_details)
        return self._measured(handler, handler_call_details.method, aio=True)


def request_interceptor(
    *,
    method: CallMethods | CallMethod,
    node_role: Role | None = None,
    errors: ErrorTypes | Entries | None = None,
    failed: CodeFailed = failed_by_code,
) -> grpc.ServerInterceptor:
    """Return an interceptor for ``grpc.server(..., interceptors=[...])`` that measures requests.

    A call is in flight from when its handler starts until that has ended or, of streams, the
    last message has been taken from it; the time to the first message of a stream is measured,
    too. A call that its client has cancelled is an error of the type ``cancelled``, one whose
    deadline has passed a ``timeout``; what a handler raises without a status is classified by
    the decorators' error types. Thread-safe.

    Args:
        method: What is asked for: a mapping of full methods, in which ``/package.Service/*``
            stands for all others of a service, or a function of the full method that returns the
            method or None. It is asked once a handler. None: not measured.
        node_role: Role of the node; by default the one given to ``configure()``.
        errors: Which exception is which error type, as in :func:`~butterfly_otel.request`.
        failed: Takes a status and returns the error type it stands for, or None for a success;
            by default what OpenTelemetry's conventions call a server's error.

    Raises:
        ConfigurationError: When a name, a method, the role or ``errors`` is wrong.
    """
    return _Interceptor(method, node_role, errors, failed)


def aio_request_interceptor(
    *,
    method: CallMethods | CallMethod,
    node_role: Role | None = None,
    errors: ErrorTypes | Entries | None = None,
    failed: CodeFailed = failed_by_code,
) -> grpc.aio.ServerInterceptor:
    """Return the same for ``grpc.aio.server(interceptors=[...])``.

    Of a coroutine that writes its messages by ``context.write()``, the time to the first is not
    measured. Handlers may also be functions, which grpc.aio runs in threads.
    """
    return _AioInterceptor(method, node_role, errors, failed)
