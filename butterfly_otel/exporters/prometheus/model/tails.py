"""What OpenMetrics appends to the lines of a block: the latest exemplars, by cell."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.exemplars import (
    labelled,
    latest,
    latest_samples,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.engine.cells import Cell, Taken
    from butterfly_otel.exporters.prometheus.model.series import SeriesExemplar

    #: A cell, and what its reservoir had.
    Fresh = tuple[Cell, Taken]


class Tails:
    """The latest exemplars of one family's cells, between scrapes. Thread-safe."""

    def __init__(self) -> None:
        self._by_cell: dict[Cell, Mapping[int, SeriesExemplar]] = {}
        self._lock = RLock()

    def absorb(self, fresh: Iterable[Fresh], *, pack: bool = False) -> None:
        """Take what was sampled since the last time; in bytes, where protobuf asks."""
        with self._lock:
            for cell, found in fresh:
                known = self._by_cell.get(cell, {})
                self._by_cell[cell] = (
                    latest_samples(known, found, cell, pack=pack)
                    if isinstance(found, dict)
                    else latest(known, found, cell.table.bounds)
                )

    def of(self, cell: Cell) -> Mapping[int, SeriesExemplar]:
        """Return the exemplars of a cell by the index of their lines."""
        known = self._by_cell.get(cell, {})
        return {index: labelled(each) for index, each in known.items()}

    def retain(self, cells: Iterable[Cell]) -> None:
        """Forget those of all other cells."""
        if self._by_cell:
            with self._lock:
                known = self._by_cell
                self._by_cell = {cell: known[cell] for cell in cells if cell in known}

    def known(self, cells: Sequence[Cell]) -> dict[int, Mapping[int, SeriesExemplar]]:
        """Return the exemplars of those of some cells that have any, by the cells' places."""
        by_cell = self._by_cell
        if not by_cell:
            return {}
        return {place: by_cell[cell] for place, cell in enumerate(cells) if cell in by_cell}

    def lines(self, cells: Sequence[Cell], each: int) -> list[str] | None:
        """Return what each line of some cells ends in; None where there is nothing.

        Args:
            cells: The cells.
            each: How many lines a cell has.
        """
        by_cell = self._by_cell
        if not by_cell:
            return None
        texts = [""] * (len(cells) * each)
        first = 0
        for cell in cells:
            known = by_cell.get(cell)
            if known is not None:
                for index, exemplar in known.items():
                    texts[first + index] = exemplar.text or text_of(exemplar)
            first += each
        return texts
