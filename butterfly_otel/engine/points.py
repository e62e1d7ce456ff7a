"""The SDK's data points of cells, and a collection's points that are made only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

from butterfly_otel.engine.cells import Cell, LastValueCell
from butterfly_otel.engine.histograms import HistogramCell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics import Exemplar

    from butterfly_otel.engine.cells import Taken
    from butterfly_otel.engine.shapes import Shape

    Point = NumberDataPoint | HistogramDataPoint


class Origin(Protocol):
    """What a reader that reads cells has to know of the table they are in."""

    shape: Shape | None

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bucket boundaries of a histogram."""
        ...

    @property
    def non_negative(self) -> bool:
        """Whether no value is negative."""
        ...

    @property
    def limit(self) -> int:
        """How many series there may be."""
        ...


class Exemplary(Protocol):
    """What has the exemplars of a stream."""

    def fresh(self) -> Iterable[tuple[Cell, Sequence[Exemplar]]]:
        """Return them, and start from nothing."""
        ...

    def taken(self) -> Iterable[tuple[Cell, Taken]]:
        """Return what they are made of, where that is known, and start from nothing."""
        ...


class CellPoints(Sequence[Any]):
    """The points of one table in one collection, for readers that can read cells instead.

    A sequence of the SDK's data points for whoever takes it as one; they are made at the
    first look, with the values of that moment.

    Attributes:
        table: The table they are in.
        cells: Its live cells, in the order in which their series began.
        epoch: The table's when they were collected: it may have changed since.
    """

    __slots__ = ("_now", "_points", "_reservoirs", "cells", "epoch", "table")

    def __init__(
        self, table: Origin, cells: list[Cell], epoch: int, now: int, reservoirs: Exemplary
    ) -> None:
        self.table = table
        self.cells = cells
        self.epoch = epoch
        self._now = now
        self._reservoirs = reservoirs
        self._points: list[Point] | None = None

    def fresh(self) -> Iterable[tuple[Cell, Sequence[Exemplar]]]:
        """Return the exemplars since the last time they were asked for; nobody has to ask."""
        return self._reservoirs.fresh()

    def taken(self) -> Iterable[tuple[Cell, Taken]]:
        """Return what these exemplars are made of, for whoever writes them out, instead."""
        return self._reservoirs.taken()

    def _made(self) -> list[Point]:
        if self._points is None:
            self._points = points_of(self.cells, self._now)
            exemplars = dict(self.fresh())
            for cell, point in zip(self.cells, self._points, strict=False) if exemplars else ():
                vars(point)["exemplars"] = exemplars.get(cell, [])
        return self._points

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        return self._made()[index]


def points_of(cells: Iterable[Cell], now: int) -> list[Point]:
    """Return the points of cells that have a value."""
    return [point_of(cell, now, state) for cell in cells if (state := cell.read()) is not None]


def point_of(cell: Cell, now: int, state: Any) -> Point:  # noqa: ANN401 - what cells of its class have
    """Return a cell's state as a data point without exemplars."""
    build = _histogram_point if isinstance(cell, HistogramCell) else _number_point
    return build(cell, cell.start, now, state)


def _number_point(cell: Cell, start: int, now: int, value: Any) -> NumberDataPoint:  # noqa: ANN401
    # Written into the instance: a frozen dataclass' own constructor takes three times as
    # long, which is most of what a collection costs.
    point: NumberDataPoint = _new(NumberDataPoint)
    fields = point.__dict__
    fields["attributes"] = cell.attributes
    # The SDK gives gauges no start, although the field's type has no room for that.
    fields["start_time_unix_nano"] = None if isinstance(cell, LastValueCell) else start
    fields["time_unix_nano"] = now
    fields["value"] = value
    fields["exemplars"] = []
    return point


def _histogram_point(cell: Cell, start: int, now: int, state: Any) -> HistogramDataPoint:  # noqa: ANN401
    counts, total, low, high = state
    point: HistogramDataPoint = _new(HistogramDataPoint)
    fields = point.__dict__
    fields["attributes"] = cell.attributes
    fields["start_time_unix_nano"] = start
    fields["time_unix_nano"] = now
    fields["count"] = sum(counts)
    fields["sum"] = total
    fields["bucket_counts"] = counts
    fields["explicit_bounds"] = cell.table.bounds
    fields["min"] = low
    fields["max"] = high
    fields["exemplars"] = []
    return point


_new: Any = object.__new__
