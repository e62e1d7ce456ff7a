"""Measurements of two readings: memory before and after, one status before and another after."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from butterfly_otel.decorators.measuring import Measuring
from butterfly_otel.decorators.series import Series
from butterfly_otel.decorators.sources import Occurrence, Untold, resolve_number
from butterfly_otel.handles.bound import BoundGauge, BoundUpDownCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.decorators.wrapping import Begin, Function
    from butterfly_otel.handles.timer import Recorder


class _Growth:
    """One call during which memory may grow."""

    __slots__ = ("_before", "_read", "_record")

    each_item = False

    def __init__(self, record: Recorder, read: Callable[[], float | None]) -> None:
        self._record = record
        self._read = read
        self._before = resolve_number(read)

    def item(self) -> None:
        """Go on: memory is read at the end."""

    def end(self, error: BaseException | None, result: object) -> None:  # noqa: ARG002
        """Set how much more is held than before; what failed holds nothing."""
        if error is not None:
            return
        before, after = self._before, resolve_number(self._read)
        for each in (before, after):
            if isinstance(each, Untold):
                self._record(cast("float", each))
                return
        if before is not None and after is not None:
            growth = resolve_number(lambda: max(cast("float", after) - cast("float", before), 0))
            self._record(cast("float", growth))


class Memory(Measuring[_Growth]):
    """Sets a gauge to the memory a call has left allocated.

    Args:
        bound: The gauge.
        read: Returns the bytes allocated now, or None.
    """

    __slots__ = ("_read", "_series")

    name = "memory"

    def __init__(self, bound: BoundGauge, read: Callable[[], float | None]) -> None:
        super().__init__()
        self._series = Series(bound, BoundGauge, self.name)
        self._read = read

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare the labels for ``function``."""
        find, read = self._series.finder(function), self._read
        return lambda args, kwargs: _Growth(find(Occurrence(args, kwargs)), read)


class _Staged:
    """One call that has one status while it runs and another for good."""

    __slots__ = ("_failed", "_pending", "_succeeded")

    each_item = False

    def __init__(self, pending: Recorder, succeeded: Recorder, failed: Recorder) -> None:
        self._pending = pending
        self._succeeded = succeeded
        self._failed = failed
        pending(1)

    def item(self) -> None:
        """Go on: a stream is pending to its end."""

    def end(self, error: BaseException | None, result: object) -> None:  # noqa: ARG002
        """Leave the first status for the one it has earned."""
        self._pending(-1)
        (self._succeeded if error is None else self._failed)(1)


class Stages(Measuring[_Staged]):
    """Moves a call from one status to another.

    Args:
        pending: The series it is in while it runs.
        succeeded: The series it is in after that.
        failed: The series it is in where it raised.
    """

    __slots__ = ("_series",)

    name = "checkpoint"

    def __init__(
        self, pending: BoundUpDownCounter, succeeded: BoundUpDownCounter, failed: BoundUpDownCounter
    ) -> None:
        super().__init__()
        given = (pending, succeeded, failed)
        self._series = tuple(Series(each, BoundUpDownCounter, self.name) for each in given)

    def begin_for(self, function: Function | None) -> Begin:
        """Prepare the labels for ``function``."""
        pending, succeeded, failed = (each.finder(function) for each in self._series)

        def begin(args: tuple[object, ...], kwargs: dict[str, object]) -> _Staged:
            call = Occurrence(args, kwargs)
            return _Staged(pending(call), succeeded(call), failed(call))

        return begin
