"""What synchronous instruments share: how a measurement's attributes find their cell."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is in a plain dict of the caller's, no type checker can tell.

from __future__ import annotations

import logging
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast

from opentelemetry.context import get_current

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cleaning import Reports, exportable
from butterfly_otel.engine.fanout import FanOut
from butterfly_otel.engine.shapes import plain
from butterfly_otel.engine.streams import CellStream
from butterfly_otel.engine.table import Table
from butterfly_otel.process import timing, tracing
from butterfly_otel.process.values import HIGHEST, accepted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.util.types import Attributes

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.engine.neighbours import Kind

    Target: TypeAlias = "Cell | FanOut"

_logger = logging.getLogger("butterfly_otel")

#: Remembered attribute combinations an instrument may have more than its streams have series.
_SPARE_TARGETS = 1024

#: How many attributes make a look-up in the one stream's table, the values of which, and in what.
_Lookup: TypeAlias = "tuple[int, Callable[[Any], Any], dict[Any, Any]]"
#: No measurement has -1 attributes.
_NO_LOOKUP: Final[_Lookup] = (-1, len, {})


class CellInstrument:
    """What the four synchronous instruments share. Thread-safe.

    Mixed into the SDK's own instrument classes; made by :func:`adopt`. What a measurement
    looks at is in slots, which CPython reads faster than an instance's dictionary.

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
        "_lookup",
        "_reports",
        "_switch",
        "_tables",
        "_targets",
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
        # How to look up in it. Replaced as a whole: whoever measures takes no lock.
        self._lookup: _Lookup = _NO_LOOKUP
        # What is not looked up there: attribute keys and values, flat, to the target; only
        # combinations of exact strings, and no attributes at all.
        self._targets: dict[tuple[Any, ...], Target] = {}
        # Tables that may still be shared.
        self._tables: list[Table] = []

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
                self._lookup = _NO_LOOKUP
                self._targets = {}
                direct, self._direct = self._direct, None
                if direct is None:
                    break
                # Whoever still holds one of its cells is sent back here. Once more from the
                # start: a finalizer may have looked up what is stale now.
                direct.make_direct(direct=False)

    def renew_lock(self) -> None:
        """Forget who held the lock, in a forked child."""
        self._switch = RLock()

    def target(self, attributes: Attributes, *, remembered: bool = False) -> Target:
        """Return where measurements with these attributes go.

        Args:
            attributes: Of the measurements.
            remembered: Whether :meth:`find` is to find it again without looking.
        """
        generation = self.generation
        cleaned = exportable(attributes, self._reports)
        matches = self._matches(create=True)
        tables = dict.fromkeys(each.table for each in matches if isinstance(each, CellStream))
        cells = [table.cell(cleaned) for table in tables]
        others = [
            each
            for each in matches
            if not isinstance(each, CellStream)
            and not isinstance(each._aggregation, sdk.DropAggregationState)  # noqa: SLF001
        ]
        target: Target
        direct: Table | None = None
        if len(cells) == 1 and not others and self.unsampled and cells[0].labels() == cleaned:
            [direct], [target] = tables, cells
        else:
            target = FanOut(self, generation, cleaned, cells, others)
        with self._switch:
            # Else readers have changed meanwhile: what was found is stale, and finds out.
            if generation is self.generation:
                if direct is not None and self._direct is None:
                    # In this order: a cell that is found but not direct asks here again.
                    direct.make_direct(direct=True)
                    self._direct = direct
                if remembered:
                    self._remember(attributes, target)
        return target

    def _remember(self, attributes: Any, target: Target) -> None:  # noqa: ANN401 - of the caller's
        if not attributes:
            self._targets[()] = target
            return
        if type(attributes) is not dict or not plain(cast("dict[str, Any]", attributes)):
            # The SDK has decided what to make of it; nothing to remember it by.
            return
        direct = self._direct
        if direct is not None and direct.lasting and direct.shape is not None:
            shape = direct.shape
            self._lookup = (shape.width, shape.values, direct.cells)
            if not direct.full and shape.key(attributes) is not None:
                return
        if len(self._targets) >= self._most_targets():
            # A flood of combinations that all end in few series: start over.
            self._targets = {}
        flat: tuple[Any, ...] = (*attributes, *attributes.values())
        self._targets[flat] = target

    def table_for(self, stream: CellStream, kind: Kind) -> Table:
        """Return the table of a reader's new stream: a shared one, if that may be."""
        for table in self._tables:
            if table.join(stream, kind):
                return table
        table = Table(self, kind)
        table.join(stream, kind)
        self._tables = [*(each for each in self._tables if each.shareable), table]
        return table

    def bind(self, attributes: Attributes = None) -> Target:
        """Return what records into the series of these attributes, for hot paths."""
        return self.target(attributes)

    def remove(self, doomed: Callable[[Mapping[str, Any]], bool]) -> None:
        """End the series whose attributes are doomed, for readers that keep series."""
        for match in self._matches(create=False):
            if isinstance(match, CellStream):
                match.table.remove(doomed)
            else:
                sdk.remove_from(match, doomed)

    def series(self) -> list[Mapping[str, Any]]:
        """Return the attributes of the series there are, for any reader."""
        return [
            cell.labels()
            for match in self._matches(create=False)
            if isinstance(match, CellStream)
            for cell in match.table.living()[0]
        ]

    def clear(self) -> None:
        """End every series."""
        self.remove(lambda _attributes: True)

    def measure(
        self,
        cells: Sequence[Cell],
        amount: object,
        attributes: Mapping[str, Any],
        context: Context | None = None,
        others: Sequence[sdk.ViewInstrumentMatch] = (),
    ) -> None:
        """Check, aggregate, and offer to the exemplar reservoirs."""
        refuse = self.on_invalid or self._log_invalid
        checked = accepted(amount, negative_allowed=not self.non_negative, refuse=refuse)
        if checked is None:
            return
        live = [cell.table.update(cell, checked) for cell in cells]
        consumer = self._measurement_consumer
        if not others and not consumer.may_sample(context):
            return
        context = context or get_current()
        measurement = sdk.Measurement(checked, timing.time_ns(), self, context, attributes)  # type: ignore[arg-type]
        sampled = consumer.should_sample(measurement)
        if others:
            consumer.enlist(self)
        for match in others:
            match.consume_measurement(measurement, sampled)
        if sampled:
            for cell in live:
                cell.table.offer(cell, measurement)

    def take(self, cell: Cell, amount: object, context: Context | None = None) -> None:
        """Check a value and measure it by a cell that is the only one for it."""
        if context:
            self.measure((cell,), amount, cell.labels(), context)
            return
        refuse = self.on_invalid or self._log_invalid
        checked = accepted(amount, negative_allowed=not self.non_negative, refuse=refuse)
        if checked is None:
            return
        if (cell.ready or cell.guarded) and -HIGHEST <= checked <= HIGHEST:
            cell.record(checked)
            return
        live = cell.table.update(cell, checked)
        parent = None if tracing.quiet else tracing.parent()
        if parent is not None:
            cell.table.exemplify(live, checked, parent, None if live is cell else cell.labels())

    def find(self, attributes: Attributes) -> Target:
        """Return where measurements with these attributes go, remembered or looked up.

        Never raises because of what it is passed.
        """
        given: Any = attributes
        try:
            width, values, table = self._lookup
            if type(given) is dict and len(cast("dict[str, object]", given)) == width:
                cell: Cell | None = table.get(values(given))
                if cell is not None:
                    return cell
            flat: tuple[Any, ...] = (*given, *given.values()) if given else ()
            return self._targets[flat]
        except Exception:  # noqa: BLE001 - not remembered, or a mapping that does anything
            return self._find_anew(attributes)

    def _find_anew(self, attributes: Attributes) -> Target:
        try:
            return self.target(attributes, remembered=True)
        except Exception as error:  # noqa: BLE001 - a mapping of the caller's own may do anything
            if "attributes" not in self._logged:
                self._logged.add("attributes")
                name = cast("Any", self).name
                told = "%s: ignored attributes that can't be read: %s (logged once)"
                _logger.warning(told, name, shown(error))
            # As the SDK takes what is no mapping at all.
            return self._targets.get(()) or self.target(None, remembered=True)

    def _most_targets(self) -> int:
        limits = [each._cardinality_limit for each in self._matches(create=False)]  # noqa: SLF001
        return 2 * max(limits, default=0) + _SPARE_TARGETS

    def _matches(self, *, create: bool) -> Iterable[sdk.ViewInstrumentMatch]:
        consumer = self._measurement_consumer
        if not self._is_enabled():
            return []
        return [
            match
            for storage in consumer.storages()
            for match in storage.matches(self, create=create)
        ]

    def _log_invalid(self, reason: str, value: object) -> None:
        if reason not in self._logged:
            self._logged.add(reason)
            name = cast("Any", self).name
            told = "%s: ignored the value %s: %s (logged once)"
            _logger.warning(told, name, shown(value), reason)
