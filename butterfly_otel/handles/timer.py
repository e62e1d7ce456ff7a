"""Timers: of ``with`` blocks, functions and coroutines."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    #: Takes one measured value for one series.
    Recorder = Callable[[float], None]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class Timer:
    """Records elapsed seconds: a context manager, and a decorator for functions and coroutines.

    A generator is timed from its first item to its end. For anything else, such as methods of
    a class or async generators, there is :func:`butterfly_otel.timed`.

    Time is measured by ``time.perf_counter`` and recorded however the block ends. One timer
    may decorate any number of functions and be entered again, also within itself, but not
    by several threads at once; ``time()`` makes a new one each time.
    """

    __slots__ = ("_record", "_starts")

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._starts: list[float] = []

    def __reduce__(self) -> tuple[type[Self], tuple[Recorder]]:
        """Be copied and pickled as a timer of the same series that is not running."""
        return type(self), (self._record,)

    def __enter__(self) -> Self:
        self._starts.append(timing.perf_counter())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._record(timing.perf_counter() - self._starts.pop())

    def __call__(self, function: _Function) -> _Function:
        """Decorate ``function`` so that each call is timed."""
        record = self._record
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                start = timing.perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    record(timing.perf_counter() - start)

            return cast("_Function", timed_coroutine)

        if inspect.isgeneratorfunction(function):
            generate = cast("Callable[..., Generator[Any, Any, Any]]", function)

            @functools.wraps(function)
            def timed_generator(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                start = timing.perf_counter()
                try:
                    return (yield from generate(*args, **kwargs))
                finally:
                    record(timing.perf_counter() - start)

            return cast("_Function", timed_generator)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            start = timing.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                record(timing.perf_counter() - start)

        return cast("_Function", timed)
