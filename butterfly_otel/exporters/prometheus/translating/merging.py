"""Several points that have come to the same name and labels: one series of them.

Sums are added, and so are histograms: nothing is shown that is less than what was measured.
What can't be added (gauges, and histograms of different boundaries) is told apart by the labels
of its scopes where these differ. Where they don't, the latest gauge is shown, and of histograms
the boundaries that all of them have.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

from butterfly_otel.exporters.prometheus.model.native import classic_point
from butterfly_otel.exporters.prometheus.model.series import Series, layout_of
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from butterfly_otel.exporters.prometheus.model.names import MetricKind
    from butterfly_otel.exporters.prometheus.model.problems import Problems
    from butterfly_otel.exporters.prometheus.model.series import SeriesExemplar

Point: TypeAlias = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


class Origin(Protocol):
    """What has to be known of the stream that a point is of."""

    name: str
    kind: MetricKind
    scope: InstrumentationScope

    def told_apart(self, series: Series) -> Series:
        """Return a series with the labels of its scope."""
        ...


class Piece(NamedTuple):
    """A point of a stream, with the series that it is shown as by itself."""

    stream: Origin
    series: Series
    point: Point


class _Shown(NamedTuple):
    """What colliding gauges were at the last collection, and which of them was shown."""

    values: tuple[float, ...]
    place: int


class Merger:
    """Makes one series of colliding points. Not thread-safe.

    Args:
        problems: Where is reported what can't be shown whole.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._before: dict[tuple[str, str], _Shown] = {}
        self._now: dict[tuple[str, str], _Shown] = {}

    def begin(self) -> None:
        """Begin another collection."""
        self._before, self._now = self._now, {}

    def merge(self, pieces: Iterable[Piece]) -> tuple[list[Series], list[Point]]:
        """Return the distinct series of a family, and their points."""
        told_apart: list[Piece] = []
        for group in _by_block(pieces):
            told_apart += group if _addable(group) else _told_apart(group)
        series: list[Series] = []
        points: list[Point] = []
        for group in _by_block(told_apart):
            shown, point = self._one(group)
            series.append(shown)
            points.append(point)
        return series, points

    def _one(self, group: list[Piece]) -> tuple[Series, Point]:
        first = group[0]
        if len(group) == 1:
            return first.series, first.point
        if all(each.stream.kind == "exponential" for each in group):
            return _with_exemplars(group, None), _exponential(group)
        classic = [_classic(each) for each in group]
        if all(isinstance(each.point, HistogramDataPoint) for each in classic):
            return self._histogram(classic)
        if _addable(group):
            return _with_exemplars(group, None), _sum(group)
        self._problems.report(
            "duplicate_series",
            first.stream.name,
            "Metric %s has several points for the labels {%s}; only the latest is exposed",
            first.series.block,
        )
        latest = group[self._latest(group)]
        return latest.series, latest.point

    def _latest(self, group: list[Piece]) -> int:
        """Return the index of the gauge that was measured last.

        Points bear the time of the collection, so it is the one that has changed since the last
        one; where several have, the one whose series began last.
        """
        numbers = [cast("NumberDataPoint", each.point) for each in group]
        times = [each.time_unix_nano or 0 for each in numbers]
        newest = max(times)
        values = tuple(each.value for each in numbers)
        key = (group[0].stream.name, group[0].series.block)
        before = self._before.get(key, _Shown((), -1))
        late = [index for index, time in enumerate(times) if time == newest]
        old = before.values
        changed = [index for index in late if index >= len(old) or values[index] != old[index]]
        index = changed[-1] if changed else before.place
        index = index if index in late else late[-1]
        self._now[key] = _Shown(values, index)
        return index

    def _histogram(self, group: list[Piece]) -> tuple[Series, Point]:
        points = [cast("HistogramDataPoint", each.point) for each in group]
        bounds = points[0].explicit_bounds
        # Exemplars of exponential ones aren't sorted by boundaries.
        mixed = any(each.stream.kind == "exponential" for each in group)
        if mixed or any(each.explicit_bounds != bounds for each in points):
            self._problems.report(
                "boundary_conflict",
                group[0].stream.name,
                "Metric %s has histograms of different boundaries for the labels {%s};"
                " the boundaries that all of them have are exposed",
                group[0].series.block,
            )
            # Those that are exposed: boundaries that do not grow are left out of each.
            exposed = [layout_of(tuple(each.explicit_bounds)).bounds for each in points]
            shared = set(exposed[0]).intersection(*exposed[1:])
            bounds = tuple(sorted(shared))
            points = [_narrowed(each, bounds) for each in points]
            return _with_exemplars(group, bounds), _added(points, bounds)
        return _with_exemplars(group, None), _added(points, bounds)


def _by_block(pieces: Iterable[Piece]) -> Iterable[list[Piece]]:
    groups: dict[str, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.series.block, []).append(piece)
    return groups.values()


def _addable(group: Sequence[Piece]) -> bool:
    if len(group) == 1:
        return True
    kinds = {each.stream.kind for each in group}
    if "gauge" in kinds:
        return False
    if "exponential" in kinds:
        return len(kinds) == 1
    bounds = [
        each.point.explicit_bounds if isinstance(each.point, HistogramDataPoint) else None
        for each in group
    ]
    return all(each == bounds[0] for each in bounds)


def _told_apart(group: list[Piece]) -> list[Piece]:
    """Return the points with the labels of their scopes, where the scopes differ."""
    if all(each.stream.scope == group[0].stream.scope for each in group):
        return group
    return [each._replace(series=each.stream.told_apart(each.series)) for each in group]


def _with_exemplars(group: list[Piece], bounds: tuple[float, ...] | None) -> Series:
    """Return the series of a merged point, with the latest exemplars of all.

    Args:
        group: What was merged.
        bounds: The boundaries by which exemplars are to be sorted anew; None where they have
            not changed.
    """
    first = group[0].series
    if bounds is None and all(each.series is first or not each.series.exemplars for each in group):
        return first
    latest: dict[int, SeriesExemplar] = {}
    for each in {id(piece.series): piece.series for piece in group}.values():
        for index, exemplar in each.exemplars.items():
            place = index if bounds is None else bisect_left(bounds, exemplar.value)
            known = latest.get(place)
            if known is None or known.time_unix_nano <= exemplar.time_unix_nano:
                latest[place] = exemplar
    merged = Series(group[0].stream.name, first.labels)
    merged.exemplars = latest
    return merged


def _classic(piece: Piece) -> Piece:
    """Return a piece with boundaries, so that it can be added to one that has others."""
    if not isinstance(piece.point, ExponentialHistogramDataPoint):
        return piece
    return piece._replace(point=classic_point(piece.point))


def _exponential(group: list[Piece]) -> ExponentialHistogramDataPoint:
    # Rare, and what it imports is of pushing otherwise.
    from butterfly_otel.exporters.carrying.exponential import merged_exponential  # noqa: PLC0415

    points = [cast("ExponentialHistogramDataPoint", each.point) for each in group]
    start = min(each.start_time_unix_nano or 0 for each in points)
    return replace(reduce(merged_exponential, points), start_time_unix_nano=start)


def _sum(group: list[Piece]) -> NumberDataPoint:
    points = [cast("NumberDataPoint", each.point) for each in group]
    return NumberDataPoint(
        points[0].attributes,
        min(each.start_time_unix_nano or 0 for each in points),
        max(each.time_unix_nano for each in points),
        sum(each.value for each in points),
    )


def _narrowed(point: HistogramDataPoint, bounds: tuple[float, ...]) -> HistogramDataPoint:
    """Return a histogram with some of its boundaries only."""
    layout = layout_of(tuple(point.explicit_bounds))
    totals = list(accumulate(point.bucket_counts))
    picks = range(len(layout.bounds)) if layout.picks is None else layout.picks
    at = {bound: totals[pick] for bound, pick in zip(layout.bounds, picks, strict=False)}
    kept = [*(at[bound] for bound in bounds), totals[-1]]
    counts = [count - before for count, before in zip(kept, [0, *kept[:-1]], strict=True)]
    return _point(point, counts, bounds, point.sum)


def _added(points: list[HistogramDataPoint], bounds: Sequence[float]) -> HistogramDataPoint:
    counts = [sum(each) for each in zip(*(each.bucket_counts for each in points), strict=True)]
    first = min(points, key=lambda each: each.start_time_unix_nano or 0)
    return _point(first, counts, bounds, sum(each.sum for each in points))


def _point(
    like: HistogramDataPoint, counts: list[int], bounds: Sequence[float], total: float
) -> HistogramDataPoint:
    return HistogramDataPoint(
        like.attributes,
        like.start_time_unix_nano,
        like.time_unix_nano,
        sum(counts),
        total,
        counts,
        bounds,
        like.min,
        like.max,
    )
