"""The private names of OpenTelemetry that the package is built on, in one list.

A private name may move in any release. So each is looked for before it is needed, in the modules
and classes, and in a specimen of each object. Without those of :data:`ENGINE` the stock SDK
measures; without one of :data:`PARTS` all works but what its entry says. Both are told once, by
:mod:`fitness`. ``docs/explanation/private-names.md`` shows the list to people.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any, Final

from opentelemetry.sdk import metrics
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource

from butterfly_otel.process.frozen import NamedTuple

INTERNAL: Final = "opentelemetry.sdk.metrics._internal"
#: Whether the SDK is older than 1.45.2, which is the first with limits; see :mod:`older`.
OLDER: Final = "aggregation_cardinality_limit" not in signature(View).parameters


class Name(NamedTuple):
    """A private name.

    Attributes:
        owner: A module, or what of :func:`_specimens` has it.
        name: The name; several that belong together, divided by blanks.
        purpose: What it is for.
        since: The first release that has it; in those before, something of :mod:`older`
            stands in. Empty where 1.39 has it.
        without: What is different without it; empty where the engine can't do without.
    """

    owner: str
    name: str
    purpose: str
    since: str = ""
    without: str = ""


_SLOWER: Final = "our meter's Views cost a little more"
_KEPT: Final = "series of the stock engine can't be removed"

#: What measuring by cells needs. Each is the SDK's own class or field that ours extend or read.
ENGINE: Final = (
    Name(f"{INTERNAL}.instrument", "_Counter _UpDownCounter", "instruments that ours extend"),
    Name(f"{INTERNAL}.instrument", "_Gauge _Histogram", "instruments that ours extend"),
    Name(
        f"{INTERNAL}.instrument",
        "_ObservableCounter _ObservableGauge _ObservableUpDownCounter",
        "instruments that ours extend",
    ),
    Name(f"{INTERNAL}.measurement", "Measurement", "to clean attributes and for exemplars"),
    Name(f"{INTERNAL}.measurement_consumer", "SynchronousMeasurementConsumer", "a base of ours"),
    Name(f"{INTERNAL}.metric_reader_storage", "MetricReaderStorage", "a base of ours"),
    Name(f"{INTERNAL}.metric_reader_storage", "_DEFAULT_VIEW", "of what no View is for"),
    Name(f"{INTERNAL}._view_instrument_match", "_ViewInstrumentMatch", "the base of streams"),
    Name(f"{INTERNAL}._view_instrument_match", "_hash_attributes", "to tell series apart", "1.45"),
    Name(
        f"{INTERNAL}._view_instrument_match",
        "_OVERFLOW_ATTRIBUTES _OVERFLOW_KEY",
        "the point that has what is over a limit",
        "1.45.2",
    ),
    Name(f"{INTERNAL}.aggregation", "_SumAggregation", "to know what cells serve exactly"),
    Name(f"{INTERNAL}.aggregation", "_LastValueAggregation", "likewise"),
    Name(f"{INTERNAL}.aggregation", "_ExplicitBucketHistogramAggregation", "likewise"),
    Name(f"{INTERNAL}.aggregation", "_DropAggregation", "to measure nothing that is dropped"),
    Name("provider", "_sdk_config _measurement_consumer _meters", "to put ours in their place"),
    Name("provider", "_all_metric_readers _all_metric_readers_lock", "to register readers"),
    Name("provider", "_metric_readers", "what is flushed and shut down", "1.43"),
    Name("provider", "_set_meter_configurator", "to see meters switched off", "1.41"),
    Name("provider", "_handle_fork", "to start anew in a child", "1.44"),
    Name("config", "exemplar_filter views", "to ask the filter, to match Views"),
    Name("meter", "_instrument_id_instrument", "to put our instruments in their places"),
    Name("meter", "_instrument_ids_lock", "to renew it in a child"),
    Name("meter", "_instrument_registration_lock", "to renew it in a child", "1.40"),
    Name("counter", "_measurement_consumer", "to find the readers"),
    Name("counter", "_is_enabled", "to see a meter switched off", "1.41"),
    Name("consumer", "_lock _sdk_config _reader_storages", "to add readers, to renew the lock"),
    Name("consumer", "_async_instruments", "whose callbacks are asked"),
    Name("storage", "_lock _sdk_config", "to add instruments, to renew the lock"),
    Name("storage", "_instrument_view_instrument_matches", "the streams that are collected"),
    Name("storage", "_instrument_class_temporality", "what a reader says by instrument class"),
    Name("storage", "_instrument_class_aggregation", "likewise"),
    Name("storage", "_get_or_init_view_instrument_match", "to make our streams"),
    Name("storage", "_handle_view_instrument_match", "likewise"),
    Name("storage", "_check_view_instrument_compatibility", "likewise"),
    Name("storage", "_new_view_instrument_match", "likewise", "1.45.2"),
    Name("stream", "_view _instrument _aggregation", "to know what to aggregate"),
    Name("stream", "_instrument_class_aggregation", "likewise"),
    Name("stream", "_name", "to say which could not be collected"),
    Name("stream", "_lock _attributes_aggregation", "to remove series, to renew the lock"),
    Name("stream", "_cardinality_limit _reset_on_collect", "to do as it does", "1.45.2"),
    Name("stream", "_previous_collection_start_nanos", "where a delta begins", "1.45.2"),
    Name("sum", "_value _lock _start_time_unix_nano", "to begin anew in a child"),
    Name("sum", "_previous_collection_start_nano", "likewise"),
    Name("histogram", "_boundaries _record_min_max", "to aggregate as it does"),
    Name("view", "_attribute_keys", "to keep the same attributes"),
    Name("view", "_exemplar_reservoir_factory", "to keep exemplars as it does"),
    Name("reader", "_instrument_class_temporality", "what a reader says by instrument class"),
    Name("reader", "_instrument_class_aggregation", "likewise"),
    Name("reader", "_instrument_class_cardinality_limit", "likewise", "1.45.2"),
    Name("reader", "_set_collect_callback", "to register it"),
)

#: What other parts use, and what is different without.
PARTS: Final = (
    Name(
        "opentelemetry.context",
        "_SUPPRESS_INSTRUMENTATION_KEY",
        "to leave exports out of the traces of instrumented clients",
        without="exports may be traced by instrumentations of HTTP clients",
    ),
    Name("view", "_match", "to drop all but the named", without=_SLOWER),
    Name(
        "view",
        "_instrument_name _meter_name",
        "to know what the application's Views are meant for",
        without="a View that is meant for the contract does nothing",
    ),
    Name("provider", "_measurement_consumer", "to remove series", without=_KEPT),
    Name("consumer", "_reader_storages", "likewise", without=_KEPT),
    Name("storage", "_instrument_view_instrument_matches", "likewise", without=_KEPT),
    Name("stream", "_lock _attributes_aggregation", "likewise", without=_KEPT),
    Name("sum", "_attributes", "likewise", without=_KEPT),
    Name("stream", "_reset_on_collect", "likewise", "1.45.2", _KEPT),
    Name(
        "exporter",
        "_preferred_temporality _preferred_aggregation",
        "what an exporter prefers",
        without="an exporter's preferences (OTLP deltas) are not heeded",
    ),
    Name(
        "reader",
        "_set_collect_callback",
        "to collect from producers as well",
        without="what producers have (`push_registry`) is not exported",
    ),
    Name(
        "provider",
        "_sdk_config",
        "the resource",
        without="`target_info` is the resource's as it is collected",
    ),
)

#: Both, so that they are looked for at once.
BUILT_ON: Final = (*ENGINE, *PARTS)

#: What nobody misses: something public, or nothing, does as well.
QUIET: Final = (
    Name(
        "opentelemetry.context",
        "_RUNTIME_CONTEXT",
        "to ask at little cost whether there is a span",
        without="`get_current()` tells, at more",
    ),
    Name("runtime", "_current_context", "likewise", without="likewise"),
    Name(
        f"{INTERNAL}.aggregation",
        "_ExponentialBucketHistogramAggregation",
        "to mend it where its collection fails",
        without="it is as the SDK has it",
    ),
    Name("opentelemetry.metrics", "_Gauge", "what a gauge is", without="`Gauge`, or its module's"),
    Name("reader", "_set_meter_provider", "who asks a reader", "1.41", "what `_collect` is of"),
    Name("reader", "_collect", "whether a reader can collect", without="`collect()` says so"),
    Name("reader", "_otel_component_type", "the SDK's own metrics", "1.41", "the class' name"),
)

#: What the test kit uses. Without, a capture leaves the first global provider where it is, and
#: what the stock SDK stamps goes by the real clock.
TESTING: Final = (
    Name(
        "opentelemetry.metrics._internal",
        "_METER_PROVIDER _METER_PROVIDER_SET_ONCE _PROXY_METER_PROVIDER",
        "to let a test set the global meter provider, which is allowed once",
    ),
    Name(f"{INTERNAL}._view_instrument_match", "time_ns", "to let a test's clock tell the time"),
    Name(f"{INTERNAL}.instrument", "time_ns", "likewise"),
    Name(f"{INTERNAL}.metric_reader_storage", "time_ns", "likewise"),
    Name("proxy", "_real_meter_provider", "to hand out meters that wait for it"),
    Name("once", "_done", "to set it again"),
)

#: What ``opentelemetry-instrument`` with our configurator uses. Without, metrics alone are set up.
INSTRUMENT: Final = (
    Name("opentelemetry.sdk._configuration", "_OTelSDKConfigurator", "to set up traces and logs"),
    Name("opentelemetry.sdk._configuration", "_init_metrics", "to make no second meter provider"),
)


def find(module: str, name: str) -> Any:  # noqa: ANN401 - whatever it is
    """Return what a module has under a name; a class that is nothing where it has it no more."""
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return type(name, (), {})


@cache
def missing(names: tuple[Name, ...]) -> tuple[Name, ...]:
    """Return each private name that is missing, one an entry."""
    owners = _specimens()
    return tuple(
        entry._replace(name=name)
        for entry in names
        if not (entry.since and OLDER)
        for name in entry.name.split()
        if not _has(owners, entry.owner, name)
    )


def _has(owners: dict[str, object], owner: str, name: str) -> bool:
    if "." in owner:
        try:
            return hasattr(import_module(owner), name)
        except ImportError:
            return False
    # One that could not be had is missing for a name that is reported by itself.
    return owner not in owners or hasattr(owners[owner], name)


def _specimens() -> dict[str, object]:
    """Return one object of each kind, as far as they can be had."""
    made: dict[str, Any] = {}
    # Each from the ones before, by a name that is in the list.
    for add in (_add_sdk, _add_inside, _add_config, _add_api):
        with suppress(AttributeError, ImportError, LookupError, TypeError, ValueError):
            add(made)
    if "provider" in made:
        made["provider"].shutdown()
    return made


def _add_sdk(made: dict[str, Any]) -> None:
    reader, exporter = InMemoryMetricReader(), ConsoleMetricExporter()
    provider = metrics.MeterProvider(
        [reader], Resource.get_empty(), metrics.AlwaysOffExemplarFilter(), shutdown_on_exit=False
    )
    meter = provider.get_meter("specimen")
    if isinstance(meter, metrics.Meter):  # else OTEL_SDK_DISABLED
        made.update(reader=reader, exporter=exporter, provider=provider, meter=meter)
        made.update(view=View(instrument_name="*"), counter=meter.create_counter("sum"))


def _add_inside(made: dict[str, Any]) -> None:
    made["counter"].add(1)
    histogram = made["meter"].create_histogram("histogram")
    histogram.record(1)
    consumer = made["consumer"] = made["provider"]._measurement_consumer
    storage = made["storage"] = consumer._reader_storages[made["reader"]]
    for name, instrument in (("sum", made["counter"]), ("histogram", histogram)):
        [stream] = storage._instrument_view_instrument_matches[instrument]
        made["stream"] = stream
        [made[name]] = stream._attributes_aggregation.values()


def _add_config(made: dict[str, Any]) -> None:
    made["config"] = made["provider"]._sdk_config


def _add_api(made: dict[str, Any]) -> None:
    api = import_module("opentelemetry.metrics._internal")
    made["runtime"] = import_module("opentelemetry.context")._RUNTIME_CONTEXT
    made["once"], made["proxy"] = api._METER_PROVIDER_SET_ONCE, api._PROXY_METER_PROVIDER
