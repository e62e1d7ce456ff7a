"""The data of an exposition: families of series, before any format.

A :class:`Family` is made anew by every scrape and pairs the series, which outlive it, with
the data points just collected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        NumberDataPoint,
    )

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.series import Series

    Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint

FamilyType = Literal["counter", "gauge", "histogram", "info", "unknown"]

#: Names that a family generates beside its own, in either format. ``_created`` is among
#: them although it is rarely exposed, because OpenMetrics reserves it.
HISTOGRAM_SUFFIXES = ("_bucket", "_count", "_sum", "_created")


class Family:
    """One family of one scrape: one HELP, one TYPE, and series that are all distinct.

    It has series and points or, what is cheaper to write out, a block.

    Args:
        name: The name in text format 0.0.4; a counter's has its ``_total`` where it has one.
        family_type: The type; in text format ``info`` is a gauge and ``unknown`` is untyped.
        help_text: The HELP text, unescaped.
        unit: The unit in words; exposed only where the name ends in it.
        created: Whether OpenMetrics shows when each series began.
        series: The series, in the order of ``points``.
        points: The data points; those of either kind of histogram for a histogram, else numbers.
            Where it is shown as text, there are no exponential ones.
        block: The lines of all samples, in place of series and points.
    """

    __slots__ = ("_points", "_series", "block", "created", "exact", "help", "name", "type", "unit")

    def __init__(
        self,
        name: str,
        family_type: FamilyType,
        help_text: str,
        unit: str,
        *,
        created: bool = False,
        series: list[Series] | None = None,
        points: list[Point] | None = None,
        block: Block | None = None,
    ) -> None:
        self.name = name
        self.type: FamilyType = family_type
        self.help = help_text
        self.unit = unit
        self.created = created
        #: Whether its name is one of the contract's, to which nobody else may add.
        self.exact = False
        self.block = block
        self._series: list[Series] = series or []
        self._points: list[Point] = points or []

    def of(self, series: list[Series], points: list[Point]) -> Family:
        """Return this family with these series and their points."""
        self._series, self._points = series, points
        return self

    @property
    def series(self) -> list[Series]:
        """The series; made of the block where there is one, which then is gone."""
        self._expand()
        return self._series

    @property
    def points(self) -> list[Point]:
        """The points, likewise."""
        self._expand()
        return self._points

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write out."""
        return self.block is None and not self._series

    def label_names(self) -> set[str]:
        """Return the names of all labels."""
        if self.block is not None:
            return set(self.block.label_names)
        return {key for series in self._series for key, _ in series.labels}

    def _expand(self) -> None:
        block = self.block
        if block is not None:
            self._series, self._points = block.expand()
            self.block = None

    @property
    def stem(self) -> str:
        """The name that OpenMetrics gives the family: without ``_total`` or ``_info``."""
        if self.type == "counter":
            return self.name.removesuffix("_total")
        return self.name.removesuffix("_info") if self.type == "info" else self.name

    @property
    def claims(self) -> tuple[str, ...]:
        """The names nothing else may have in an exposition of either format."""
        if self.type == "histogram":
            return (self.name, *(self.name + suffix for suffix in HISTOGRAM_SUFFIXES))
        return (self.name,)
