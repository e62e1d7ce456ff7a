"""Exemplar reservoirs: one a series that was ever sampled, for one reader.

Collecting empties a reservoir, so readers that share a table have reservoirs of their own.
"""

from __future__ import annotations

from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.engine.histograms import HistogramCell
from butterfly_otel.engine.points import point_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics import Exemplar

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.cells import Cell


class Reservoirs:
    """The reservoirs of one stream; false while there are none. Thread-safe.

    Args:
        stream: Whose View says how a reservoir is made.
    """

    def __init__(self, stream: sdk.ViewInstrumentMatch) -> None:
        self._stream = stream
        self._by_cell: dict[Cell, Any] = {}
        self._lock = RLock()

    def __bool__(self) -> bool:
        return bool(self._by_cell)

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to a cell's reservoir."""
        reservoir = self._by_cell.get(cell) or self._made(cell)
        reservoir.offer(
            measurement.value,
            measurement.time_unix_nano,
            measurement.attributes,
            measurement.context,
        )

    def _made(self, cell: Cell) -> Any:  # noqa: ANN401
        stream: Any = self._stream
        kind = cast("type[object]", type(stream._aggregation))  # noqa: SLF001 - the SDK's own
        make = stream._view._exemplar_reservoir_factory(kind)  # noqa: SLF001
        if isinstance(cell, HistogramCell):
            make = partial(make, boundaries=cell.bounds)
        with self._lock:
            # In one step: making one may run a finalizer that measures the same series.
            return self._by_cell.get(cell) or self._by_cell.setdefault(cell, make())

    def point(self, cell: Cell, now: int, state: Any) -> Any:  # noqa: ANN401
        """Return a cell's state as a data point, with its exemplars."""
        point: Any = point_of(cell, now, state)
        reservoir = self._by_cell.get(cell) if self._by_cell else None
        if reservoir is not None:
            vars(point)["exemplars"] = reservoir.collect(cell.attributes)
        return point

    def fresh(self) -> list[tuple[Cell, list[Exemplar]]]:
        """Return the exemplars of each series that has any, and start from nothing."""
        every = [
            (cell, reservoir.collect(cell.attributes))
            for cell, reservoir in tuple(self._by_cell.items())
        ]
        return [each for each in every if each[1]]

    def keep(self, cells: Iterable[Cell]) -> None:
        """Forget the exemplars of all series but these."""
        if self._by_cell:
            with self._lock:
                known = self._by_cell
                self._by_cell = {cell: known[cell] for cell in cells if cell in known}

    def forget(self, cell: Cell) -> None:
        """Forget a series' exemplars."""
        self._by_cell.pop(cell, None)
