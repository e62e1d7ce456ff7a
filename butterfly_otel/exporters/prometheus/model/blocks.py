"""Blocks: the lines of a metric of our engine, written straight from its cells.

What never changes about the lines of some hundred series is one %-format, so a scrape reads
the values and lets Python fill them in. No data point, attribute mapping or series object is
made. What a block can't show exactly (labels whose names or values clash, several streams in a
family) goes the long way, by :mod:`.streams`. Exemplars stay where they are until a format asks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.points import point_of
from butterfly_otel.engine.sdk_internals import OVERFLOW_KEY
from butterfly_otel.exporters.prometheus.model.chunks import CHUNK, Chunk, ending_of
from butterfly_otel.exporters.prometheus.model.labels import join_labels
from butterfly_otel.exporters.prometheus.model.series import (
    Series,
    histogram_form,
    label_block,
    layout_of,
    sample_head,
)
from butterfly_otel.exporters.prometheus.model.tails import Tails
from butterfly_otel.exporters.prometheus.model.templates import Template, plain
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        NumberDataPoint,
    )

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.engine.points import CellPoints, Origin
    from butterfly_otel.engine.shapes import Shape
    from butterfly_otel.exporters.prometheus.model.labels import Constants
    from butterfly_otel.exporters.prometheus.model.names import Naming
    from butterfly_otel.exporters.prometheus.model.series import Labels
    from butterfly_otel.exporters.prometheus.model.tails import Fresh

    #: Labels that all of some cells have, and the values that each has of the others.
    Columns = tuple[Labels, dict[str, Sequence[str]]]
    Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


class Block(NamedTuple):
    """All lines of one family in one scrape; may be written out by several threads.

    Attributes:
        chunks: The series.
        histogram: Whether they are histograms.
        label_names: The names of their labels.
        series: Makes a series of a cell, for whoever needs it.
        labels: Gives the labels of a cell.
        columns: Gives those of many cells by their names, which is quicker, if that can be.
        tails: The exemplars so far.
        fresh: Takes what was sampled since.
    """

    chunks: tuple[Chunk, ...]
    histogram: bool
    label_names: frozenset[str]
    series: Callable[[Cell], Series]
    labels: Callable[[Cell], Labels]
    columns: Callable[[Sequence[Cell]], Columns | None]
    tails: Tails
    fresh: Callable[[], Iterable[Fresh]]

    def lines(self, *, exemplars: bool = False) -> Iterator[str]:
        """Yield the lines of all samples, the same in both formats but for exemplars."""
        if exemplars:
            self.tails.absorb(self.fresh())
        for chunk in self.chunks:
            tails = None
            if exemplars:
                lines = len(chunk.cells[0].table.bounds) + 3 if self.histogram else 1
                tails = self.tails.lines(chunk.cells, lines)
            yield chunk.histograms(tails) if self.histogram else chunk.numbers(tails)

    def expand(self) -> tuple[list[Series], list[Point]]:
        """Return series and points instead."""
        states = [(cell, cell.read()) for chunk in self.chunks for cell in chunk.cells]
        present = [(cell, state) for cell, state in states if state is not None]
        points: list[Point] = [point_of(cell, 0, state) for cell, state in present]
        self.tails.absorb(self.fresh())
        found = [self.series(cell) for cell, _ in present]
        for series, (cell, _) in zip(found, present, strict=True):
            series.exemplars = dict(self.tails.of(cell))
        return found, points


class Blocks:
    """Keeps the chunks of one family between scrapes. Not thread-safe.

    Args:
        name: The family's name.
        constants: Labels that all its series have.
        naming: How labels are named.
        histogram: Whether it is one of histograms.
    """

    def __init__(self, name: str, constants: Constants, naming: Naming, *, histogram: bool) -> None:
        self._name = name
        self._histogram = histogram
        self._constants = constants
        self._naming = naming
        self._table: Origin | None = None
        self._shape: Shape | None = None
        self._epoch = 0
        self._count = 0
        self._chunks: list[Chunk] = []
        self._tails = Tails()
        self._names: tuple[str, ...] | None = None
        self._constant = join_labels(constants, {}, naming, histogram=self._histogram)
        self._unfit = False
        self._template: Template | None = None

    def follow(self, points: CellPoints) -> Block | None:
        """Return the block of a collection; None where it has to go the long way."""
        table, cells = points.table, points.cells
        if table is not self._table or table.shape is not self._shape:
            self._begin(table, points.epoch)
        if self._unfit:
            return None
        if points.epoch != self._epoch:
            # That of the collection, not of now: what was removed since is still among these.
            self._epoch = points.epoch
            self._drop_dead(cells)
            self._tails.retain(cells)
        if len(cells) > self._count and not self._add(cells[self._count :]):
            self._unfit, self._chunks = True, []
            return None
        names = frozenset(self._names or ())
        return Block(
            tuple(self._chunks),
            self._histogram,
            names,
            self._series,
            self._labels,
            self._columns,
            self._tails,
            points.taken,
        )

    def _begin(self, table: Origin, epoch: int) -> None:
        self._table, self._shape, self._epoch = table, table.shape, epoch
        self._chunks, self._count = [], 0
        self._tails = Tails()
        self._names = self._label_names(table.shape)
        self._unfit = self._names is None or (self._histogram and not _plain_histogram(table))
        self._template = None
        if self._names and not self._unfit:
            bounds = table.bounds if self._histogram else None
            self._template = Template(self._name, self._names, self._constant, bounds)

    def _label_names(self, shape: Shape | None) -> tuple[str, ...] | None:
        """Return the exposed names of a shape's keys; None where two become one."""
        if shape is None:
            return ()
        sample = join_labels(
            (), dict.fromkeys(shape.keys, ""), self._naming, histogram=self._histogram
        )
        if len(sample) != shape.width or {key for key, _ in self._constants} & set(shape.keys):
            return None
        alone = [
            join_labels((), {key: ""}, self._naming, histogram=self._histogram)[0][0]
            for key in shape.keys
        ]
        return None if {key for key, _ in self._constant} & set(alone) else tuple(alone)

    def _drop_dead(self, cells: Sequence[Cell]) -> None:
        """Forget series that were removed, and everything where that is not all that happened."""
        kept: list[Chunk] = []
        for chunk in self._chunks:
            alive = [cell for cell in chunk.cells if cell.live]
            if len(alive) == len(chunk.cells):
                kept.append(chunk)
            elif alive:
                kept.append(self._chunk(alive))
        known = [cell for chunk in kept for cell in chunk.cells]
        if known == list(cells[: len(known)]):
            self._chunks, self._count = kept, len(known)
        else:
            self._chunks, self._count = [], 0

    def _add(self, cells: Sequence[Cell]) -> bool:
        """Take new series in; tell whether a block can show them."""
        waiting = list(cells)
        keys = self._keys(waiting)
        text = "" if keys is None else "".join(map("".join, keys))
        if (keys is None or not text.isascii()) and not all(map(self._fits, cells)):
            return False
        if self._chunks and len(self._chunks[-1].cells) < CHUNK:
            before = self._chunks.pop().cells
            waiting = [*before, *waiting]
            keys = None
        if keys is not None and not plain(text):
            keys = None
        self._chunks += (
            self._chunk(waiting[at : at + CHUNK], keys and keys[at : at + CHUNK])
            for at in range(0, len(waiting), CHUNK)
        )
        self._count += len(cells)
        return True

    def _keys(self, cells: Sequence[Cell]) -> list[Any] | None:
        """Return the cells' keys, if all are of the shape, as ``Shape.owns`` tells of one."""
        shape = self._shape
        if self._template is None or shape is None:
            return None
        keys: list[Any] = [cell.key for cell in cells]
        texts = keys if shape.width == 1 else [key[1] for key in keys]
        return keys if set(map(type, texts)) == {str} else None

    def _fits(self, cell: Cell) -> bool:
        """Tell whether a cell's labels can't be the same as another's of this family."""
        shape, key = self._shape, cell.key
        if shape is not None and shape.owns(key):
            values = (key,) if shape.width == 1 else key
            return all(value.isascii() or clean(value) == value for value in values)
        if key == OVERFLOW_KEY:
            return "otel_metric_overflow" not in (self._names or ())
        # There is only one series without attributes.
        return not cell.labels()

    def _chunk(self, cells: list[Any], keys: list[Any] | None = None) -> Chunk:
        """Return a chunk of cells; of these keys, if they are known and plain."""
        if keys is None:
            keys = self._keys(cells)
            if keys is not None and not plain("".join(map("".join, keys))):
                keys = None
        return Chunk(cells, partial(self._lines, self._template, cells, keys))

    def _lines(
        self, template: Template | None, cells: Sequence[Any], keys: list[Any] | None
    ) -> str:
        """Return the %-format of the lines of a chunk."""
        ending = ending_of(cells[0])
        if keys is None or template is None:
            return "".join([self._form(cell, ending) for cell in cells])
        return template.histograms(keys) if self._histogram else template.numbers(keys, ending)

    def _form(self, cell: Cell, ending: str) -> str:
        """Return the %-format of a cell's lines."""
        labels = self._labels(cell)
        block = label_block(labels).replace("%", "%%")
        name = self._name.replace("%", "%%")
        if not self._histogram:
            return f"{sample_head(name, block)}{ending}"
        return histogram_form(name, block, cell.table.bounds, "%d.0")

    def _labels(self, cell: Cell) -> Labels:
        shape = self._shape
        names = self._names
        if shape is None or names is None or not shape.owns(cell.key):
            return join_labels(
                self._constants, cell.labels(), self._naming, histogram=self._histogram
            )
        values = (cell.key,) if shape.width == 1 else cell.key
        return tuple(sorted((*self._constant, *zip(names, values, strict=True))))

    def _columns(self, cells: Sequence[Cell]) -> Columns | None:
        keys, names = self._keys(cells), self._names
        if keys is None or names is None:
            return None
        several = (keys,) if len(names) == 1 else zip(*keys, strict=True)
        return self._constant, dict(zip(names, several, strict=True))

    def _series(self, cell: Cell) -> Series:
        return Series(self._name, self._labels(cell), cell.attributes)


def _plain_histogram(table: Origin) -> bool:
    """Tell whether all its buckets are shown, and its sum in either format.

    OpenMetrics has a histogram that may be negative without a sum.
    """
    return (
        table.non_negative
        and min(table.bounds, default=0) >= 0
        and layout_of(table.bounds).picks is None
    )
