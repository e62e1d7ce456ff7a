"""Where a measurement goes: how its attributes find their cell."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is in a plain dict of the caller's, no type checker can tell.

from __future__ import annotations

import logging
from collections.abc import Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import Cell
from butterfly_otel.engine.cleaning import Reports, clean, mended
from butterfly_otel.engine.fanout import FanOut
from butterfly_otel.engine.narrowed import Narrowed
from butterfly_otel.engine.streams import CellStream
from butterfly_otel.engine.table import Table
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.process.remembered import Remembering
from butterfly_otel.process.values import HIGHEST, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.util.types import Attributes

    from butterfly_otel.engine.neighbours import Kind

    Target: TypeAlias = "Cell | FanOut"

_logger = logging.getLogger("butterfly_otel")

#: Remembered attribute combinations an instrument may have more than its streams have series.
_SPARE_TARGETS = 1024


class Streams(NamedTuple):
    """What there is to measure into, until readers change.

    Attributes:
        generation: The instrument's, of which this is.
        tables: The tables of cells.
        others: The streams that the stock SDK aggregates.
        single: Whether there is exactly one table and nothing else to do.
    """

    generation: object
    tables: tuple[Table, ...]
    others: tuple[sdk.ViewInstrumentMatch, ...]
    single: bool


class Finding(Remembering["Target"]):
    """What finds the target of a measurement of one instrument. Thread-safe.

    What a measurement looks at is in slots, which CPython reads faster than an instance's
    dictionary.

    Attributes:
        non_negative: Whether negative values are refused.
        in_line: The cells that may be measured in line, by this instrument, by what is bound to
            it, and by a handle of its kind.
        lowest: The smallest value that is not refused.
        unsampled: Whether only a measurement in a sampled span can become an exemplar.
        exemplary: Whether any measurement can.
        generation: Replaced whenever readers change; what was looked up before is stale then.
        on_invalid: Told the reason and the value of each measurement that is refused.
    """

    __slots__ = (
        "_direct",
        "_logged",
        "_reports",
        "_streams",
        "_switch",
        "_tables",
        "exemplary",
        "generation",
        "lowest",
        "on_invalid",
        "unsampled",
    )

    non_negative = False
    in_line: ClassVar[type[Cell]]
    _measurement_consumer: Any

    def prepare(self) -> None:
        """Start with nothing looked up; called once, when the SDK's part is there."""
        self.lowest = 0.0 if self.non_negative else -HIGHEST
        self.unsampled: bool = not self._measurement_consumer.samples_always
        self.exemplary: bool = not self._measurement_consumer.samples_never
        self.generation = object()
        self.on_invalid: Callable[[str, object], None] | None = None
        self._logged: set[str] = set()
        self._reports = Reports(cast("Any", self).name)
        self._switch = RLock()
        # The one table whose cells may be measured without asking the instrument.
        self._direct: Table | None = None
        # What there is to measure into, of which generation.
        self._streams: Streams | None = None
        # Tables that may still be shared.
        self._tables: list[Table] = []
        self._forget(_SPARE_TARGETS)

    def _is_enabled(self) -> bool:
        # The SDK's own answer comes before this one, from 1.41 on, where it has one.
        return True

    def refresh(self) -> None:
        """Look everything up again: readers were added or removed, or the meter switched."""
        with self._switch:
            # Those of readers that have gone would stay with all their series.
            self._tables = [each for each in self._tables if each.shareable]
            while True:
                self.generation = object()
                self._streams = None
                self._forget(_SPARE_TARGETS)
                direct, self._direct = self._direct, None
                if direct is None:
                    break
                # Whoever still holds one of its cells is sent back here. Once more from the
                # start: a finalizer may have looked up what is stale now.
                direct.make_direct(direct=False)

    def renew_lock(self) -> None:
        """Forget who held the lock, in a forked child."""
        self._switch = RLock()

    def target(self, attributes: Attributes) -> Target:
        """Return where measurements with these attributes go, for who keeps it."""
        return self._look(clean(attributes), attributes)[0]

    def lead(self, attributes: dict[str, Any], *, passing: bool = False) -> Target:
        """Return where measurements go whose attributes need no cleaning and won't change.

        Args:
            attributes: Non-empty strings for keys, and strings for values.
            passing: Whether it is for one measurement, and not to be kept.
        """
        return self._look(attributes, passing=passing)[0]

    def _look(
        self,
        cleaned: Any,  # noqa: ANN401
        attributes: Any = None,  # noqa: ANN401
        *,
        passing: bool = False,
    ) -> tuple[Target, bool]:
        """Return where measurements go, and whether that lasts.

        Args:
            cleaned: Their attributes; None where the SDK has to clean them.
            attributes: Likewise, as they were given.
            passing: Whether it is for one measurement: then it may be the overflow point.
        """
        if cleaned is None:
            cleaned = mended(attributes, self._reports)
        streams = self._streams or self._look_for_streams()
        # The whole of it: what is measured slowly comes back to it.
        owner = cast("Any", self)
        if streams.single and not passing:
            [table] = streams.tables
            kept = table.kept(cleaned)
            if len(kept) == len(cleaned):
                return table.cell_of(kept), True
        cells = [table.cell(cleaned, passing=passing) for table in streams.tables]
        lasts = not passing or not any(cell.key is sdk.OVERFLOW_KEY for cell in cells)
        if not streams.single:
            return FanOut(
                cast("Any", self), streams.generation, cleaned, cells, streams.others
            ), lasts
        if lasts and len(streams.tables[0].kept(cleaned)) == len(cleaned):
            return cells[0], lasts
        # What the series does not have is exemplars' to tell.
        return Narrowed(owner, streams.generation, cleaned, cells, ()), lasts

    def _look_for_streams(self) -> Streams:
        generation = self.generation
        matches = self._matches(create=True)
        tables = dict.fromkeys(each.table for each in matches if isinstance(each, CellStream))
        others = tuple(
            each
            for each in matches
            if not isinstance(each, CellStream)
            and not isinstance(each._aggregation, sdk.DropAggregationState)  # noqa: SLF001
        )
        limits = [each._cardinality_limit for each in matches]  # noqa: SLF001
        most = 2 * max(limits, default=0) + _SPARE_TARGETS
        single = len(tables) == 1 and not others and self.unsampled
        found = Streams(generation, tuple(tables), others, single)
        with self._switch:
            # Else readers have changed meanwhile: what was found is stale, and finds out.
            if generation is self.generation and self._streams is not None:
                # Somebody was first, and what is remembered is of that.
                return self._streams
            if generation is self.generation:
                if single:
                    [direct] = tables
                    # In this order: a cell that is found but not direct asks here again.
                    direct.make_direct(direct=True)
                    self._direct = direct
                self._streams = found
                self._forget(most)
        return found

    def table_for(self, stream: CellStream, kind: Kind) -> Table:
        """Return the table of a reader's new stream: a shared one, if that may be."""
        for table in self._tables:
            if table.join(stream, kind):
                return table
        table = Table(cast("Any", self), kind)
        table.join(stream, kind)
        self._tables = [*(each for each in self._tables if each.shareable), table]
        return table

    def find(self, attributes: Attributes) -> Target:
        """Return where one measurement with these attributes goes, remembered or looked up.

        Never raises because of what it is passed.
        """
        given: Any = attributes
        try:
            width, values, table = self._lookup
            if type(given) is dict and len(cast("dict[str, object]", given)) == width:
                cell: Cell = table[values(given)]
                return cell
        except Exception:  # noqa: BLE001 - not in the table, or values that do anything
            return self.recall(attributes)
        return self.recall(attributes)

    def _find_anew(self, attributes: Any) -> Target:  # noqa: ANN401 - of the caller's
        try:
            return self._found(attributes)
        except Exception as error:  # noqa: BLE001 - a mapping of the caller's own may do anything
            if "attributes" not in self._logged:
                self._logged.add("attributes")
                name = cast("Any", self).name
                _logger.warning(
                    "%s: ignored attributes that can't be read: %s (logged once)",
                    name,
                    shown(error),
                )
            # As the SDK takes what is no mapping at all.
            return self._bare if hasattr(self, "_bare") else self._found(None)

    def _found(self, given: Any) -> Target:  # noqa: ANN401 - of the caller's
        """Look up what is not remembered, or can't be without a closer look."""
        # First: what is found of a generation that is over must not be remembered in the next.
        generation, attributes = self.generation, given
        cleaned = clean(given)
        if cleaned is None and given and isinstance(given, Mapping):
            attributes = dict(cast("Mapping[str, Any]", given).items())
            if type(given) is not dict:
                # Now a dict, like any other.
                return self.find(attributes)
        target, lasts = self._look(cleaned, attributes, passing=True)
        # The overflow point costs no memory for what it takes.
        if lasts and (attributes is None or type(attributes) is dict):
            with self._switch:
                if generation is self.generation:
                    self._remember(attributes, target)
        return target

    def _look_up(self, attributes: dict[str, Any], found: Target) -> bool:
        """Let the cells themselves be looked up, where they are what is measured into."""
        direct = self._direct
        if (
            direct is None
            or not direct.lasting
            or direct.shape is None
            or not isinstance(found, Cell)
            or self._shape not in (None, direct.shape)
        ):
            # What is no cell has no place among cells: readers may just be changing.
            among_cells = direct is not None and self._lookup[2] is direct.cells
            return not among_cells and super()._look_up(attributes, found)
        shape = self._shape = direct.shape
        self._lookup = (shape.width, shape.values, direct.cells)
        return shape.key(attributes) is not None

    def _matches(self, *, create: bool) -> Iterable[sdk.ViewInstrumentMatch]:
        consumer = self._measurement_consumer
        if not self._is_enabled():
            return []
        return [
            match
            for storage in consumer.storages()
            for match in storage.matches(self, create=create)
        ]
