"""The only module that touches private names of the OpenTelemetry SDK.

Each function says which names it needs; ``tests/unit/engine/test_sdk_internals.py`` fails
clearly when one of them disappears.
"""
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import DropAggregation, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource


def provider_resource(provider: MeterProvider) -> Resource:
    """Return the resource of a provider (``MeterProvider._sdk_config.resource``)."""
    return provider._sdk_config.resource


def exporter_preferences(exporter: MetricExporter) -> tuple[Any, Any]:
    """Return an exporter's temporality and aggregation preferences.

    ``MetricExporter._preferred_temporality`` and ``._preferred_aggregation``, which every
    periodic reader has to hand to ``MetricReader``.
    """
    return exporter._preferred_temporality, exporter._preferred_aggregation


def remove_series(
    provider: MeterProvider, instrument: object, doomed: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Remove the series of one instrument whose attributes are ``doomed``.

    For every reader that keeps series between collections. Readers with delta temporality
    forget theirs at each collection anyway, and removing them earlier would lose data.
    Uses ``MeasurementConsumer._reader_storages``,
    ``MetricReaderStorage._instrument_view_instrument_matches``, and of each match its
    ``_lock``, ``_reset_on_collect`` and ``_attributes_aggregation``.
    """
    storages: Any = provider._measurement_consumer._reader_storages
    for storage in tuple(storages.values()):
        for match in storage._instrument_view_instrument_matches.get(instrument, ()):
            if match._reset_on_collect:
                continue
            with match._lock:
                series = match._attributes_aggregation
                for key in [k for k, each in series.items() if doomed(each._attributes or {})]:
                    del series[key]


class DropTheRest(View):
    """A View that drops every instrument of one meter but the ones named.

    Deny by default needs "all but these names", which no selector can say, and the SDK
    would apply a ``*`` View to the named instruments as well, at a cost for each of their
    measurements. Overrides ``View._match``.
    """

    def __init__(self, meter_name: str, known: frozenset[str]) -> None:
        super().__init__(instrument_name="*", meter_name=meter_name, aggregation=DropAggregation())
        self._known = known

    def _match(self, instrument: Any) -> bool:  # noqa: ANN401 - the SDK's own protocol
        return instrument.name not in self._known and super()._match(instrument)
