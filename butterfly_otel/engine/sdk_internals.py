"""The only module that touches private names of the OpenTelemetry SDK.

The rest of the package imports them from here, under public names. Which they are and what each
is for stands in :mod:`sdk_names`; a class that is missing is imported as one that is nothing, so
that importing always works, and :mod:`fitness` keeps the engine from being used then. For
releases before 1.45.2, :mod:`older` stands in for what they have not.
"""
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
from contextlib import suppress
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

from opentelemetry import context, metrics
from opentelemetry.sdk.metrics import Meter, MeterProvider
from opentelemetry.sdk.metrics.view import DropAggregation, View

from butterfly_otel.engine.sdk_names import INTERNAL, OLDER, find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import _Gauge as ApiGauge
    from opentelemetry.sdk.metrics import MeterProvider as StockMeterProvider
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
        _ExponentialBucketHistogramAggregation as ExponentialAggregation,
    )
    from opentelemetry.sdk.metrics._internal.aggregation import (
        _LastValueAggregation as LastValueAggregation,
    )
    from opentelemetry.sdk.metrics._internal.aggregation import (
        _SumAggregation as SumAggregation,
    )
    from opentelemetry.sdk.metrics._internal.instrument import _Counter as Counter
    from opentelemetry.sdk.metrics._internal.instrument import _Gauge as Gauge
    from opentelemetry.sdk.metrics._internal.instrument import _Histogram as Histogram
    from opentelemetry.sdk.metrics._internal.instrument import (
        _ObservableCounter as ObservableCounter,
    )
    from opentelemetry.sdk.metrics._internal.instrument import _ObservableGauge as ObservableGauge
    from opentelemetry.sdk.metrics._internal.instrument import (
        _ObservableUpDownCounter as ObservableUpDownCounter,
    )
    from opentelemetry.sdk.metrics._internal.instrument import _UpDownCounter as UpDownCounter
    from opentelemetry.sdk.metrics._internal.measurement import Measurement
    from opentelemetry.sdk.metrics._internal.measurement_consumer import (
        SynchronousMeasurementConsumer,
    )
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import (
        _DEFAULT_VIEW as DEFAULT_VIEW,
    )
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader
    from opentelemetry.sdk.resources import Resource
else:
    # Named like the others once it is as stable as they are.
    ApiGauge = getattr(metrics, "_Gauge", getattr(metrics, "Gauge", None)) or find(
        "opentelemetry.metrics._internal.instrument", "Gauge"
    )
    Counter = find(f"{INTERNAL}.instrument", "_Counter")
    Gauge = find(f"{INTERNAL}.instrument", "_Gauge")
    Histogram = find(f"{INTERNAL}.instrument", "_Histogram")
    ObservableCounter = find(f"{INTERNAL}.instrument", "_ObservableCounter")
    ObservableGauge = find(f"{INTERNAL}.instrument", "_ObservableGauge")
    ObservableUpDownCounter = find(f"{INTERNAL}.instrument", "_ObservableUpDownCounter")
    UpDownCounter = find(f"{INTERNAL}.instrument", "_UpDownCounter")
    DEFAULT_VIEW = find(f"{INTERNAL}.metric_reader_storage", "_DEFAULT_VIEW")
    DropAggregationState = find(f"{INTERNAL}.aggregation", "_DropAggregation")
    HistogramAggregation = find(f"{INTERNAL}.aggregation", "_ExplicitBucketHistogramAggregation")
    ExponentialAggregation = find(
        f"{INTERNAL}.aggregation", "_ExponentialBucketHistogramAggregation"
    )
    LastValueAggregation = find(f"{INTERNAL}.aggregation", "_LastValueAggregation")
    SumAggregation = find(f"{INTERNAL}.aggregation", "_SumAggregation")
    if OLDER:
        from butterfly_otel.engine.older import (
            OVERFLOW_ATTRIBUTES,
            OVERFLOW_KEY,
            Measurement,
            MetricReaderStorage,
            SynchronousMeasurementConsumer,
            ViewInstrumentMatch,
            hash_attributes,
        )
        from butterfly_otel.engine.older import MeterProvider as StockMeterProvider
    else:
        StockMeterProvider = MeterProvider
        Measurement = find(f"{INTERNAL}.measurement", "Measurement")
        MetricReaderStorage = find(f"{INTERNAL}.metric_reader_storage", "MetricReaderStorage")
        SynchronousMeasurementConsumer = find(
            f"{INTERNAL}.measurement_consumer", "SynchronousMeasurementConsumer"
        )
        OVERFLOW_ATTRIBUTES = find(f"{INTERNAL}._view_instrument_match", "_OVERFLOW_ATTRIBUTES")
        OVERFLOW_KEY = find(f"{INTERNAL}._view_instrument_match", "_OVERFLOW_KEY")
        ViewInstrumentMatch = find(f"{INTERNAL}._view_instrument_match", "_ViewInstrumentMatch")
        hash_attributes = find(f"{INTERNAL}._view_instrument_match", "_hash_attributes")

__all__ = [
    "DEFAULT_VIEW",
    "OVERFLOW_ATTRIBUTES",
    "OVERFLOW_KEY",
    "SUPPRESS_KEY",
    "ApiGauge",
    "Counter",
    "DropAggregationState",
    "DropTheRest",
    "ExponentialAggregation",
    "Gauge",
    "Histogram",
    "HistogramAggregation",
    "LastValueAggregation",
    "Measurement",
    "Meter",
    "MetricReaderStorage",
    "ObservableCounter",
    "ObservableGauge",
    "ObservableUpDownCounter",
    "StockMeterProvider",
    "SumAggregation",
    "SynchronousMeasurementConsumer",
    "UpDownCounter",
    "ViewInstrumentMatch",
    "collected_resource",
    "exporter_preferences",
    "hash_attributes",
    "identity",
    "kept_attributes",
    "limited_view",
    "provider_readers",
    "provider_resource",
    "remove_from",
    "remove_series",
    "renew_locks",
    "replace_attribute",
    "replace_time_ns",
    "restart_match",
]

_logger = logging.getLogger("butterfly_otel")

#: What instrumentations look for in a context to leave a call alone.
SUPPRESS_KEY: str = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")

_METER_LOCKS = (
    "_instrument_ids_lock",
    "_instrument_registration_lock",
    "_instrument_id_instrument_lock",
)
#: What reads the time that is exported; deadlines are read elsewhere.
_TIMED = ("_view_instrument_match", "instrument", "metric_reader_storage")


def replace_time_ns(time_ns: Callable[[], int]) -> None:
    """Let start times, collections and the SDK's own instruments go by another clock.

    The name ``time_ns`` of three modules of the SDK; one that has it no more keeps its clock.
    """
    for name in _TIMED:
        with suppress(ImportError):
            module: Any = import_module(f"{INTERNAL}.{name}")
            if hasattr(module, "time_ns"):
                module.time_ns = time_ns


def provider_resource(provider: object) -> Resource | None:
    """Return the resource of a provider (``MeterProvider._sdk_config.resource``), if it tells."""
    return getattr(getattr(provider, "_sdk_config", None), "resource", None)


def replace_attribute(provider: object, key: str, value: str) -> None:
    """Replace an attribute of a provider's resource (``MeterProvider._sdk_config.resource``)."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - of shared processes alone

    config: Any = getattr(provider, "_sdk_config", None)
    if config is not None:
        config.resource = config.resource.merge(Resource({key: value}))


def provider_readers(provider: MeterProvider) -> tuple[MetricReader, ...]:
    """Return the readers of a provider (``MeterProvider._metric_readers``).

    Where it does not tell, those that one of ours was made with.
    """
    known = getattr(provider, "_metric_readers", None)
    return tuple(getattr(provider, "first_readers", ()) if known is None else known)


def collected_resource(collect: object) -> Resource | None:
    """Return the resource of what a reader collects from, where no provider has introduced itself.

    Before 1.41 none does (``MetricReader._collect`` is a method of what has ``_sdk_config``).
    """
    return provider_resource(getattr(collect, "__self__", None))


def exporter_preferences(exporter: MetricExporter) -> tuple[Any, Any]:
    """Return an exporter's temporality and aggregation preferences, none where it has none.

    ``MetricExporter._preferred_temporality`` and ``._preferred_aggregation``, which every
    periodic reader has to hand to ``MetricReader``.
    """
    given: Any = exporter
    return (
        getattr(given, "_preferred_temporality", None),
        getattr(given, "_preferred_aggregation", None),
    )


def limited_view(limit: int, kind: type[View] = View, **settings: Any) -> View:  # noqa: ANN401 - a View's arguments
    """Return a View with a cardinality limit, which older releases leave to :mod:`older`."""
    if not OLDER:
        return kind(**settings, aggregation_cardinality_limit=limit)
    view = kind(**settings)
    view._aggregation_cardinality_limit = limit
    return view


def remove_series(
    provider: MeterProvider, instrument: object, doomed: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Remove the series of one stock instrument whose attributes are ``doomed``.

    For every reader that keeps series between collections. Readers with delta temporality
    forget theirs at each collection anyway, and removing them earlier would lose data.
    Does nothing where a name that it needs is missing, which was told at the start.
    """
    with suppress(AttributeError):
        storages: Any = provider._measurement_consumer._reader_storages
        for storage in tuple(storages.copy().values()):
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
    keys: Any = view._attribute_keys
    if keys is None or (isinstance(keys, (set, frozenset)) and keys.issuperset(attributes)):
        return attributes
    return {key: value for key, value in attributes.items() if key in keys}


def renew_locks(meter: Meter) -> None:
    """Renew a meter's locks in a forked child; one has another name before 1.40."""
    for name in _METER_LOCKS:
        if hasattr(meter, name):
            setattr(meter, name, RLock())


def restart_match(match: Any) -> None:  # noqa: ANN401
    """Let one of the SDK's own streams start from nothing in a forked child."""
    match._lock = RLock()
    match._attributes_aggregation = {}
    match._previous_collection_start_nanos = None


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
