"""One metric of one scope between scrapes: its exposed name and the series it has."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    NumberDataPoint,
    Sum,
)

from butterfly_otel.engine.points import CellPoints
from butterfly_otel.exporters.prometheus.model.blocks import Blocks
from butterfly_otel.exporters.prometheus.model.exemplars import keep_exemplars
from butterfly_otel.exporters.prometheus.model.labels import join_labels
from butterfly_otel.exporters.prometheus.model.series import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.types import AnyValue

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.families import FamilyType
    from butterfly_otel.exporters.prometheus.model.labels import Constants
    from butterfly_otel.exporters.prometheus.model.names import Naming
    from butterfly_otel.exporters.prometheus.model.problems import Problems

#: What can be exposed.
Data: TypeAlias = Gauge | Sum | Histogram
Point: TypeAlias = NumberDataPoint | HistogramDataPoint


class Stream:
    """A metric under its exposed name, with the series of its last collection.

    Attributes:
        name: The family's name in text format 0.0.4.
        type: The family's type.
        help: The HELP text.
        unit: The unit in words.
        created: Whether OpenMetrics shows when its series began.
        exact: Whether its name is the OpenTelemetry name, verbatim.
        accepted: Whether it may be exposed under its name.

    Not thread-safe.
    """

    __slots__ = (
        "_blocks",
        "_by_block",
        "_by_id",
        "_constants",
        "_naming",
        "accepted",
        "created",
        "exact",
        "help",
        "name",
        "type",
        "unit",
    )

    def __init__(
        self,
        name: str,
        family_type: FamilyType,
        *,
        exact: bool,
        help_text: str,
        unit: str,
        constants: Constants,
        naming: Naming,
        created: bool,
    ) -> None:
        self.name = name
        self.type: FamilyType = family_type
        self.help = help_text
        self.unit = unit
        self.created = created
        self.exact = exact
        self.accepted = False
        self._constants = constants
        self._naming = naming
        self._by_id: dict[int, Series] = {}
        self._by_block: dict[str, Series] = {}
        self._blocks = Blocks(name, constants, naming, histogram=family_type == "histogram")

    def block_of(self, data: Data) -> Block | None:
        """Return all lines of a collection, where it can be read from cells."""
        points = data.data_points
        if not isinstance(points, CellPoints):
            return None
        # A callback may observe anything; what is measured by calls is checked there.
        unchecked = self.type == "counter" and not points.table.non_negative
        if unchecked and not all(cell.read() >= 0 for cell in points.cells):
            return None
        return self._blocks.follow(points)

    def series_of(self, data: Data, problems: Problems) -> tuple[list[Series], list[Point]]:
        """Return the distinct series of a collection and their points, in its order."""
        points: list[Point] = list(data.data_points)
        if isinstance(data, Sum) and self.type == "counter":
            points = self._growing(data.data_points, problems)
        elif isinstance(data, Histogram):
            points = self._whole(data.data_points, problems)
        by_id = self._by_id
        found: list[Series] = []
        met = False
        for point in points:
            # The SDK hands out the same mapping for a series at each collection, so its
            # identity saves looking at its content; a new one merely costs a closer look.
            attributes = point.attributes
            series = by_id.get(id(attributes))
            if series is None or series.attributes is not attributes:
                series = self._meet(attributes)
                met = True
            if point.exemplars and self.type != "gauge":
                keep_exemplars(series, point)
            found.append(series)
        if met and len(set(found)) != len(found):
            found, points = self._distinct(found, points, problems)
        if len(by_id) > len(found):
            self._by_id = {id(series.attributes): series for series in found}
            self._by_block = {series.block: series for series in found}
        return found, points

    def report_duplicate(self, series: Series, problems: Problems) -> None:
        """Report a series that something else already exposes in this family."""
        problems.report(
            "duplicate_series",
            self.name,
            "Metric %s has several points for the labels {%s}; only the first is exposed",
            series.block,
        )

    def _meet(self, attributes: Mapping[str, AnyValue] | None) -> Series:
        labels = join_labels(
            self._constants, attributes or {}, self._naming, histogram=self.type == "histogram"
        )
        series = Series(self.name, labels, attributes)
        known = self._by_block.get(series.block)
        if known is not None:
            known.attributes = attributes
            series = known
        self._by_block[series.block] = series
        self._by_id[id(attributes)] = series
        return series

    def _distinct(
        self, series: Sequence[Series], points: Sequence[Point], problems: Problems
    ) -> tuple[list[Series], list[Point]]:
        firsts: dict[Series, Point] = {}
        for each, point in zip(series, points, strict=True):
            if each in firsts:
                self.report_duplicate(each, problems)
            else:
                firsts[each] = point
        return list(firsts), list(firsts.values())

    def _growing(self, points: Sequence[NumberDataPoint], problems: Problems) -> list[Point]:
        """Leave out points that no counter may have: OpenMetrics forbids them outright."""
        values = [point.value for point in points]
        # Two loops in C for what is true practically always.
        if not values or (min(values) >= 0 and not isnan(sum(values))):
            return list(points)
        problems.report(
            "invalid_value",
            self.name,
            "Points of the counter %s are not exposed: they are negative or not a number",
        )
        return [point for point in points if point.value >= 0]

    def _whole(self, points: Sequence[HistogramDataPoint], problems: Problems) -> list[Point]:
        """Leave out points whose counts don't fit their bounds."""
        whole: list[Point] = [
            point for point in points if len(point.bucket_counts) == len(point.explicit_bounds) + 1
        ]
        if len(whole) != len(points):
            problems.report(
                "invalid_value",
                self.name,
                "Points of the histogram %s are not exposed: they lack buckets",
            )
        return whole
