"""How series of the contract's metrics end, whichever engine measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.enforcement.meter import GuardedMeter
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.sdk_internals import remove_series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.engine import GatedMeterProvider
    from butterfly_otel.views.streams import Stream


def end_series(
    provider: GatedMeterProvider,
    instrument: object,
    attributes: Mapping[str, object],
    *,
    exactly: bool,
) -> None:
    """End the series that has exactly these attributes, or those that have these and others."""
    if exactly and isinstance(instrument, CellInstrument):
        instrument.end(attributes)
        return
    items = attributes.items()

    def doomed(series: Mapping[str, object]) -> bool:
        return items <= series.items()

    if isinstance(instrument, CellInstrument):
        instrument.remove(doomed)
    else:
        remove_series(provider, instrument, doomed)


def evicting(stream: Stream, provider: GatedMeterProvider) -> Callable[[str, object], None]:
    """Return what ends the series of a label value that has lost its place."""
    name, owner = stream.metric.name, stream.meter

    def evict(key: str, value: object) -> None:
        meter = provider.get_meter(owner)
        if isinstance(meter, GuardedMeter):
            meter.guarded(name).remove_matching({key: value})

    return evict
