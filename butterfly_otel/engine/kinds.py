"""The four synchronous instruments: the methods that measure.

They repeat what cells do, because a call costs more than all of it (rendered from
``render/quick.py``); what they can't tell at once, whatever the reason, goes to the cell. Their
attributes are OpenTelemetry's ``Attributes``, typed ``Any`` because no type checker can tell what
is in a plain dict.
"""
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import CounterCell, LastValueCell, SumCell
from butterfly_otel.engine.histograms import HistogramCell
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

if TYPE_CHECKING:
    from opentelemetry.context import Context


class CellCounter(sdk.Counter, CellInstrument):
    """A counter that measures by cells."""

    __slots__ = ()

    non_negative = True
    in_line = CounterCell

    def add(
        self,
        amount: float,
        attributes: Any = None,  # noqa: ANN401
        context: Context | None = None,
    ) -> None:
        """Add ``amount``. Never raises because of what it is passed."""
        try:
            width, values, table = self._lookup
            if type(attributes) is dict and len(attributes) == width:
                target: Any = table[values(attributes)]
            else:
                target = self._bare if attributes is None else self.recall(attributes)
        except Exception:  # noqa: BLE001 - what the caller passes may do anything
            target = self.recall(attributes)
        # rendered from quick.py: counter small cell=target also="context is None"
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and context is None
            and (tracing.quiet or not tracing.current())
            and target.ready
        ):
            target.value += amount
            return
        # rendered until here
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)


class CellUpDownCounter(sdk.UpDownCounter, CellInstrument):
    """An up-down counter that measures by cells."""

    __slots__ = ()

    in_line = SumCell

    def add(
        self,
        amount: float,
        attributes: Any = None,  # noqa: ANN401
        context: Context | None = None,
    ) -> None:
        """Add ``amount``. Never raises because of what it is passed."""
        try:
            width, values, table = self._lookup
            if type(attributes) is dict and len(attributes) == width:
                target: Any = table[values(attributes)]
            else:
                target = self._bare if attributes is None else self.recall(attributes)
        except Exception:  # noqa: BLE001 - what the caller passes may do anything
            target = self.recall(attributes)
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)


class CellGauge(sdk.Gauge, CellInstrument):
    """A gauge that measures by cells."""

    __slots__ = ()

    in_line = LastValueCell

    def set(
        self,
        amount: float,
        attributes: Any = None,  # noqa: ANN401
        context: Context | None = None,
    ) -> None:
        """Set the value. Never raises because of what it is passed."""
        try:
            width, values, table = self._lookup
            if type(attributes) is dict and len(attributes) == width:
                target: Any = table[values(attributes)]
            else:
                target = self._bare if attributes is None else self.recall(attributes)
        except Exception:  # noqa: BLE001 - what the caller passes may do anything
            target = self.recall(attributes)
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)


class CellHistogram(sdk.Histogram, CellInstrument):
    """A histogram that measures by cells."""

    __slots__ = ()

    non_negative = True
    in_line = HistogramCell

    def record(
        self,
        amount: float,
        attributes: Any = None,  # noqa: ANN401
        context: Context | None = None,
    ) -> None:
        """Record ``amount``. Never raises because of what it is passed."""
        try:
            width, values, table = self._lookup
            if type(attributes) is dict and len(attributes) == width:
                target: Any = table[values(attributes)]
            else:
                target = self._bare if attributes is None else self.recall(attributes)
        except Exception:  # noqa: BLE001 - what the caller passes may do anything
            target = self.recall(attributes)
        # rendered from quick.py: histogram plain cell=target also="context is None"
        if (
            (type(amount) is float or type(amount) is int)
            and 0.0 <= amount <= HIGHEST
            and context is None
            and (tracing.quiet or not tracing.current())
            and target.ready
        ):
            if amount < target.low or amount > target.high:
                target.widen(amount)
            index = bisect_left(target.bounds, amount)
            counts = target.counts
            counts[index], target.total = counts[index] + 1, target.total + amount
            return
        # rendered until here
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)


#: The SDK's instrument classes and ours.
CELL_CLASSES: dict[type, type[CellInstrument]] = {
    sdk.Counter: CellCounter,
    sdk.UpDownCounter: CellUpDownCounter,
    sdk.Histogram: CellHistogram,
    sdk.Gauge: CellGauge,
}


def adopt(instrument: Any, ours: type[CellInstrument]) -> Any:  # noqa: ANN401
    """Return an instrument that measures by cells in place of one that the SDK has made.

    A new one, with what the SDK has put into the old one: one whose class is merely replaced
    has its attributes in a dictionary of its own, and measures a fifth slower.
    """
    made: Any = ours.__new__(ours)
    vars(made).update(vars(instrument))
    made.prepare()
    return made
