"""What every decorator here has in common: the kinds of callables, and how each is wrapped.

A wrapper is of the same kind as what it wraps (``inspect.iscoroutinefunction`` and its like
say the same of both) and measures from the moment the work begins until it has really ended:
a coroutine when it is awaited, a generator from the first item asked for to the last.
"""

from __future__ import annotations

import functools
import inspect
import types
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    Function = Callable[..., Any]
    #: Begins to measure one call, given its arguments.
    Begin = Callable[[tuple[Any, ...], dict[str, Any]], "Call"]

#: Whatever can be decorated; a decorator returns exactly the type it is given.
Target = TypeVar(
    "Target",
    bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any] | property",
)
#: Set on wrappers, so that decorating a class leaves alone what is decorated already.
_MARK = "__butterfly_measured__"


class Call(Protocol):
    """One call that is being measured."""

    @property
    def each_item(self) -> bool:
        """Whether :meth:`item` is to be told of every item of a stream, not of the first only."""
        ...

    def item(self) -> None:
        """Take note of an item of a stream."""
        ...

    def end(self, error: BaseException | None, result: object) -> None:
        """Take note of the end: what was raised, else what was returned."""
        ...


def decorate(
    target: Target,
    begin_for: Callable[[Function], Begin],
    fast: Callable[[Function], Function | None],
    mark: str,
) -> Target:
    """Return ``target`` with each of its calls measured.

    Args:
        target: A function, coroutine function, generator function, async generator function,
            static or class method, property, or a function made by ``contextmanager`` or
            ``asynccontextmanager``.
        begin_for: Returns what begins to measure a call of a function.
        fast: Returns a wrapper that needs no :class:`Call`, or None.
        mark: Name of the decorator.

    Raises:
        ConfigurationError: When ``target`` is none of these.
    """
    again = functools.partial(decorate, begin_for=begin_for, fast=fast, mark=mark)
    given: Any = target
    if isinstance(given, staticmethod):
        return cast("Target", staticmethod(again(cast("Any", given).__func__)))
    if isinstance(given, classmethod):
        return cast("Target", classmethod(again(cast("Any", given).__func__)))
    if isinstance(given, property):
        if given.fget is None:
            raise ConfigurationError(f"{mark} can't measure a property that has no getter")
        return cast("Target", given.getter(again(given.fget)))
    if not callable(given):
        msg = f"{mark} can't measure {given!r}; decorate a function, a method or a class"
        raise ConfigurationError(msg)
    make = _context_manager(given)
    if make is not None:
        return cast(
            "Target", functools.wraps(given)(make(again(inspect.unwrap(given, stop=_is_generator))))
        )
    wrapper = fast(given) or _wrapper(given, begin_for(given))
    functools.update_wrapper(wrapper, given)
    setattr(wrapper, _MARK, (*getattr(given, _MARK, ()), mark))
    return cast("Target", wrapper)


def measured_by(function: object, mark: str) -> bool:
    """Tell whether ``function`` is decorated already by the decorator of that name."""
    inner = getattr(function, "__func__", function)
    return mark in getattr(inner, _MARK, ())


def is_coroutine(function: Function) -> bool:
    """Tell whether a call gives a coroutine, also of an object with an async ``__call__``."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its kind is what matters
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def is_plain(function: Function) -> bool:
    """Tell whether a call runs the function to its end."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its kind is what matters
    generators = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not is_coroutine(function) and not any(is_(function) or is_(call) for is_ in generators)


def _wrapper(function: Function, begin: Begin) -> Function:
    if is_plain(function):
        return _function(function, begin)
    if is_coroutine(function):
        return _coroutine(function, begin)
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its kind is what matters
    if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call):
        return _async_generator(function, begin)
    wrapper = _generator(function, begin)
    code = getattr(function, "__code__", None)
    iterable = code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE
    return types.coroutine(wrapper) if iterable else wrapper


def _function(function: Function, begin: Begin) -> Function:
    def measured(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own types
        call = begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.end(error, None)
            raise
        call.end(None, result)
        return result

    return measured


def _coroutine(function: Function, begin: Begin) -> Function:
    async def measured(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as above
        call = begin(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            call.end(error, None)
            raise
        call.end(None, result)
        return result

    return measured


def _generator(function: Function, begin: Begin) -> Function:
    def measured(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        call = begin(args, kwargs)
        try:
            result = yield from _items(function(*args, **kwargs), call)
        except BaseException as error:
            call.end(error, None)
            raise
        call.end(None, result)
        return result

    return measured


def _items(inner: Generator[Any, Any, Any], call: Call) -> Generator[Any, Any, Any]:
    """Pass on what goes into and comes out of ``inner``, as ``yield from`` would."""
    step: Callable[[Any], Any] = inner.send
    value: Any = None
    while True:
        try:
            item: Any = step(value)
        except StopIteration as stop:
            return stop.value
        call.item()
        try:
            value = yield item
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the generator it is meant for
            step, value = cast("Any", inner.throw), error
        else:
            if value is None and not call.each_item:
                # The first item was all there was to notice: the rest costs nothing.
                return (yield from inner)
            step = inner.send


def _async_generator(function: Function, begin: Begin) -> Function:
    async def measured(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401
        call = begin(args, kwargs)
        try:
            inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
            step: Callable[[Any], Any] = inner.asend
            value: Any = None
            count = True
            while True:
                try:
                    item = await step(value)
                except StopAsyncIteration:
                    break
                if count:
                    call.item()
                    count = call.each_item
                try:
                    value = yield item
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed to whom it is meant for
                    step, value = inner.athrow, error
                else:
                    step = inner.asend
        except BaseException as error:
            call.end(error, None)
            raise
        call.end(None, None)

    return measured


def _context_manager(function: Function) -> Callable[[Any], Any] | None:
    """Return what made a function of a generator function, so that its block is measured."""
    code = getattr(function, "__code__", None)
    for make, its_code in ((contextmanager, _SYNC_CODE), (asynccontextmanager, _ASYNC_CODE)):
        if code is not None and code is its_code:
            return make
    return None


def _code(function: Any) -> types.CodeType:  # noqa: ANN401 - what the standard library makes
    return cast("types.CodeType", function.__code__)


def _is_generator(function: Function) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _nothing() -> Any:  # noqa: ANN401 - never called
    return None


_SYNC_CODE = _code(contextmanager(_nothing))
_ASYNC_CODE = _code(asynccontextmanager(_nothing))
