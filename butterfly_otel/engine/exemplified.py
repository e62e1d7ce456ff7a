"""What a table does for exemplars: it offers measurements to the reservoirs of its readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import SpanContext

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.engine.neighbours import Owner, Reader


class Exemplified:
    """The part of a table that knows of exemplars.

    Attributes:
        owner: The instrument.
    """

    owner: Owner
    _streams: tuple[Reader, ...]

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to the exemplar reservoirs of all readers."""
        for stream in self._streams:
            stream.offer(cell, measurement)

    def exemplify(
        self, cell: Cell, amount: float, parent: SpanContext, its: Mapping[str, Any] | None = None
    ) -> None:
        """Offer a value that a cell took in a sampled span to the exemplar reservoirs.

        Args:
            cell: Has the value.
            amount: The value.
            parent: Of the span.
            its: The attributes of the measurement, where they are not those of the cell.
        """
        if not self.owner.exemplary:
            return
        keepers = cell.keepers
        if keepers is None:
            keepers = tuple(each.keeper(cell) for each in self._streams)
            # Of a cell that is not live, the readers forget it anyway.
            cell.keepers = keepers if cell.live else None
        sample = (amount, timing.time_ns(), parent, its)
        for keep in keepers:
            keep(sample)
