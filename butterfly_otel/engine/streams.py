"""Streams: the SDK's view-instrument match, with cells in place of aggregations.

One :class:`CellStream` stands for one View of one instrument in one reader, as in the SDK, so
temporality, aggregation and cardinality limit may differ between readers. The SDK's own
collection runs over it unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import (
    Cell,
    CounterCell,
    LastValueCell,
    SumCell,
)
from butterfly_otel.engine.histograms import HistogramCell, MinMaxHistogramCell
from butterfly_otel.engine.neighbours import Kind
from butterfly_otel.engine.points import CellPoints
from butterfly_otel.engine.reservoirs import Reservoirs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import AggregationTemporality

    from butterfly_otel.engine.cells import Sample
    from butterfly_otel.engine.table import Table


class Owner(Protocol):
    """What a stream needs of its instrument."""

    def table_for(self, stream: CellStream, kind: Kind) -> Table:
        """Return the table of a reader's new stream, which others may share."""
        ...


class Storage(Protocol):
    """What a stream needs of its reader's storage."""

    reads_cells: bool

    def enlist(self, instrument: Any) -> None:  # noqa: ANN401 - as it was made for
        """Collect an instrument from now on."""
        ...


def cell_class(aggregation: Any, *, non_negative: bool) -> type[Cell] | None:  # noqa: ANN401
    """Return the cell that aggregates exactly as the SDK's aggregation does, if there is one."""
    # Exactly these: what is derived from one of them may do anything.
    kind = cast("type[object]", type(aggregation))
    if kind is sdk.SumAggregation:
        return CounterCell if non_negative else SumCell
    if kind is sdk.LastValueAggregation:
        return LastValueCell
    if kind is sdk.HistogramAggregation:
        return MinMaxHistogramCell if aggregation._record_min_max else HistogramCell  # noqa: SLF001
    return None


class CellStream(sdk.ViewInstrumentMatch):
    """What one reader has of one View of one instrument. Thread-safe.

    Attributes:
        table: The series, which other readers may share.
    """

    def __init__(
        self,
        owner: Owner,
        storage: Storage,
        made: type[Cell],
        time_to_live: float | None = None,
        **settings: Any,  # noqa: ANN401 - the SDK's
    ) -> None:
        super().__init__(instrument=owner, **settings)  # type: ignore[arg-type]
        self._owner = owner
        self._storage = storage
        self._reservoirs = Reservoirs(self)
        kind = Kind(
            view=self._view,
            made=made,
            bounds=getattr(cast("Any", self._aggregation), "_boundaries", ()),
            limit=self._cardinality_limit,
            cumulative=not self._reset_on_collect,
            time_to_live=time_to_live,
        )
        self.table = owner.table_for(self, kind)

    @property
    def previous_collection(self) -> int | None:
        """When a delta was last collected, in nanoseconds since the epoch."""
        return self._previous_collection_start_nanos

    def enlist(self) -> None:
        """Let the reader collect the instrument from now on."""
        self._storage.enlist(self._owner)

    def consume_measurement(
        self,
        measurement: sdk.Measurement,
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Take a measurement the SDK's own way, which asks every reader in turn."""
        table = self.table
        cell = table.cell(measurement.attributes or {})
        if table.leads(self):
            cell = table.update(cell, measurement.value)
        if should_sample_exemplar:
            self.offer(cell, measurement)

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to the cell's exemplar reservoir."""
        self._reservoirs.offer(cell, measurement)

    def keeper(self, cell: Cell) -> Callable[[Sample], None]:
        """Return what offers a sample of the current context to the cell's reservoir."""
        return self._reservoirs.of(cell).keep

    def forget(self, cell: Cell) -> None:
        """Forget a series' exemplars."""
        self._reservoirs.forget(cell)

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points of this collection, None where there are none."""
        del collection_aggregation_temporality  # known since the stream was made
        now = collection_start_nanos
        if self._reset_on_collect:
            drained = self.table.drain()
            self._previous_collection_start_nanos = now
            # The series end here, and with them, as in the SDK, their reservoirs.
            reservoirs, self._reservoirs = self._reservoirs, Reservoirs(self)
            return [reservoirs.point(cell, now, state) for cell, state in drained] or None
        cells, epoch = self.table.living(collected=True)
        if self._storage.reads_cells:
            return CellPoints(self.table, cells, epoch, now, self._reservoirs) if cells else None
        states = ((cell, cell.read()) for cell in cells)
        points = [
            self._reservoirs.point(cell, now, state) for cell, state in states if state is not None
        ]
        return points or None

    def restart(self) -> None:
        """Forget everything, in a forked child, where the lock may be held by no one."""
        self._previous_collection_start_nanos = None
        self._reservoirs = Reservoirs(self)
        self.table.restart()
