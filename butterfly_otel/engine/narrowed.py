"""Where a measurement goes whose attributes its series has not all of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.fanout import FanOut
from butterfly_otel.process import tracing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.engine.fanout import Owner


class Narrowed(FanOut):
    """One cell, and the attributes that an exemplar shows beside those of the series.

    A View has dropped some, or the series is the overflow point. A cell that is ready is all
    there is to measure into, whatever generation this is of.
    """

    __slots__ = ("_only",)

    # A cell, about which a type checker need not know more.
    _only: Any

    def __init__(
        self,
        owner: Owner,
        generation: object,
        attributes: Mapping[str, Any],
        cells: Sequence[Cell],
        others: Sequence[sdk.ViewInstrumentMatch],
    ) -> None:
        super().__init__(owner, generation, attributes, cells, others)
        [self._only] = cells

    def record(self, amount: float = 1) -> None:
        """Measure a value."""
        cell = self._only
        # rendered from quick.py: narrowed any
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.record(amount)
            return
        # rendered until here
        super().record(amount)
