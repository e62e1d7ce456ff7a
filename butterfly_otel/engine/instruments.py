"""What synchronous instruments share: how a measurement is taken that is not taken in line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.finding import Finding
from butterfly_otel.engine.streams import CellStream
from butterfly_otel.process import timing, tracing
from butterfly_otel.process.values import HIGHEST, accepted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.util.types import Attributes

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.engine.finding import Target

_logger = logging.getLogger("butterfly_otel")


class CellInstrument(Finding):
    """What the four synchronous instruments share. Thread-safe.

    Mixed into the SDK's own instrument classes; made by :func:`adopt`.
    """

    __slots__ = ()

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

    def end(self, attributes: Mapping[str, Any]) -> None:
        """End the series of these attributes, however many others there are."""
        streams = self._streams or self._look_for_streams()
        for table in streams.tables:
            table.end(attributes)
        for match in streams.others:
            sdk.remove_from(match, lambda its: dict(its) == attributes)

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
        kind = type(amount)
        # What nearly all are that begin a series needs no further look.
        if (kind is int or kind is float) and self.lowest <= amount <= HIGHEST:  # type: ignore[operator]
            checked: Any = amount
        else:
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

    def _log_invalid(self, reason: str, value: object) -> None:
        if reason not in self._logged:
            self._logged.add(reason)
            name = cast("Any", self).name
            told = "%s: ignored the value %s: %s (logged once)"
            _logger.warning(told, name, shown(value), reason)
