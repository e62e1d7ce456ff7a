"""One call of a gRPC server, and what its end says."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

from butterfly_otel.process.contain import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.decorators.error_types import ErrorTypes
    from butterfly_otel.decorators.red import RequestCall

#: Returns the error type that a status stands for, or None for a success.
CodeFailed: TypeAlias = Callable[[grpc.StatusCode], "str | None"]

#: A server's errors (OpenTelemetry semantic conventions, "gRPC", server spans), the rest being
#: the client's; and cancellation, which is an error as in the decorators.
_FAILURES: Final = {
    grpc.StatusCode.UNKNOWN: "grpc_unknown",
    grpc.StatusCode.DEADLINE_EXCEEDED: "timeout",
    grpc.StatusCode.UNIMPLEMENTED: "grpc_unimplemented",
    grpc.StatusCode.INTERNAL: "grpc_internal",
    grpc.StatusCode.UNAVAILABLE: "grpc_unavailable",
    grpc.StatusCode.DATA_LOSS: "grpc_data_loss",
    grpc.StatusCode.CANCELLED: "cancelled",
}


def failed_by_code(code: grpc.StatusCode) -> str | None:
    """Return the error type of a status that a server has answered with; None for a success.

    >>> failed_by_code(grpc.StatusCode.NOT_FOUND), failed_by_code(grpc.StatusCode.INTERNAL)
    (None, 'grpc_internal')
    """
    return _FAILURES.get(code)


#: Seconds. A client cancels at its deadline, of which the server may hear before its own.
_SLACK: Final = 0.1


class ServedCall:
    """A request that is being measured, judged by its context when it ends."""

    __slots__ = ("_aio", "_call", "_context", "_failed", "_types")

    each_item = False

    def __init__(
        self, call: RequestCall, types: ErrorTypes, failed: CodeFailed, context: Any, *, aio: bool
    ) -> None:
        self._call = call
        self._types = types
        self._failed = failed
        self._context = context
        self._aio = aio

    def item(self) -> None:
        """Take note of the first message of a stream."""
        self._call.item()

    def end(self, error: BaseException | None, result: object) -> None:  # noqa: ARG002 - a Call's
        """Count and time the request; harmless when done again."""
        # What a context of somebody else's making lacks is not the handler's to suffer for.
        failure = ask(self._judge, None if error is None else self._types.classify(error), error)
        if failure is not None:
            self._call.fail(failure)
        self._call.end(None, None)

    def _judge(self, error: BaseException | None) -> str | None:
        if error is None:
            return self._interrupted() or self._by_code()
        if isinstance(error, (CancelledError, GeneratorExit)):
            # Ours are the only ones to stop a stream that nobody has given up.
            return "timeout" if self._late() else self._types.classify(error)
        if type(error) is grpc.RpcError and not self._aio:
            # What reading requests raises when there is nobody to read from any more.
            return self._interrupted() or self._types.classify(error)
        if self._answered(error):
            return self._by_code()
        return self._types.classify(error)

    def _by_code(self) -> str | None:
        code = self._context.code()
        return self._failed(code) if isinstance(code, grpc.StatusCode) else None

    def _interrupted(self) -> str | None:
        """Tell why nobody waits for the answer; None where somebody may."""
        is_active = getattr(self._context, "is_active", None)
        if is_active is None or is_active():
            return None
        return "timeout" if self._late() else self._types.classify(CancelledError())

    def _late(self) -> bool:
        """Tell whether the deadline has passed, for the client at least."""
        left: float | None = self._context.time_remaining()
        return left is not None and left < _SLACK

    def _answered(self, error: BaseException) -> bool:
        """Tell whether an exception is how the handler has answered with a status."""
        if self._aio:
            # grpc.aio answers with the code that was set, whatever is raised then.
            code = self._context.code()
            return isinstance(code, grpc.StatusCode) and code is not grpc.StatusCode.OK
        # abort() raises an exception of no class of its own. Any other is answered with UNKNOWN.
        return type(error) is Exception and not error.args and self._context.code() is not None


class RememberedCode:
    """The context of a function that grpc.aio runs in a thread, which else keeps its code."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._code: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def code(self) -> Any:
        """Return the code that was set."""
        return self._code

    def set_code(self, code: Any) -> None:
        """Set the code."""
        self._code = code
        self._context.set_code(code)

    def abort(self, code: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer with a code."""
        self._code = code
        return self._context.abort(code, *args, **kwargs)


class Stream:
    """Messages of a response, measured to the last."""

    __slots__ = ("_call", "_messages")

    def __init__(self, messages: Iterator[Any], call: ServedCall) -> None:
        self._messages = messages
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            message = next(self._messages)
        except StopIteration:
            self._call.end(None, None)
            raise
        except BaseException as error:
            self._call.end(error, None)
            raise
        self._call.item()
        return message

    def __del__(self) -> None:
        # The server has dropped it before its end, because nobody waits for more.
        self._call.end(GeneratorExit(), None)
