"""Labels and amounts that are known only when a call is made, or when it has ended.

They stand where ``bind()`` expects a label's value, so its keywords stay typed::

    metrics.layer_compute_duration_seconds.bind(layer_id=arg("layer"), model=arg("self.model"))
"""

from __future__ import annotations

import inspect
import logging
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, overload

from butterfly_otel.decorators.checks import require_function, require_text
from butterfly_otel.decorators.error_types import ERROR_TYPES, extended
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.decorators.error_types import Entries, ErrorTypes

    AnyTypes = ErrorTypes | Entries

    #: Returns what a source stands for in one call.
    Resolver = Callable[["Occurrence"], object]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_logger = logging.getLogger("butterfly_otel")


class Occurrence(NamedTuple):
    """One call of a decorated function: what went in, and, once it has ended, what came out."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never changed
    error: BaseException | None = None
    result: object = None


class Source:
    """What stands for a value that each call has anew."""

    __slots__ = ()
    #: Whether the value is known only when the call has ended.
    late = False
    #: The values it may have, where these are known before.
    constants: tuple[object, ...] = ()

    def resolver(self, function: Callable[..., Any] | None) -> Resolver:
        """Return what finds the value in a call of ``function``; None: of a ``with`` block."""
        raise NotImplementedError


class Argument(Source):
    """An argument of the call, by name; made by :func:`arg`."""

    __slots__ = ("convert", "name", "path")

    def __init__(self, name: str, convert: Callable[[Any], object] | None) -> None:
        require_text("the name in arg()", name)
        _require_conversion(convert, "an argument")
        self.name, *self.path = name.split(".")
        self.convert = convert

    def __repr__(self) -> str:
        return f"arg({'.'.join((self.name, *self.path))!r})"

    def resolver(self, function: Callable[..., Any] | None) -> Resolver:
        """Find the parameter once, so that a call only has to index.

        Raises:
            ConfigurationError: When ``function`` has no such parameter.
        """
        if function is None:
            msg = f"a with block has no arguments, so {self!r} can't be a label of it"
            raise ConfigurationError(msg)
        given, path, convert = _argument(function, self), self.path, self.convert

        def resolve(call: Occurrence) -> object:
            value = reduce(getattr, path, given(call))
            return value if convert is None else convert(value)

        return resolve


class Result(Source):
    """The call's result; made by :func:`result`."""

    __slots__ = ("convert",)
    late = True

    def __init__(self, convert: Callable[[Any], object] | None) -> None:
        _require_conversion(convert, "a result")
        self.convert = convert

    def resolver(self, function: Callable[..., Any] | None) -> Resolver:  # noqa: ARG002
        """Convert the result where there is one."""
        convert = self.convert

        def resolve(call: Occurrence) -> object:
            if call.error is not None or convert is None:
                return call.result
            return convert(call.result)

        return resolve


class Outcome(Source):
    """How the call ended; made by :func:`outcome`."""

    __slots__ = ("constants", "errors")
    late = True

    def __init__(self, success: str, error: str, timeout: str, errors: AnyTypes) -> None:
        self.constants = (success, error, timeout)
        self.errors = extended(errors)

    def resolver(self, function: Callable[..., Any] | None) -> Resolver:  # noqa: ARG002
        """Tell success, timeout and error apart."""
        success, error, timeout = self.constants

        def resolve(call: Occurrence) -> object:
            kind = None if call.error is None else self.errors.classify(call.error)
            if kind is None:
                return success
            return timeout if kind == "timeout" else error

        return resolve


class Raised(Source):
    """The type of the error the call ended with; made by :func:`error_type`."""

    __slots__ = ("errors",)
    late = True

    def __init__(self, errors: AnyTypes) -> None:
        self.errors = extended(errors)

    def resolver(self, function: Callable[..., Any] | None) -> Resolver:  # noqa: ARG002
        """Classify the exception."""
        return lambda call: None if call.error is None else self.errors.classify(call.error)


@overload
def arg(name: str) -> Any: ...  # noqa: ANN401 - stands where a label's own type is expected
@overload
def arg(name: str, convert: Callable[[Any], _T]) -> _T: ...
def arg(name: str, convert: Callable[[Any], object] | None = None) -> Any:
    """Stand for an argument of the decorated function.

    >>> from butterfly_otel import counted, metrics
    >>> @counted(metrics.tokens_processed_total.bind(model=arg("model")), amount=arg("text", len))
    ... def tokenize(text: str, model: str = "llama") -> None: ...

    Args:
        name: The parameter's name; attributes follow after dots, as in ``"self.model"``. Of
            ``*tokens`` it is the tuple, of ``**options`` the dictionary.
        convert: Applied to the argument, such as ``len``. What it raises is no error of the
            call: the label counts as missing, the amount as invalid.

    Raises:
        ConfigurationError: Where the function is decorated, when it has no such parameter.
    """
    return Argument(name, convert)


@overload
def result() -> Any: ...  # noqa: ANN401 - as in arg()
@overload
def result(convert: Callable[[Any], _T]) -> _T: ...
def result(convert: Callable[[Any], object] | None = None) -> Any:
    """Stand for the call's result: of a generator what it returns, of a failed call None.

    >>> from butterfly_otel import counted, metrics
    >>> @counted(metrics.sequences_processed_total.bind(model="llama"), amount=result(len))
    ... def batch(prompts: list[str]) -> list[str]:
    ...     return prompts

    Args:
        convert: Applied to the result, such as ``len``; not called when the call failed.
    """
    return Result(convert)


def outcome(
    success: str = "success",
    error: str = "error",
    *,
    timeout: str | None = None,
    errors: AnyTypes = ERROR_TYPES,
) -> Any:  # noqa: ANN401 - as in arg()
    """Stand for how the call ended.

    >>> from butterfly_otel import counted, metrics
    >>> @counted(metrics.tasks_completed_total.bind(status=outcome(timeout="timeout")))
    ... def work() -> None: ...

    Args:
        success: The value when it raised nothing that is an error.
        error: The value when it did.
        timeout: The value for errors of the type ``timeout``; by default that of ``error``.
        errors: What is an error, and of which type: more than the defaults, or all.
    """
    return Outcome(success, error, timeout or error, errors)


def error_type(errors: AnyTypes = ERROR_TYPES) -> Any:  # noqa: ANN401 - as in arg()
    """Stand for the type of the error the call ended with; for use with ``when="error"``.

    >>> from butterfly_otel import counted, metrics
    >>> errors = metrics.request_errors_total.bind(method="inference", error_type=error_type())
    >>> @counted(errors, when="error")
    ... def retry() -> None: ...

    Args:
        errors: Which exception is which error type: more than the defaults, or all.
    """
    return Raised(errors)


class Untold:
    """Stands for a number whose function has raised: none, so it is reported as an invalid one."""

    __slots__ = ("_error",)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __repr__(self) -> str:
        return f"that could not be told ({self._error!r})"


def resolve(resolver: Resolver, call: Occurrence) -> object:
    """Return the label that ``resolver`` finds; None, which counts as missing, where it raises."""
    try:
        return resolver(call)
    except Exception as error:  # noqa: BLE001 - a measurement never raises
        _logger.debug("a label can't be told: %r", error)
        return None


def resolve_number(resolver: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> object:
    """Return the number that ``resolver`` finds, or what is reported where it raises."""
    try:
        return resolver(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - likewise
        return Untold(error)


def _require_conversion(convert: object, what: str) -> None:
    if convert is not None:
        require_function("convert", convert, what)


def _argument(function: Callable[..., Any], source: Argument) -> Resolver:
    """Return what finds the argument itself in a call.

    Raises:
        ConfigurationError: When there is no such parameter.
    """
    name, parameters = source.name, _parameters(function, source)
    parameter = parameters.get(name)
    if parameter is None:
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return lambda call: call.kwargs.get(name)
        msg = (
            f"{function.__qualname__} has no parameter {name!r} for {source!r}; it has"
            f" {', '.join(parameters) or 'none'}"
        )
        raise ConfigurationError(msg)
    position = list(parameters).index(name)
    default = None if parameter.default is parameter.empty else parameter.default
    if parameter.kind is parameter.VAR_POSITIONAL:
        return lambda call: call.args[position:]
    if parameter.kind is parameter.VAR_KEYWORD:
        named = {key for key, each in parameters.items() if each.kind is not each.POSITIONAL_ONLY}
        return lambda call: {k: v for k, v in call.kwargs.items() if k not in named}
    if parameter.kind is parameter.KEYWORD_ONLY:
        return lambda call: call.kwargs.get(name, default)

    def given(call: Occurrence) -> object:
        if len(call.args) > position:
            return call.args[position]
        return call.kwargs.get(name, default)

    return given


def _parameters(function: Callable[..., Any], source: Source) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        msg = f"{function!r} does not tell its parameters, so there is none for {source!r}"
        raise ConfigurationError(msg) from None
