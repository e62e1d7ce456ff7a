"""The only module that touches private names of the OpenTelemetry SDK.

The rest of the package imports them from here, under public names.
``tests/unit/engine/test_sdk_internals.py`` fails clearly when one of them disappears.
"""
# pyright: reportPrivateUsage=false

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics._internal import (
    Meter,
    _view_instrument_match,
    instrument,
    metric_reader_storage,
)
from opentelemetry.sdk.metrics._internal._view_instrument_match import (
    _OVERFLOW_ATTRIBUTES as OVERFLOW_ATTRIBUTES,
)
from opentelemetry.sdk.metrics._internal._view_instrument_match import (
    _OVERFLOW_KEY as OVERFLOW_KEY,
)
from opentelemetry.sdk.metrics._internal._view_instrument_match import (
    _hash_attributes as hash_attributes,
)
from opentelemetry.sdk.metrics._internal._view_instrument_match import (
    _ViewInstrumentMatch as ViewInstrumentMatch,
)
from opentelemetry.sdk.metrics._internal.aggregation import (
    _DropAggregation as DropAggregationState,
)
from opentelemetry.sdk.metrics._internal.aggregation import (
    _ExplicitBucketHistogramAggregation as HistogramAggregation,
)
from opentelemetry.sdk.metrics._internal.aggregation import (
    _LastValueAggregation as LastValueAggregation,
)
from opentelemetry.sdk.metrics._internal.aggregation import _SumAggregation as SumAggregation
from opentelemetry.sdk.metrics._internal.instrument import (
    _Counter as Counter,
)
from opentelemetry.sdk.metrics._internal.instrument import (
    _Gauge as Gauge,
)
from opentelemetry.sdk.metrics._internal.instrument import (
    _Histogram as Histogram,
)
from opentelemetry.sdk.metrics._internal.instrument import (
    _UpDownCounter as UpDownCounter,
)
from opentelemetry.sdk.metrics._internal.measurement import Measurement
from opentelemetry.sdk.metrics._internal.measurement_consumer import (
    SynchronousMeasurementConsumer,
)
from opentelemetry.sdk.metrics._internal.metric_reader_storage import (
    _DEFAULT_VIEW as DEFAULT_VIEW,
)
from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage
from opentelemetry.sdk.metrics.view import DropAggregation, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource

__all__ = [
    "DEFAULT_VIEW",
    "OVERFLOW_ATTRIBUTES",
    "OVERFLOW_KEY",
    "Counter",
    "DropAggregationState",
    "DropTheRest",
    "Gauge",
    "Histogram",
    "HistogramAggregation",
    "LastValueAggregation",
    "Measurement",
    "Meter",
    "MetricReaderStorage",
    "SumAggregation",
    "SynchronousMeasurementConsumer",
    "UpDownCounter",
    "ViewInstrumentMatch",
    "exporter_preferences",
    "hash_attributes",
    "identity",
    "kept_attributes",
    "provider_resource",
    "remove_from",
    "remove_series",
    "replace_time_ns",
    "restart_match",
]

#: What reads the time that is exported; deadlines are read elsewhere.
_TIMED: tuple[Any, ...] = (_view_instrument_match, instrument, metric_reader_storage)


def replace_time_ns(time_ns: Callable[[], int]) -> None:
    """Let start times, collections and the SDK's own instruments go by another clock.

    The name ``time_ns`` of three modules of the SDK.
    """
    for module in _TIMED:
        module.time_ns = time_ns


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
    """Remove the series of one stock instrument whose attributes are ``doomed``.

    For every reader that keeps series between collections. Readers with delta temporality
    forget theirs at each collection anyway, and removing them earlier would lose data.
    Uses ``MeasurementConsumer._reader_storages``,
    ``MetricReaderStorage._instrument_view_instrument_matches``, and of each match its
    ``_lock``, ``_reset_on_collect`` and ``_attributes_aggregation``.
    """
    storages: Any = provider._measurement_consumer._reader_storages
    for storage in tuple(storages.values()):
        for match in storage._instrument_view_instrument_matches.get(instrument, ()):
            remove_from(match, doomed)


def remove_from(match: Any, doomed: Callable[[Mapping[str, Any]], bool]) -> None:  # noqa: ANN401
    """Remove series from one of the SDK's own streams, unless it forgets them by itself."""
    if match._reset_on_collect:
        return
    with match._lock:
        series = match._attributes_aggregation
        for key in [k for k, each in series.items() if doomed(each._attributes or {})]:
            del series[key]


def identity(match: Any, attributes: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the key that attributes, after the View's filter, have in a stock stream's table."""
    return hash_attributes(kept_attributes(match._view, attributes))


def kept_attributes(view: View, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes that a View keeps."""
    keys = view._attribute_keys
    if keys is None:
        return attributes
    return {key: value for key, value in attributes.items() if key in keys}


def restart_match(match: Any, now: int, *, forget: bool) -> None:  # noqa: ANN401
    """Renew the locks of one of the SDK's own streams in a forked child.

    Args:
        match: The stream.
        now: When its series begin anew, in nanoseconds since the epoch.
        forget: Whether what was measured is the parent's alone, as it is where calls
            measure; what callbacks observe is the same total in both.
    """
    match._lock = Lock()
    if forget:
        match._attributes_aggregation = {}
        match._previous_collection_start_nanos = None
        return
    for series in match._attributes_aggregation.values():
        series._lock = Lock()
        series._start_time_unix_nano = now
        series._previous_collection_start_nano = now


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
