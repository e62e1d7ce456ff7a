"""``request``: rate, errors, duration and requests in flight, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from butterfly_otel.decorators.checks import require_function
from butterfly_otel.decorators.error_types import extended
from butterfly_otel.decorators.measuring import Measuring
from butterfly_otel.decorators.red_series import METHODS, ROLES, Red, series
from butterfly_otel.decorators.sources import Occurrence, Source, resolve
from butterfly_otel.decorators.wrapping import is_coroutine, is_plain
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing
from butterfly_otel.process.contain import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from butterfly_otel.decorators.error_types import Entries, ErrorTypes
    from butterfly_otel.decorators.wrapping import Begin, Function

    #: Returns the error type a result stands for, or None for a success.
    Failed = Callable[[Any], str | None]

Method = Literal["inference", "checkpoint", "health_check"]
Role = Literal["coordinator", "compute", "observer"]


class RequestCall:
    """One request that is being measured: what ``with request(...) as call`` gives."""

    __slots__ = ("_failed", "_failure", "_leave", "_open", "_red", "_start", "_types", "_waiting")

    #: Only the first item of a stream is of interest.
    each_item = False

    def __init__(self, red: Red, types: ErrorTypes, failed: Failed | None = None) -> None:
        self._red = red
        self._types = types
        self._failed = failed
        self._failure: str | None = None
        self._waiting = True
        # A request that begins while nothing is measured stays unmeasured to its end, so what
        # is in flight is right whenever configure() comes.
        self._open = red.on
        self._start = timing.perf_counter()
        if self._open:
            # Of this series, whatever is configured by the end.
            self._leave = red.in_flight.target().record
            self._leave(1)

    def fail(self, error: str | BaseException) -> None:
        """Count this request as an error although it raises nothing.

        Args:
            error: The error type, such as ``"oom"``, or an exception to be classified.
        """
        self._failure = error if isinstance(error, str) else self._types.classify(error)

    def suspect(self, error: str | None) -> None:
        """Count this request as an error unless it is said to be another.

        Args:
            error: The error type; None, or an empty one, says nothing.
        """
        if self._failure is None:
            self._failure = error or None

    def item(self) -> None:
        """Take note of the first item of a streamed response; later ones change nothing.

        Called for generators; call it yourself where a ``with`` block sends the stream.
        """
        if self._waiting and self._open:
            self._waiting = False
            self._red.first_item.record(timing.perf_counter() - self._start)

    def end(self, error: BaseException | None, result: object) -> None:
        """Count and time the request; called when the block or the function ends."""
        if not self._open:
            return
        self._open = False
        seconds = timing.perf_counter() - self._start
        self._leave(-1)
        failure = self._failure
        if failure is None and error is not None:
            failure = self._types.classify(error)
        elif failure is None and self._failed is not None:
            failure = _told_by(self._failed, result)
        self._red.finish(failure, seconds)


class Request(Measuring[RequestCall]):
    """The RED set of one method; made by :func:`request`."""

    __slots__ = ("_failed", "_method", "_role", "_types")

    name = "request"

    def __init__(
        self,
        method: Method | Source,
        role: Role | None,
        types: ErrorTypes,
        failed: Failed | None,
        methods: Iterable[str] | None,
    ) -> None:
        super().__init__(methods)
        if failed is not None:
            require_function("failed", failed, "a result")
        _require("method", method, METHODS)
        _require("node_role", role, (None, *ROLES))
        if isinstance(method, Source) and method.late:
            raise ConfigurationError(f"request needs its method at the start, not {method!r}")
        self._method: Method | Source = method
        self._role: Role | None = role
        self._types = types
        self._failed = failed

    def begin_for(self, function: Function | None) -> Begin:
        """Find the series now, or how to tell them from a call's arguments."""
        types, failed, method, role = self._types, self._failed, self._method, self._role
        if not isinstance(method, Source):
            red = series(method, role)
            return lambda _args, _kwargs: RequestCall(red, types, failed)
        resolver = method.resolver(function)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> RequestCall:
            value = resolve(resolver, Occurrence(args, kwargs))
            return RequestCall(series(value, role), types, failed)

        return begin

    def fast(self, function: Function) -> Function | None:
        """Inline the measurements where the labels are constants and the result tells nothing."""
        if isinstance(self._method, Source) or self._failed is not None:
            return None
        red = series(self._method, self._role)
        if is_coroutine(function):
            return _coroutine(function, red, self._types)
        return _function(function, red, self._types) if is_plain(function) else None


def _coroutine(function: Function, red: Red, types: ErrorTypes) -> Function:
    in_flight, duration, success = red.in_flight, red.duration, red.success

    async def measured(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        if not red.on:
            return await function(*args, **kwargs)
        start = timing.perf_counter()
        leave = in_flight.target().record  # of this series, whatever is configured by the end
        leave(1)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            seconds = timing.perf_counter() - start
            leave(-1)
            red.finish(types.classify(error), seconds)
            raise
        seconds = timing.perf_counter() - start
        leave(-1)
        duration.record(seconds)
        success.add(1)
        return result

    return measured


def _function(function: Function, red: Red, types: ErrorTypes) -> Function:
    in_flight, duration, success = red.in_flight, red.duration, red.success

    def measured(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        if not red.on:
            return function(*args, **kwargs)
        start = timing.perf_counter()
        leave = in_flight.target().record  # of this series, whatever is configured by the end
        leave(1)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            seconds = timing.perf_counter() - start
            leave(-1)
            red.finish(types.classify(error), seconds)
            raise
        seconds = timing.perf_counter() - start
        leave(-1)
        duration.record(seconds)
        success.add(1)
        return result

    return measured


def request(
    *,
    method: Method,
    node_role: Role | None = None,
    errors: ErrorTypes | Entries | None = None,
    failed: Failed | None = None,
    methods: Iterable[str] | None = None,
) -> Request:
    """Measure requests by the RED method: decorate a handler, or wrap a ``with`` block.

    Counts ``butterfly_requests_total`` by status and ``butterfly_request_errors_total`` by
    error type when a request ends, holds it in ``butterfly_requests_in_flight`` until then,
    and records its seconds in ``butterfly_request_duration_seconds``. A generator is measured
    from the first item asked for to the last, and the time to its first item goes to
    ``butterfly_otel_request_first_item_seconds``. Of health checks, and of requests that an
    observer handles, the contract has the total alone.

    A request that its caller gave up, a cancelled task or a stream closed before its end, is an
    error of the type ``cancelled``; ``errors={GeneratorExit: None}`` makes the latter a success.

    >>> @request(method="inference")
    ... async def infer(prompt: str) -> str:
    ...     return prompt.upper()
    >>> with request(method="checkpoint") as call:
    ...     call.fail("oom")

    Args:
        method: What is asked for; from ``arg(...)`` where an argument tells.
        node_role: Role of the node; by default the one given to ``configure()``.
        errors: Which exception is which error type: more of them than the defaults, or an
            :class:`~butterfly_otel.ErrorTypes` in their place.
        failed: Takes the result of a call that raised nothing and returns the error type it
            stands for, or None, or an empty text, for a success.
        methods: On a class: the methods to measure. By default every public method that it
            defines itself and that is not decorated with ``request`` already.

    Raises:
        ConfigurationError: At once, when a constant is not in the contract, or ``errors`` or
            ``failed`` is malformed; where a function is decorated, when it lacks a parameter
            asked for.
    """
    return Request(method, node_role, extended(errors), failed, methods)


def _told_by(failed: Failed, result: object) -> str | None:
    # An error field that is not set may be an empty text, as in protobuf.
    return ask(failed, None, result) or None


def _require(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if not isinstance(value, Source) and value not in allowed:
        names = ", ".join(str(each) for each in allowed if each is not None)
        raise ConfigurationError(f"request has the {what} {value!r}, which is none of {names}")
