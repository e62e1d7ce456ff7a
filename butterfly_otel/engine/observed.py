"""What callbacks observe: the streams of observable instruments.

Cumulative sums and last values, which is nearly everything, are held in cells: what is
observed again and again is found by its label values, and a scrape reads it as it reads what
is measured by calls. Deltas go the SDK's own way.

Observations of one reader come one after the other: the SDK collects under a lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import Cell, SumCell
from butterfly_otel.engine.points import CellPoints
from butterfly_otel.engine.reservoirs import Reservoirs
from butterfly_otel.engine.shapes import Keyed
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.metrics.export import AggregationTemporality


class Storage(Protocol):
    """What a stream needs of its reader's storage."""

    reads_cells: bool


class ObservedTable(Keyed):
    """The cells of one observable instrument under one View in one reader.

    A set of attributes that is not observed any more is not exported, and gives its place to
    a new one when there is no other. A cell is ``ready`` here once it was observed in the
    round of callbacks that is going on, and ``live`` while it is exported.

    Attributes:
        epoch: Changes whenever what is exported is not what it was and more.
        bounds: None: nothing observed is a histogram.
        non_negative: Likewise of no meaning here.
        merged: Whether two observations of a round ever were one series. Then its value is
            not the whole while callbacks run.
    """

    bounds: tuple[float, ...] = ()
    non_negative = False

    def __init__(self, made: type[Cell], limit: int) -> None:
        self.epoch = 0
        self.merged = False
        self._cells: dict[Any, Cell] = {}
        self._made = made
        self._limit = limit
        self._exported: list[Cell] = []

    def observe(self, kept: Mapping[str, Any], value: float) -> Cell | None:
        """Take an observation; return its cell, None where it has to wait for a place."""
        key, attributes = self.identify(kept)
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= self._limit:
                return None
            cell = self._add(key, attributes)
        self._set(cell, value)
        return cell

    def place(self, waiting: Sequence[tuple[Mapping[str, Any], float]]) -> list[Cell]:
        """Give what waits the places of sets that are gone, or else the overflow point."""
        identities = [self.identify(kept) for kept, _ in waiting]
        # Sets that have a place first: they are not gone.
        known = [key in self._cells for key, _ in identities]
        found: dict[int, Cell] = {}
        for index, (_, value) in enumerate(waiting):
            if known[index]:
                found[index] = self._cells[identities[index][0]]
                self._set(found[index], value)
        free = [
            key for key, cell in self._cells.items() if not cell.ready and key != sdk.OVERFLOW_KEY
        ]
        for index, (_, value) in enumerate(waiting):
            if known[index]:
                continue
            key, own = identities[index]
            if key not in self._cells and free:
                del self._cells[free.pop(0)]
                self._add(key, own)
            elif key not in self._cells:
                key = sdk.OVERFLOW_KEY
                if key not in self._cells:
                    self._add(key, sdk.OVERFLOW_ATTRIBUTES)
            found[index] = self._cells[key]
            self._set(found[index], value)
        return [found[index] for index in range(len(waiting))]

    def finish(self) -> list[Cell]:
        """End a round; return the cells that were observed in it."""
        exported = [cell for cell in self._cells.values() if cell.ready]
        before = self._exported
        if exported[: len(before)] != before:
            self.epoch += 1
            for cell in before:
                cell.live = False
        for cell in exported:
            cell.ready = False
            cell.live = True
        self._exported = exported
        return exported

    def restart(self, now: int) -> None:
        """Let totals go on from now, in a forked child."""
        for cell in self._cells.values():
            cell.start = now
            cell.ready = False

    def _add(self, key: Any, attributes: Mapping[str, Any] | None) -> Cell:  # noqa: ANN401
        kept = None if attributes is None else dict(attributes)
        cell = self._cells[key] = self._made(cast("Any", self), key, kept)
        cell.start = timing.time_ns()
        return cell

    def _set(self, cell: Cell, value: float) -> None:
        if not isinstance(cell, SumCell):
            cell.update(value)
        elif cell.ready:
            self.merged = True
            cell.value += value
        else:
            # As the SDK's sum, which begins with 0: that of -0.0 is 0.0.
            cell.value = 0 + value
        cell.ready = True


class ObservedStream(sdk.ViewInstrumentMatch):
    """The stream of an observable instrument for a cumulative reader."""

    def __init__(self, storage: Storage, made: type[Cell], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._storage = storage
        self._table = ObservedTable(made, self._cardinality_limit)
        self._reservoirs = Reservoirs(self)
        # Observations that found no place; which sets are gone is known only once all
        # callbacks have been asked.
        self._waiting: list[tuple[sdk.Measurement, bool]] = []

    def consume_measurement(
        self,
        measurement: sdk.Measurement,
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Take an observation, or let it wait for a place."""
        cell = self._table.observe(self._kept(measurement), measurement.value)
        if cell is None:
            self._waiting.append((measurement, should_sample_exemplar))
        elif should_sample_exemplar:
            self._reservoirs.offer(cell, measurement)

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points of what was observed, None where there are none."""
        del collection_aggregation_temporality  # known since the stream was made
        table = self._table
        waiting, self._waiting = self._waiting, []
        if waiting:
            placed = table.place([(self._kept(each), each.value) for each, _ in waiting])
            for cell, (measurement, sampled) in zip(placed, waiting, strict=True):
                if sampled:
                    self._reservoirs.offer(cell, measurement)
        cells = table.finish()
        # Sets that are gone may have given their places away, and would stay there for ever.
        self._reservoirs.retain(cells)
        if self._storage.reads_cells and not self._reservoirs and not table.merged:
            now = collection_start_nanos
            return CellPoints(table, cells, table.epoch, now) if cells else None
        states = ((cell, cell.read()) for cell in cells)
        return [
            self._reservoirs.point(cell, collection_start_nanos, state) for cell, state in states
        ] or None

    def restart(self, now: int) -> None:
        """Go on in a forked child, from now."""
        self._waiting = []
        self._reservoirs = Reservoirs(self)
        self._table.restart(now)

    def _kept(self, measurement: sdk.Measurement) -> Mapping[str, Any]:
        return sdk.kept_attributes(self._view, measurement.attributes or {})


class ObservedDeltas(sdk.ViewInstrumentMatch):
    """The SDK's stream of an observable instrument, for deltas, without its defect under churn.

    The SDK keeps every attribute set it has ever seen, so where they come and go the limit is
    soon reached by sets that are gone, and all live ones collapse into the overflow point.
    Here a set that is not observed any more gives its place to a new one.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._idle: set[Any] = set()
        # Observations that found no place; which sets are gone is known only once all
        # callbacks have been asked.
        self._waiting: list[tuple[sdk.Measurement, bool]] = []

    def consume_measurement(
        self,
        measurement: sdk.Measurement,
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Take an observation, or let it wait for a place."""
        with self._lock:
            if len(cast("dict[Any, Any]", self._attributes_aggregation)) >= self._cardinality_limit:
                self._waiting.append((measurement, should_sample_exemplar))
                return
        super().consume_measurement(measurement, should_sample_exemplar)

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points, after giving the places of sets that are gone to new ones."""
        waiting, self._waiting = self._waiting, []
        series = cast("dict[Any, Any]", self._attributes_aggregation)
        # Sets that have a place first: they are not gone.
        waiting.sort(key=lambda each: self._key(each[0]) not in series)
        known = [each for each in waiting if self._key(each[0]) in series]
        for measurement, sampled in known:
            super().consume_measurement(measurement, sampled)
        gone = [
            key
            for key, each in series.items()
            if each._value is None and key != sdk.OVERFLOW_KEY  # noqa: SLF001
        ]
        self._idle, idle = set(gone), self._idle
        # A delta needs the last value to subtract, so a set must have been missing for a whole
        # collection before.
        free = [key for key in gone if key in idle]
        for measurement, sampled in waiting[len(known) :]:
            if free and self._key(measurement) not in series:
                # The overflow point stands aside: to the SDK it takes a place as well.
                del series[free.pop(0)]
                overflow = series.pop(sdk.OVERFLOW_KEY, None)
                super().consume_measurement(measurement, sampled)
                if overflow is not None:
                    series[sdk.OVERFLOW_KEY] = overflow
                continue
            super().consume_measurement(measurement, sampled)
        return super().collect(collection_aggregation_temporality, collection_start_nanos)

    def _key(self, measurement: sdk.Measurement) -> Any:  # noqa: ANN401
        return sdk.identity(self, measurement.attributes or {})
