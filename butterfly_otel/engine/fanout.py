"""Where a measurement goes when that is not exactly one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from butterfly_otel.engine.cells import Cell
from butterfly_otel.process.values import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.instruments import CellInstrument


class FanOut:
    """Where measurements of one attribute set go when that is not exactly one cell.

    Several readers or Views, none, or some the stock SDK aggregates.
    """

    __slots__ = ("_cells", "_generation", "_others", "_owner", "attributes")

    #: As of a cell: whether it may be measured in line.
    ready = False

    def __init__(
        self,
        owner: CellInstrument,
        generation: object,
        attributes: Mapping[str, Any],
        cells: Sequence[Cell],
        others: Sequence[sdk.ViewInstrumentMatch],
    ) -> None:
        self._owner = owner
        self._generation = generation
        self._cells = tuple(cells)
        self._others = tuple(others)
        self.attributes = attributes

    def record(self, amount: float = 1) -> None:
        """Measure a value."""
        owner = self._owner
        if self._generation is not owner.generation:
            self._renew()
        kind = type(amount)
        if (
            (kind is int or kind is float)
            and owner.lowest <= amount <= HIGHEST
            and owner.unsampled
            and trace._TRACER_PROVIDER is None  # noqa: SLF001 - the cheapest question there is
            and not self._others
        ):
            for cell in self._cells:
                cell.table.update(cell, amount)
            return
        owner.measure(self._cells, amount, self.attributes, others=self._others)

    def _renew(self) -> None:
        """Find the streams there are now; somebody holds on to this target."""
        owner = self._owner
        generation = owner.generation
        found = owner.target(self.attributes)
        if isinstance(found, Cell):
            self._cells, self._others = (found,), ()
        else:
            self._cells, self._others = found._cells, found._others  # noqa: SLF001 - a twin
        # Last: until then, whoever else measures looks for itself.
        self._generation = generation
