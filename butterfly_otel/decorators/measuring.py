"""The base of every decorator: of functions, of classes, and as a context manager."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from butterfly_otel.decorators.wrapping import Call, Target, decorate, measured_by
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

    from butterfly_otel.decorators.wrapping import Begin, Function

CallT = TypeVar("CallT", bound=Call)


class Measuring(Generic[CallT]):
    """Measures each call of what it decorates, or one ``with`` block.

    One object may decorate any number of functions, which may run in any number of threads and
    tasks. As a context manager it may be entered again within itself, but not by several
    threads or tasks at once: write it out in each ``with``.
    """

    __slots__ = ("_methods", "_open")

    #: What users call it.
    name = "measuring"

    def __init__(self, methods: Iterable[str] | None = None) -> None:
        if isinstance(methods, str):  # of which each letter would be a method
            raise ConfigurationError(f"methods is {methods!r}; use ({methods!r},)")
        if methods is not None and not isinstance(cast("object", methods), Iterable):
            raise ConfigurationError(f"methods is {methods!r}; use names such as ('save',)")
        self._methods = None if methods is None else tuple(methods)
        self._open: list[CallT] = []

    def begin_for(self, function: Function | None) -> Begin:
        """Return what begins to measure a call of ``function``; None: a ``with`` block.

        Raises:
            ConfigurationError: When labels ask for an argument it does not have.
        """
        raise NotImplementedError

    def fast(self, function: Function) -> Function | None:  # noqa: ARG002 - for those who can
        """Return a wrapper made for speed, or None for the common one."""
        return None

    def __call__(self, target: Target) -> Target:
        """Decorate ``target``, which keeps its type, its kind and its signature."""
        if isinstance(target, type):
            self._decorate_class(target)
            return cast("Target", target)
        if self._methods is not None:
            msg = f"{self.name} has methods={self._methods!r}, and {target!r} is no class"
            raise ConfigurationError(msg)
        return decorate(target, self.begin_for, self.fast, self.name)

    def _decorate_class(self, cls: type) -> None:
        own = dict(vars(cls))
        names = self._methods
        if names is None:
            kinds = (staticmethod, classmethod)
            names = tuple(
                name
                for name, value in own.items()
                if not name.startswith("_")
                and (isinstance(value, kinds) or inspect.isfunction(value))
            )
        for name in names:
            if name not in own:
                msg = f"{cls.__qualname__} defines no method {name!r} for {self.name} to measure"
                raise ConfigurationError(msg)
            if not measured_by(own[name], self.name):
                setattr(cls, name, decorate(own[name], self.begin_for, self.fast, self.name))

    def __enter__(self) -> CallT:
        call = cast("CallT", self.begin_for(None)((), {}))
        self._open.append(call)
        return call

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.pop().end(exc, None)

    async def __aenter__(self) -> CallT:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)


class Several:
    """Several measurements of one call; begun in order and ended in reverse."""

    __slots__ = ("_calls", "each_item")

    def __init__(
        self, begins: Iterable[Begin], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._calls: list[Call] = []
        try:
            for begin in begins:
                self._calls.append(begin(args, kwargs))
        except BaseException as error:  # strict mode refuses a label: what began must end
            self.end(error, None)
            raise
        self.each_item = any(call.each_item for call in self._calls)

    def item(self) -> None:
        """Tell every measurement."""
        for call in self._calls:
            call.item()

    def end(self, error: BaseException | None, result: object) -> None:
        """End every measurement, whatever strict mode says of one of them."""
        if self._calls:
            call = self._calls.pop()
            try:
                call.end(error, result)
            finally:
                self.end(error, result)


class Together(Measuring[Several]):
    """Several decorators as one."""

    __slots__ = ("_parts", "name")

    def __init__(
        self, name: str, *parts: Measuring[Any], methods: Iterable[str] | None = None
    ) -> None:
        super().__init__(methods)
        self.name = name
        self._parts = parts

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare every part for ``function``."""
        begins = tuple(part.begin_for(function) for part in self._parts)
        return lambda args, kwargs: Several(begins, args, kwargs)
