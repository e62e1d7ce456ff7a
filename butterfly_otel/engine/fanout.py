"""Where a measurement goes when that is not exactly one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from butterfly_otel.engine.cells import Cell
from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context

    from butterfly_otel.engine import sdk_internals as sdk


class Owner(Protocol):
    """What a fan-out needs of its instrument."""

    generation: object
    lowest: float
    unsampled: bool

    def target(self, attributes: Mapping[str, Any]) -> Cell | FanOut:
        """Return where measurements with these attributes go now."""
        ...

    def measure(
        self,
        cells: Sequence[Cell],
        amount: object,
        attributes: Mapping[str, Any],
        context: Context | None = None,
        others: Sequence[sdk.ViewInstrumentMatch] = (),
    ) -> None:
        """Check, aggregate, and offer to the exemplar reservoirs."""
        ...


class FanOut:
    """Where measurements of one attribute set go when that is not exactly one cell.

    Several readers or Views, none, or some the stock SDK aggregates.
    """

    __slots__ = ("_attributes", "_cells", "_generation", "_others", "_owner")

    #: As of a cell: whether it may be measured in line.
    ready = False

    def __init__(
        self,
        owner: Owner,
        generation: object,
        attributes: Mapping[str, Any],
        cells: Sequence[Cell],
        others: Sequence[sdk.ViewInstrumentMatch],
    ) -> None:
        self._owner = owner
        self._generation = generation
        self._cells = tuple(cells)
        self._others = tuple(others)
        self._attributes = attributes

    def record(self, amount: float = 1) -> None:
        """Measure a value."""
        owner = self._owner
        if self._generation is not owner.generation:
            self._renew()
        lowest = owner.lowest
        quick = owner.unsampled and not self._others
        # rendered from quick.py: fan_out any cell=self._cells ready=quick
        kind = type(amount)
        if (
            (kind is int or kind is float)
            and lowest <= amount <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and quick
        ):
            for each in self._cells:
                each.table.update(each, amount)
            return
        # rendered until here
        owner.measure(self._cells, amount, self._attributes, others=self._others)

    def record_within(self, amount: float, context: Context) -> None:
        """Measure a value with a context of the caller's, which may have a span."""
        owner = self._owner
        if self._generation is not owner.generation:
            self._renew()
        owner.measure(self._cells, amount, self._attributes, context, self._others)

    def _renew(self) -> None:
        """Find the streams there are now; somebody holds on to this target."""
        owner = self._owner
        generation = owner.generation
        found = owner.target(self._attributes)
        if isinstance(found, Cell):
            self._cells, self._others = (found,), ()
        else:
            self._cells, self._others = found._cells, found._others  # noqa: SLF001 - a twin
        # Last: until then, whoever else measures looks for itself.
        self._generation = generation
