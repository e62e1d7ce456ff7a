"""Calls that are timed, counted or tracked: what :mod:`.generic` makes its decorators of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from butterfly_otel.decorators.measuring import Measuring
from butterfly_otel.decorators.sources import Occurrence, Source, resolve_number
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing
from butterfly_otel.process.values import clean_value, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from butterfly_otel.decorators.series import Series
    from butterfly_otel.decorators.sources import Resolver
    from butterfly_otel.decorators.targets import Attributed
    from butterfly_otel.decorators.wrapping import Begin, Function
    from butterfly_otel.handles.timer import Recorder

#: When something is counted or timed: at every end, at ends of one kind, or at those by certain
#: exceptions.
When = Literal["end", "success", "error"] | type[BaseException] | tuple[type[BaseException], ...]


class _Timing:
    """One call whose duration is recorded when it ends."""

    __slots__ = ("_arguments", "_factor", "_find", "_start", "_when")

    each_item = False

    def __init__(
        self,
        find: Callable[[Occurrence], Recorder],
        when: When,
        arguments: Occurrence,
        factor: float,
    ) -> None:
        self._find = find
        self._factor = factor
        self._when = when
        self._arguments = arguments
        self._start = timing.perf_counter()

    def item(self) -> None:
        """Go on: a stream is timed to its end."""

    def end(self, error: BaseException | None, result: object) -> None:
        """Record the time since the start, in the metric's unit."""
        seconds = timing.perf_counter() - self._start
        if _applies(self._when, error):
            call = Occurrence(self._arguments.args, self._arguments.kwargs, error, result)
            self._find(call)(seconds * self._factor)


class Timed(Measuring[_Timing]):
    """Records how long calls take; made by :func:`timed`."""

    __slots__ = ("_factor", "_series", "_when")

    name = "timed"

    def __init__(
        self,
        series: Series | Attributed,
        when: When,
        methods: Iterable[str] | None = None,
        *,
        factor: float = 1.0,
    ) -> None:
        super().__init__(methods)
        self._series = series
        self._factor = factor
        self._when = _checked(when)

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare the labels for ``function``."""
        find, when, factor = self._series.finder(function), self._when, self._factor
        return lambda args, kwargs: _Timing(find, when, Occurrence(args, kwargs), factor)


class _Counting:
    """One call that is counted when it ends, or whose items are."""

    __slots__ = ("_amount", "_arguments", "_find", "_when", "each_item")

    def __init__(
        self,
        find: Callable[[Occurrence], Recorder],
        amount: Resolver | None,
        when: When,
        arguments: Occurrence,
        *,
        each_item: bool,
    ) -> None:
        self._find = find
        self._amount = amount
        self._when = when
        self._arguments = arguments
        self.each_item = each_item

    def item(self) -> None:
        """Count an item, where items are counted."""
        if self.each_item:
            self._count(self._arguments)

    def end(self, error: BaseException | None, result: object) -> None:
        """Count the call, where calls are counted."""
        if not self.each_item and _applies(self._when, error):
            arguments = self._arguments
            self._count(Occurrence(arguments.args, arguments.kwargs, error, result))

    def _count(self, call: Occurrence) -> None:
        amount = 1 if self._amount is None else resolve_number(self._amount, call)
        if amount is not None:
            self._find(call)(cast("float", amount))


class Counted(Measuring[_Counting]):
    """Counts calls, or what they bring; made by :func:`counted`."""

    __slots__ = ("_amount", "_each_item", "_series", "_when")

    name = "counted"

    def __init__(
        self,
        series: Series | Attributed,
        amount: object = 1,
        when: When = "end",
        methods: Iterable[str] | None = None,
        *,
        each_item: bool = False,
    ) -> None:
        super().__init__(methods)
        if each_item and (series.late or (isinstance(amount, Source) and amount.late)):
            raise ConfigurationError('counted per="item" can\'t use what is known at the end only')
        _require_amount(amount)
        self._series = series
        self._amount = amount
        self._when = _checked(when)
        self._each_item = each_item

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare labels and amount for ``function``."""
        find, given, when = self._series.finder(function), self._amount, self._when
        amount: Resolver | None = None
        if isinstance(given, Source):
            amount = given.resolver(function)
        elif given != 1:
            amount = lambda _call: given  # noqa: E731 - one of three ways to have an amount
        each = self._each_item
        return lambda args, kwargs: _Counting(
            find, amount, when, Occurrence(args, kwargs), each_item=each
        )


class _Tracking:
    """One call that is counted as long as it runs."""

    __slots__ = ("_record",)

    each_item = False

    def __init__(self, record: Recorder) -> None:
        # The same recorder for both steps, so that configure() in between can't part them.
        self._record = record
        record(1)

    def item(self) -> None:
        """Go on: a stream runs to its end."""

    def end(self, error: BaseException | None, result: object) -> None:  # noqa: ARG002
        """Take back the one."""
        self._record(-1)


class Tracked(Measuring[_Tracking]):
    """Counts calls as long as they run; made by :func:`tracked`."""

    __slots__ = ("_series",)

    name = "tracked"

    def __init__(self, series: Series | Attributed, methods: Iterable[str] | None = None) -> None:
        super().__init__(methods)
        if series.late:
            raise ConfigurationError("tracked needs its labels when a call starts, not at its end")
        self._series = series

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare the labels for ``function``."""
        find = self._series.finder(function)
        return lambda args, kwargs: _Tracking(find(Occurrence(args, kwargs)))


def _require_amount(amount: object) -> None:
    if isinstance(amount, Source):
        return
    problem = clean_value(amount, negative_allowed=False)
    if isinstance(problem, str):
        msg = f"counted has amount={shown(amount)}; use a number of 0 or more, arg() or result()"
        raise ConfigurationError(msg)


def _applies(when: When, error: BaseException | None) -> bool:
    if isinstance(when, str):
        return when == "end" or (when == "error") == (error is not None)
    return isinstance(error, when)


def _checked(when: When) -> When:
    given: tuple[Any, ...] = when if isinstance(when, tuple) else (when,)
    exceptions = all(isinstance(each, type) and issubclass(each, BaseException) for each in given)
    known = isinstance(when, str) and when in {"end", "success", "error"}
    if known or (given and exceptions):
        return when
    msg = f"when is {when!r}; use 'end', 'success', 'error' or classes of exceptions"
    raise ConfigurationError(msg)
