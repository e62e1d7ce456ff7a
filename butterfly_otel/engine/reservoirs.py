"""Exemplar reservoirs: one a series that was ever sampled, for one reader.

Collecting empties a reservoir, so readers that share a table have reservoirs of their own.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, get_current_span

from butterfly_otel.engine.histograms import HistogramCell
from butterfly_otel.engine.points import point_of
from butterfly_otel.engine.samples import samples_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.metrics import Exemplar

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.cells import Cell, Sample, Taken
    from butterfly_otel.engine.samples import Samples


class Reservoirs:
    """The reservoirs of one stream; false while there are none. Thread-safe.

    Args:
        stream: Whose View says how a reservoir is made.
    """

    def __init__(self, stream: sdk.ViewInstrumentMatch) -> None:
        self._stream = stream
        self._by_cell: dict[Cell, Samples] = {}
        self._lock = RLock()

    def __bool__(self) -> bool:
        return bool(self._by_cell)

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to a cell's reservoir."""
        known = self.of(cell)
        if isinstance(known, _Foreign):
            known.offer(measurement)
            return
        span = get_current_span(measurement.context)
        parent = None if span == INVALID_SPAN else span.get_span_context()
        attributes: Mapping[str, Any] = measurement.attributes or {}
        known.keep((measurement.value, measurement.time_unix_nano, parent, attributes))

    def of(self, cell: Cell) -> Samples:
        """Return a cell's reservoir, made when it is asked for."""
        return self._by_cell.get(cell) or self._made(cell)

    def _made(self, cell: Cell) -> Samples:
        stream: Any = self._stream
        kind = cast("type[object]", type(stream._aggregation))  # noqa: SLF001 - the SDK's own
        with self._lock:
            known = self._by_cell.get(cell)
            if known is None:
                factory = stream._view._exemplar_reservoir_factory(kind)  # noqa: SLF001
                made = samples_for(cell, factory) or _Foreign(cell, factory)
                # In one step: making one may run a finalizer that measures the same series.
                known = self._by_cell.get(cell) or self._by_cell.setdefault(cell, made)
            return known

    def point(self, cell: Cell, now: int, state: Any) -> Any:  # noqa: ANN401
        """Return a cell's state as a data point, with its exemplars."""
        point: Any = point_of(cell, now, state)
        reservoir = self._by_cell.get(cell) if self._by_cell else None
        if reservoir is not None:
            vars(point)["exemplars"] = reservoir.collected(cell.attributes)
        return point

    def fresh(self) -> list[tuple[Cell, list[Exemplar]]]:
        """Return the exemplars of each series that has any, and start from nothing."""
        every = [
            (cell, reservoir.collected(cell.attributes))
            for cell, reservoir in tuple(self._by_cell.copy().items())
        ]
        return [each for each in every if each[1]]

    def taken(self) -> list[tuple[Cell, Taken]]:
        """Return what was kept of each series, and start from nothing."""
        every = [(cell, each.taken()) for cell, each in tuple(self._by_cell.copy().items())]
        return [each for each in every if each[1]]

    def retain(self, cells: Iterable[Cell]) -> None:
        """Forget the exemplars of all series but these."""
        if self._by_cell:
            with self._lock:
                known = self._by_cell
                self._by_cell = {cell: known[cell] for cell in cells if cell in known}

    def forget(self, cell: Cell) -> None:
        """Forget a series' exemplars."""
        self._by_cell.pop(cell, None)


class _Foreign:
    """A reservoir that is not ours, asked the SDK's way."""

    __slots__ = ("_cell", "_reservoir")

    def __init__(self, cell: Cell, make: Any) -> None:  # noqa: ANN401 - the SDK's own
        self._cell = cell
        settings = {"boundaries": cell.bounds} if isinstance(cell, HistogramCell) else {}
        self._reservoir = make(**settings)

    def offer(self, measurement: sdk.Measurement) -> None:
        """Offer a measurement."""
        self._reservoir.offer(
            measurement.value,
            measurement.time_unix_nano,
            measurement.attributes,
            measurement.context,
        )

    def keep(self, sample: Sample) -> None:
        """Offer a sample of the current context."""
        value, time, _, attributes = sample
        given = self._cell.attributes if attributes is None else attributes
        self._reservoir.offer(value, time, given, get_current())

    def collected(self, attributes: Mapping[str, Any]) -> list[Exemplar]:
        """Return the exemplars there are."""
        found: list[Exemplar] = self._reservoir.collect(attributes)
        return found

    def taken(self) -> list[Exemplar]:
        """Return the exemplars there are: of what, only it knows."""
        return self.collected(self._cell.attributes)
