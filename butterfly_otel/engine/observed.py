"""What callbacks observe: the streams of observable instruments.

Sums and last values, which is nearly everything, are held in cells: what is observed again and
again is found by its label values, and a scrape reads it as it reads what is measured by calls.

A collection is a round: all callbacks are asked, then what they observed is taken as a whole.
Whatever belongs to a round is made at its beginning, since a round may end anywhere: by a
timeout, or by what a callback raises. Observations of one reader come one after the other:
collecting is one thread's at a time.
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
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.export import AggregationTemporality

    #: A value that has been checked, cleaned attributes, and the callback's context, if any.
    Observed = tuple[float, Mapping[str, Any], Context | None]


class Sample(Protocol):
    """Asks the exemplar filter about observations.

    Attributes:
        idle: Whether it says no to all that come without a context of their own.
    """

    idle: bool

    def __call__(self, observed: Observed, /) -> sdk.Measurement | None:
        """Make a measurement of what was observed; None where it can't become an exemplar."""
        ...


class Storage(Protocol):
    """What a stream needs of its reader's storage."""

    reads_cells: bool


class ObservedTable(Keyed):
    """The cells of one observable instrument under one View in one reader.

    A set of attributes that is not observed any more is not exported, and gives its place to
    a new one when there is no other. A cell is ``live`` while it is exported.

    Attributes:
        epoch: Changes whenever what is exported is not what it was and more.
        bounds: None: nothing observed is a histogram.
        non_negative: Likewise of no meaning here.
        limit: How many sets of attributes have a place.
        evicted: The cells that gave their places away in this round.
    """

    bounds: tuple[float, ...] = ()
    non_negative = False

    def __init__(self, made: type[Cell], limit: int) -> None:
        self.epoch = 0
        self.evicted: list[Cell] = []
        self._cells: dict[Any, Cell] = {}
        self._made = made
        self._adds = issubclass(made, SumCell)
        self.limit = limit
        self._exported: list[Cell] = []
        # What this round has observed. Not in the cells: those are read meanwhile.
        self._values: dict[Cell, float] = {}

    def begin(self) -> None:
        """Begin a round, however the last one ended."""
        self._values = {}
        self.evicted = []

    def observe(self, kept: Mapping[str, Any], value: float) -> Cell | None:
        """Take an observation; return its cell, None where it has to wait for a place."""
        key, attributes = self.identify(kept)
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= self.limit:
                return None
            cell = self._add(key, attributes)
        self.take(cell, value)
        return cell

    def take(self, cell: Cell, value: float) -> None:
        """Take an observation of a known cell: what is one series is added, or the last one."""
        if self._adds:
            # As the SDK's sum, which begins with 0: that of -0.0 is 0.0.
            value = self._values.get(cell, 0) + value
        self._values[cell] = value

    def again(self, cell: Cell, value: float) -> bool:
        """Take an observation of a cell found earlier; False where it has lost its place."""
        if self._cells.get(cell.key) is not cell:
            return False
        # As `take`, but for a call.
        if self._adds:
            value = self._values.get(cell, 0) + value
        self._values[cell] = value
        return True

    def place(self, waiting: Sequence[tuple[Mapping[str, Any], float]]) -> list[Cell]:
        """Give what waits the places of sets that are gone, or else the overflow point."""
        identities = [self.identify(kept) for kept, _ in waiting]
        # Sets that have a place first: they are not gone.
        known = [key in self._cells for key, _ in identities]
        found: dict[int, Cell] = {}
        for index, (_, value) in enumerate(waiting):
            if known[index]:
                found[index] = self._cells[identities[index][0]]
                self.take(found[index], value)
        free = [
            key
            for key, cell in self._cells.items()
            if cell not in self._values and key != sdk.OVERFLOW_KEY
        ]
        for index, (_, value) in enumerate(waiting):
            if known[index]:
                continue
            key, own = identities[index]
            if key not in self._cells and free:
                self.evicted.append(self._cells.pop(free.pop(0)))
                self._add(key, own)
            elif key not in self._cells:
                key = sdk.OVERFLOW_KEY
                if key not in self._cells:
                    self._add(key, sdk.OVERFLOW_ATTRIBUTES)
            found[index] = self._cells[key]
            self.take(found[index], value)
        return [found[index] for index in range(len(waiting))]

    def finish(self) -> list[Cell]:
        """End a round; return the cells that were observed in it, in the order they began."""
        values = self._values
        before = self._exported
        exported = list(values)
        if exported != before:
            exported = [cell for cell in self._cells.values() if cell in values]
            if exported[: len(before)] != before:
                self.epoch += 1
                for cell in before:
                    cell.live = False
            for cell in exported:
                cell.live = True
            self._exported = exported
        for cell, value in values.items():
            cast("Any", cell).value = value
        return exported

    def restart(self, now: int) -> None:
        """Let totals go on from now, in a forked child."""
        for cell in self._cells.values():
            cell.start = now

    def _add(self, key: Any, attributes: Mapping[str, Any] | None) -> Cell:  # noqa: ANN401
        kept = None if attributes is None else dict(attributes)
        cell = self._cells[key] = self._made(cast("Any", self), key, kept)
        cell.start = timing.time_ns()
        return cell


class ObservedStream(sdk.ViewInstrumentMatch):
    """The stream of an observable instrument for a cumulative reader."""

    def __init__(self, storage: Storage, made: type[Cell], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._storage = storage
        self._table = ObservedTable(made, self._cardinality_limit)
        self._reservoirs = Reservoirs(self)
        # Cells by the identity of attributes that never change, which are kept for that.
        self._known: dict[int, tuple[Mapping[str, Any], Cell]] = {}
        # Observations that found no place; which sets are gone is known only once all
        # callbacks have been asked.
        self._waiting: list[tuple[Observed, sdk.Measurement | None]] = []
        # It is made in the midst of a round.
        self._going_on = True

    def begin(self) -> None:
        """Begin a round, however the last one ended."""
        if self._going_on:
            # What was offered in a round that came to nothing belongs to no collection.
            self._reservoirs = Reservoirs(self)
        self._going_on = True
        self._waiting = []
        self._table.begin()

    def observe(self, observed: Iterable[Observed], sample: Sample, *, lasting: bool) -> None:
        """Take what callbacks observed.

        Args:
            observed: The observations.
            sample: Asks the exemplar filter.
            lasting: Whether equal attributes are the same mapping each time, which never changes.
        """
        table, known = self._table, self._known if lasting else {}
        again, idle = table.again, sample.idle
        for each in observed:
            value, attributes, context = each
            found = known.get(id(attributes))
            cell: Cell | None
            if found is not None and again(found[1], value):
                if idle and not context:
                    continue
                cell = found[1]
            else:
                cell = table.observe(sdk.kept_attributes(self._view, attributes), value)
                if cell is not None and lasting:
                    if len(known) > 2 * self._cardinality_limit:
                        known.clear()
                    known[id(attributes)] = attributes, cell
            measurement = sample(each)
            if cell is None:
                self._waiting.append((each, measurement))
            elif measurement is not None:
                self._reservoirs.offer(cell, measurement)

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points of what was observed, None where there are none."""
        del collection_aggregation_temporality  # known since the stream was made
        cells = self._finished()
        # Sets that are gone may have given their places away, and would stay there for ever.
        self._reservoirs.retain(cells)
        if self._storage.reads_cells:
            table, now, kept = self._table, collection_start_nanos, self._reservoirs
            return CellPoints(table, cells, table.epoch, now, kept) if cells else None
        states = ((cell, cell.read()) for cell in cells)
        return [
            self._reservoirs.point(cell, collection_start_nanos, state) for cell, state in states
        ] or None

    def restart(self, now: int) -> None:
        """Go on in a forked child, from now."""
        self._reservoirs = Reservoirs(self)
        self._going_on = False
        self.begin()
        self._table.restart(now)

    def _finished(self) -> list[Cell]:
        waiting, self._waiting = self._waiting, []
        if waiting:
            view = self._view
            kept = [(sdk.kept_attributes(view, each[1]), each[0]) for each, _ in waiting]
            for cell, (_, measurement) in zip(self._table.place(kept), waiting, strict=True):
                if measurement is not None:
                    self._reservoirs.offer(cell, measurement)
        self._going_on = False
        return self._table.finish()


class ObservedDeltas(ObservedStream):
    """The stream of an observable sum for a reader of deltas.

    The SDK keeps every attribute set it has ever seen, so where they come and go the limit is
    soon reached by sets that are gone, and all live ones collapse into the overflow point.
    Here a set that is not observed any more gives its place to a new one; the last total of
    as many as there are places is remembered beside them, should one be observed again.
    """

    def __init__(self, storage: Storage, made: type[Cell], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(storage, made, **settings)
        # The total that was exported last and when that was.
        self._last: dict[Cell, tuple[float, int]] = {}
        # The same of sets without a place, by their keys, the latest last.
        self._parted: dict[Any, tuple[float, int]] = {}

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return what was added since the last collection, None where nothing was observed."""
        del collection_aggregation_temporality  # known since the stream was made
        cells, now = self._finished(), collection_start_nanos
        self._part(self._table.evicted)
        points: list[Any] = []
        for cell in cells:
            last = self._last.get(cell) or self._parted.pop(cell.key, None) or (0, cell.start)
            total, cell.start = cell.read(), last[1]
            points.append(self._reservoirs.point(cell, now, total - last[0]))
            self._last[cell] = total, now
        self._reservoirs.retain(cells)
        while len(self._parted) > self._cardinality_limit:
            del self._parted[next(iter(self._parted))]
        return points or None

    def restart(self, now: int) -> None:
        """Go on in a forked child, from now."""
        super().restart(now)
        self._last = {cell: (total, now) for cell, (total, _) in self._last.items()}
        self._parted = {key: (total, now) for key, (total, _) in self._parted.items()}

    def _part(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            last = self._last.pop(cell, None)
            if last is not None:
                self._parted.pop(cell.key, None)
                self._parted[cell.key] = last
