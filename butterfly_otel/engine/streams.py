"""Streams: the SDK's view-instrument match, with cells in place of aggregations.

One :class:`CellStream` stands for one View of one instrument in one reader, as in the SDK, so
temporality, aggregation and cardinality limit may differ between readers. The SDK's own
collection runs over it unchanged.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import (
    ATOMIC,
    Cell,
    CounterCell,
    HistogramCell,
    LastValueCell,
    MinMaxHistogramCell,
    SumCell,
)
from butterfly_otel.engine.expiry import Expiry, MarkedLastValueCell
from butterfly_otel.engine.points import CellPoints, point_of, points_of
from butterfly_otel.engine.shapes import Shape, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.metrics.export import AggregationTemporality

    from butterfly_otel.engine.instruments import CellInstrument
    from butterfly_otel.engine.storage import CellReaderStorage

_OVERFLOW = {"otel.metric.overflow": True}


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
    """The series of one View of one instrument in one reader. Thread-safe.

    Attributes:
        owner: The instrument.
        storage: Everything of its reader.
        enlisted: Whether the storage collects it: from the first measurement on.
        bounds: Bucket boundaries of a histogram.
        shape: The attribute keys of most series; None until the first that has any.
        table: The live cells by their keys, in the order in which the series began. Keys are
            those of ``shape`` or, where a series has another one, the SDK's.
        epoch: Changes whenever series were removed, by which caches of ``table`` know.
        sampled: Whether any of its cells may hold exemplars.
        direct: Whether this is the instrument's only stream, so that its cells may be
            measured without asking the instrument.
    """

    def __init__(
        self,
        owner: CellInstrument,
        storage: CellReaderStorage,
        made: type[Cell],
        time_to_live: float | None = None,
        **settings: Any,  # noqa: ANN401 - the SDK's
    ) -> None:
        super().__init__(instrument=owner, **settings)  # type: ignore[arg-type]
        self.owner = owner
        self.storage = storage
        self.enlisted = False
        self.bounds: tuple[float, ...] = getattr(cast("Any", self._aggregation), "_boundaries", ())
        self.shape: Shape | None = None
        self.table: dict[Any, Cell] = {}
        self.epoch = 0
        self._removed = False
        self.sampled = False
        self.direct = False
        self._made = made
        self._expiry = None
        if time_to_live is not None and not self._reset_on_collect:
            self._expiry = Expiry(time_to_live)
            self._made = MarkedLastValueCell if made is LastValueCell else made

    def cell(self, attributes: Mapping[str, Any]) -> Cell:
        """Return the cell for cleaned measurement attributes; a dormant one where it is new."""
        kept = sdk.kept_attributes(self, attributes)
        shape = self.shape
        if shape is None and kept and plain(kept):
            with self._lock:
                shape = self.shape = self.shape or Shape(tuple(kept))
        key = None if shape is None else shape.key(kept)
        if key is not None:
            return self.table.get(key) or self._made(self, key, None)
        key = sdk.hash_attributes(kept)
        return self.table.get(key) or self._made(self, key, dict(kept))

    def attributes_of(self, key: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Return the attributes that a key of the stream's shape stands for."""
        return {} if self.shape is None else self.shape.attributes(key)

    @property
    def full(self) -> bool:
        """Whether new series end in the overflow point."""
        return len(self.table) >= self._cardinality_limit

    def update(self, cell: Cell, amount: float) -> Cell:
        """Take a checked value; return the cell that has it.

        Under the lock, so that no collection comes between finding the live cell and
        changing it.
        """
        if not self.enlisted:
            # Before the lock: a collection takes the storage's lock first, then this one.
            self.storage.enlist(self.owner)
        with self._lock:
            live = cell if cell.live else self._awake(cell)
            live.update(amount)
            return live

    def _awake(self, cell: Cell) -> Cell:
        """Return the live cell for a dormant one: itself, its twin, or the overflow cell."""
        table = self.table
        existing = table.get(cell.key)
        if existing is not None:
            return existing
        overflow = table.get(sdk.OVERFLOW_KEY)
        # To the SDK the overflow point takes a place like any other; once series have been
        # removed, which it knows nothing of, that place must not keep new ones out.
        aside = overflow is not None and self._removed
        if len(table) - aside >= self._cardinality_limit:
            if overflow is not None:
                return overflow
            cell = self._made(self, sdk.OVERFLOW_KEY, dict(_OVERFLOW))
        if cell.start:
            cell.reset()
        cell.start = self._previous_collection_start_nanos or time_ns()
        table[cell.key] = cell
        cell.live = True
        cell.ready = self.open
        return cell

    def slow(self, cell: Cell, amount: float) -> None:
        """Take a measurement that a cell's ``record`` had no quick answer to."""
        if self.direct:
            self.owner.measure((cell,), amount, cell.labels())
        else:
            self.owner.find(cell.labels()).record(amount)

    @property
    def open(self) -> bool:
        """Whether live cells may be measured without a lock.

        Cells of an unusual View, such as a histogram of what may be negative, check values
        otherwise than their instrument does.
        """
        return (
            self.direct
            and not self._reset_on_collect
            and self._made.non_negative == self.owner.non_negative
            and ATOMIC
        )

    def make_direct(self, *, direct: bool) -> None:
        """Let live cells be measured without asking the instrument, or not any more."""
        with self._lock:
            self.direct = direct
            ready = self.open
            for cell in self.table.values():
                cell.ready = ready

    def consume_measurement(
        self,
        measurement: sdk.Measurement,
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Take a measurement the SDK's own way."""
        cell = self.update(self.cell(measurement.attributes or {}), measurement.value)
        if should_sample_exemplar:
            self.offer(cell, measurement)

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to the cell's exemplar reservoir."""
        if cell.reservoir is None:
            make: Any = self._view._exemplar_reservoir_factory(type(cast("Any", self._aggregation)))  # noqa: SLF001
            bucketed = isinstance(cell, HistogramCell)
            made = partial(make, boundaries=self.bounds) if bucketed else make
            with self._lock:
                self.sampled = True
                if cell.reservoir is None:
                    cell.reservoir = made()
        cell.reservoir.offer(
            measurement.value,
            measurement.time_unix_nano,
            measurement.attributes,
            measurement.context,
        )

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points of this collection, None where there are none."""
        del collection_aggregation_temporality  # known since the stream was made
        with self._lock:
            if self._reset_on_collect:
                return self._collect_delta(collection_start_nanos) or None
            if self._expiry is not None:
                for cell in self._expiry.expired(self.table.values(), collection_start_nanos):
                    self._end(cell)
            cells = list(self.table.values())
        if self.storage.reads_cells and not self.sampled:
            return CellPoints(self, cells, collection_start_nanos) if cells else None
        return points_of(cells, collection_start_nanos) or None

    def _collect_delta(self, now: int) -> list[Any]:
        live, self.table = self.table, {}
        self._previous_collection_start_nanos = now
        points: list[Any] = []
        for cell in live.values():
            cell.live = False
            points.append(point_of(cell, now, cell.take()))
        return points

    def remove(self, doomed: Callable[[Mapping[str, Any]], bool]) -> None:
        """End the series whose attributes are doomed; deltas are exported once more."""
        if self._reset_on_collect:
            return
        with self._lock:
            for cell in [each for each in self.table.values() if doomed(each.labels())]:
                self._end(cell)

    def _end(self, cell: Cell) -> None:
        """Take a live cell out of the table; needs the lock."""
        self.epoch += 1
        self._removed = True
        del self.table[cell.key]
        self._forget(cell)

    def restart(self) -> None:
        """Forget everything, in a forked child, where the lock may be held by no one."""
        self._lock = Lock()
        cells = list(self.table.values())
        # In place: the instrument looks cells up in it.
        self.table.clear()
        self.epoch += 1
        self._previous_collection_start_nanos = None
        for cell in cells:
            cell.renew_lock()
            self._forget(cell)

    @staticmethod
    def _forget(cell: Cell) -> None:
        # Its value stays for who is just reading it, and goes when it comes to life again.
        cell.live = cell.ready = False
        cell.reservoir = None
