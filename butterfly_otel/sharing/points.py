"""The series of a collected metric, however they were collected: from cells or as data points."""

from __future__ import annotations

from math import isinf
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    Histogram,
)

from butterfly_otel.engine.histograms import HistogramCell, MinMaxHistogramCell
from butterfly_otel.engine.observed import ObservedTable
from butterfly_otel.engine.points import CellPoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import Metric

    from butterfly_otel.sharing.identity import Kind


class Found(NamedTuple):
    """The series of one metric in one collection.

    Attributes:
        holders: What stands for each series as long as it is there: a cell, or its attributes.
        starts: When each began; 0 for a gauge.
        states: What each has: a number, a tuple of a histogram, or an exponential data point.
        exemplars: Those that are new, by the index of the series.
        bounds: Bucket boundaries of a histogram.
        limit: How many series there may be, where that is known.
        non_negative: Whether no value is negative.
        absolute: Whether a series that comes back goes on where it was, as observed ones do.
    """

    holders: list[Any]
    starts: list[int]
    states: list[Any]
    exemplars: list[tuple[int, Sequence[Exemplar]]]
    bounds: tuple[float, ...] = ()
    limit: int | None = None
    non_negative: bool = False
    absolute: bool = False


def kind_of(metric: Metric) -> Kind:
    """Return what a metric measures by."""
    data = metric.data
    if isinstance(data, Gauge):
        return "gauge"
    if isinstance(data, Histogram):
        return "histogram"
    if isinstance(data, ExponentialHistogram):
        return "exponential"
    return "counter" if data.is_monotonic else "up_down_counter"


def found_in(metric: Metric, kind: Kind) -> list[Found]:
    """Return the series of a metric, those of histograms by their boundaries."""
    points: Any = metric.data.data_points
    if isinstance(points, CellPoints):
        return [_of_cells(points, kind)]
    if kind == "histogram":
        by_bounds: dict[tuple[float, ...], list[Any]] = {}
        for point in points:
            if len(point.bucket_counts) == len(point.explicit_bounds) + 1:
                by_bounds.setdefault(tuple(point.explicit_bounds), []).append(point)
        return [_of_points(each, kind, bounds) for bounds, each in by_bounds.items()]
    return [_of_points(list(points), kind, ())] if points else []


def attributes_of(holder: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a cell or attributes
    """Return the attributes of what stands for a series."""
    labels = getattr(holder, "labels", None)
    return holder or {} if labels is None else labels()


def same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Tell whether two sequences have the very same objects."""
    return len(first) == len(second) and all(map(is_, first, second))


def _of_cells(points: CellPoints, kind: Kind) -> Found:
    cells: list[Any] = points.cells
    states = _states(cells)
    if None in states and kind != "histogram":
        cells = [cell for cell, state in zip(cells, states, strict=True) if state is not None]
        states = [state for state in states if state is not None]
    places = {cell: index for index, cell in enumerate(cells)} if (fresh := points.fresh()) else {}
    table: Any = points.table
    return Found(
        cells,
        [0] * len(cells) if kind == "gauge" else [cell.start for cell in cells],
        states,
        [(places[cell], found) for cell, found in fresh if cell in places],
        tuple(table.bounds) if kind == "histogram" else (),
        table.limit,
        table.non_negative,
        isinstance(table, ObservedTable),
    )


def _states(cells: list[Any]) -> list[Any]:
    """Return what cells have, as their ``read`` does, for less where they have no locks."""
    first = cells[0] if cells else None
    if first is None or first.lock is not None:
        return [cell.read() for cell in cells]
    if isinstance(first, MinMaxHistogramCell):
        # Of one instant: nothing is called here.
        return [(cell.counts[:], cell.total, cell.low, cell.high) for cell in cells]
    if isinstance(first, HistogramCell):
        return [cell.read() for cell in cells]
    return [cell.value for cell in cells]


def _of_points(points: list[Any], kind: Kind, bounds: tuple[float, ...]) -> Found:
    if kind == "exponential":
        states: list[Any] = points
    elif kind == "histogram":
        states = [(point.bucket_counts, point.sum, point.min, point.max) for point in points]
    else:
        states = [point.value for point in points]
    return Found(
        [point.attributes for point in points],
        [point.start_time_unix_nano or 0 for point in points],
        states,
        [(index, point.exemplars) for index, point in enumerate(points) if point.exemplars],
        bounds,
        non_negative=kind == "histogram" and all(not _negative(each) for each in points),
    )


def _negative(point: Any) -> bool:  # noqa: ANN401 - a data point
    return point.sum < 0 or (not isinf(point.min) and point.min < 0)


def exemplars_of(found: Iterable[Exemplar]) -> list[list[Any]]:
    """Return exemplars as JSON has them."""
    from butterfly_otel.sharing.payload import packed  # noqa: PLC0415

    return [
        [
            each.value,
            each.time_unix_nano,
            each.span_id,
            each.trace_id,
            packed(each.filtered_attributes) if each.filtered_attributes else None,
        ]
        for each in found
    ]
