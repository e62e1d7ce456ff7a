"""One metric of one scope between scrapes: its exposed name and the series it has."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
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
from butterfly_otel.exporters.prometheus.model.native import is_representable
from butterfly_otel.exporters.prometheus.model.series import Series
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util.types import AnyValue

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.families import FamilyType
    from butterfly_otel.exporters.prometheus.model.labels import Constants
    from butterfly_otel.exporters.prometheus.model.names import MetricKind, Naming
    from butterfly_otel.exporters.prometheus.model.problems import Problems

#: What can be exposed.
Data: TypeAlias = Gauge | Sum | Histogram | ExponentialHistogram
Point: TypeAlias = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


class Labelling(NamedTuple):
    """How the series of a stream are labelled.

    Attributes:
        scope: The instrumentation scope it is of.
        constants: Labels that all its series have.
        apart: Those of the scope, where they aren't among them.
        naming: How labels are named.
    """

    scope: InstrumentationScope
    constants: Constants
    apart: Constants
    naming: Naming


class Stream:
    """A metric under its exposed name, with the series of its last collection.

    Attributes:
        name: The family's name in text format 0.0.4.
        type: The family's type.
        kind: What it measures by.
        scope: The instrumentation scope it is of.
        help: The HELP text.
        unit: The unit in words.
        created: Whether OpenMetrics shows when its series began.
        exact: Whether its name is the OpenTelemetry name, verbatim.
        accepted: Whether it may be exposed under its name.
        distinct: Whether the last collection's points are of as many series.

    Not thread-safe.
    """

    __slots__ = (
        "_apart",
        "_blocks",
        "_by_block",
        "_by_id",
        "_constants",
        "_naming",
        "_told_apart",
        "accepted",
        "created",
        "distinct",
        "exact",
        "help",
        "kind",
        "name",
        "scope",
        "type",
        "unit",
    )

    def __init__(
        self,
        name: str,
        family_type: FamilyType,
        *,
        kind: MetricKind,
        exact: bool,
        help_text: str,
        unit: str,
        labelling: Labelling,
        created: bool,
    ) -> None:
        self.name = name
        self.type: FamilyType = family_type
        self.kind: MetricKind = kind
        self.scope = labelling.scope
        self.help = help_text
        self.unit = unit
        self.created = created
        self.exact = exact
        self.accepted = False
        self._constants = labelling.constants
        self._apart = labelling.apart
        self._naming = labelling.naming
        # With the mapping each was made from, so that its id is not given to another one.
        self._by_id: dict[int, tuple[object, Series]] = {}
        self._by_block: dict[str, Series] = {}
        self.distinct = True
        self._told_apart: dict[str, Series] = {}
        self._blocks = Blocks(
            name, labelling.constants, labelling.naming, histogram=family_type == "histogram"
        )

    def block_of(self, data: Data) -> Block | None:
        """Return all lines of a collection, where it can be read from cells."""
        points = data.data_points
        if not isinstance(points, CellPoints):
            return None
        # A callback may observe anything; what is measured by calls is checked there.
        unchecked = self.kind == "counter" and not points.table.non_negative
        if unchecked and not all(cell.read() >= 0 for cell in points.cells):
            return None
        return self._blocks.follow(points)

    def series_of(self, data: Data, problems: Problems) -> tuple[list[Series], list[Point]]:
        """Return the series of a collection and their points, in its order."""
        points: list[Point] = list(data.data_points)
        if isinstance(data, Sum) and self.kind == "counter":
            points = self._growing(data.data_points, problems)
        elif isinstance(data, Histogram):
            points = self._whole(data.data_points, problems)
        elif isinstance(data, ExponentialHistogram):
            points = self._representable(data.data_points, problems)
        by_id = self._by_id
        found: list[Series] = []
        met = False
        for point in points:
            # The SDK hands out the same mapping for a series at each collection, so its
            # identity saves looking at its content; a new one merely costs a closer look.
            attributes = point.attributes
            known = by_id.get(id(attributes))
            if known is None or known[0] is not attributes:
                known = (attributes, self._meet(attributes))
                by_id[id(attributes)] = known
                met = True
            if point.exemplars and self.kind not in {"gauge", "up_down_counter"}:
                keep_exemplars(known[1], point)
            found.append(known[1])
        if met:
            self.distinct = len(set(found)) == len(found)
        if len(by_id) > len(found):
            self._forget(found, points)
        return found, points

    def told_apart(self, series: Series) -> Series:
        """Return a series with the labels of its scope, for who shares its own labels."""
        known = self._told_apart.get(series.block)
        if known is None:
            constants = (*self._constants, *self._apart)
            labels = join_labels(
                constants, series.attributes, self._naming, histogram=self.type == "histogram"
            )
            known = self._told_apart[series.block] = Series(self.name, labels, series.attributes)
        known.exemplars = series.exemplars
        return known

    def _forget(self, found: Sequence[Series], points: Sequence[Point]) -> None:
        """Keep only what this collection has."""
        present = {id(each.attributes) for each in points}
        self._by_id = {key: each for key, each in self._by_id.items() if key in present}
        self._by_block = {each.block: each for each in found}
        for block in self._told_apart.keys() - self._by_block.keys():
            del self._told_apart[block]

    def _meet(self, attributes: Mapping[str, AnyValue] | None) -> Series:
        labels = join_labels(
            self._constants, attributes or {}, self._naming, histogram=self.type == "histogram"
        )
        series = Series(self.name, labels, attributes)
        return self._by_block.setdefault(series.block, series)

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

    def _representable(
        self, points: Sequence[ExponentialHistogramDataPoint], problems: Problems
    ) -> list[Point]:
        """Leave out points too coarse for a native histogram, as the specification demands."""
        fit: list[Point] = [point for point in points if is_representable(point)]
        if len(fit) != len(points):
            problems.report(
                "invalid_value",
                self.name,
                "Points of the exponential histogram %s are not exposed: their scale is below -4,"
                " the coarsest that a native histogram has",
            )
        return fit
