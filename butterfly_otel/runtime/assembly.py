"""Wiring: from settings to readers, a provider, an enforced meter and handles that measure."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.version import __version__ as sdk_version

from butterfly_otel import catalog, metrics
from butterfly_otel.catalog import telemetry
from butterfly_otel.enforcement.fewer import Fewer
from butterfly_otel.enforcement.guard import Identity, LabelGuard
from butterfly_otel.enforcement.guarded import Gate, Synchronous
from butterfly_otel.enforcement.meter import GuardedMeter
from butterfly_otel.enforcement.observable import GuardedObservable
from butterfly_otel.enforcement.violations import Violations
from butterfly_otel.engine import GatedMeterProvider, MeterProvider
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.handles.first_item import first_item_seconds
from butterfly_otel.handles.handles import Handle, ObservableHandle, SynchronousHandle
from butterfly_otel.handles.own import OWN
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.runtime.readers import build_readers
from butterfly_otel.runtime.removal import end_series, evicting
from butterfly_otel.version import __version__
from butterfly_otel.views.compiled import compile_views
from butterfly_otel.views.streams import default_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.metrics import Counter, Meter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.enforcement.guarded import Guarded
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.exporters.prometheus.securing.security import Security
    from butterfly_otel.settings.config import Config, ExemplarFilter
    from butterfly_otel.views.streams import Stream


_EXEMPLAR_FILTERS: Mapping[ExemplarFilter, Callable[[], Any]] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}
#: Butterfly's handles, and the one that a decorator measures an extension with.
HANDLES = (*metrics.ALL, *OWN, first_item_seconds)
#: What is not enforced: counters of the SDK's own, whose labels are ours only.
_UNENFORCED = frozenset(catalog.BY_NAME) - {handle.metric.name for handle in HANDLES}


class Pipeline(NamedTuple):
    """What ``configure()`` has built.

    Attributes:
        provider: The meter provider.
        readers: Every reader, ours and the caller's.
        prometheus: The pull reader, where pull is configured.
        own: Where several processes are one node, the reader of what this one has measured.
        pushing_for_all: There, what pushes what all of them have measured.
        streams: What is exported of each metric.
        telemetry: The SDK's own counters.
        security: Who may scrape; None where everybody may.
        handles: All that are attached to it.
    """

    provider: GatedMeterProvider
    readers: tuple[MetricReader, ...]
    prometheus: PrometheusMetricReader | None
    own: PrometheusMetricReader | None
    pushing_for_all: tuple[MetricReader, ...]
    streams: tuple[Stream, ...]
    telemetry: SelfTelemetry
    security: Security | None
    handles: tuple[Handle, ...]


class SelfTelemetry:
    """The SDK's own counters, which bypass enforcement: their labels are ours.

    Thread-safe. What is counted before :meth:`attach` is counted nowhere.
    """

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}

    def attach(self, meter: Meter) -> None:
        """Count on the SDK's meter from now on."""
        self._counters = {
            metric.name: meter.create_counter(metric.name, metric.unit, metric.help)
            for metric in telemetry.METRICS
            if metric.instrument == "counter"
        }

    def begin(self, metric: Metric) -> None:
        """Let the series of a counter whose labels are all closed begin with zero."""
        for values in product(*(label.values for label in metric.labels)):
            labels = dict(zip((label.key for label in metric.labels), values, strict=True))
            self._counters[metric.name].add(0, labels)

    def count(self, name: str, labels: Mapping[str, str], amount: int = 1) -> None:
        """Add to the counter ``name``."""
        counter = self._counters.get(name)
        if counter is not None:
            counter.add(amount, dict(labels))

    def bind(self, name: str, labels: Mapping[str, str]) -> Callable[[], None]:
        """Return what adds one to the counter ``name`` again and again."""
        counter = self._counters.get(name)
        if isinstance(counter, CellInstrument):
            return partial(counter.bind(dict(labels)).record, 1)
        return partial(self.count, name, labels)


def assemble(config: Config) -> Pipeline:
    """Build everything ``config`` asks for, and attach the handles to it.

    Raises:
        ConfigurationError: When an overlay, a web configuration or a TLS file is wrong.
    """
    contracts = config.contracts
    streams, views = _views(config)
    own = SelfTelemetry()
    security = _security(config, own)
    readers = build_readers(config, own.count)
    try:
        provider = _provider(config, views, readers.measured)
    except BaseException:
        readers.give_up()
        raise
    violations = Violations(strict=config.strict, count=own.count, bind=own.bind)

    def guard_meter(inner: Meter) -> GuardedMeter:
        if inner.name == catalog.METER_NAME:
            own.attach(inner)
        return _guarded_meter(inner, streams, config, violations, provider)

    for meter in contracts.meters:
        version = __version__ if meter == catalog.METER_NAME else None
        provider.gate(meter, guard_meter, version)
    handles = _handles(config)
    _attach_handles(provider, streams, handles)
    if config.zero_init:
        _start_at_zero(provider, streams, config)
        if readers.pull is not None or config.push_registry:
            own.begin(telemetry.SCRAPE_OMISSIONS_TOTAL)
        if security is not None:
            own.begin(telemetry.SCRAPE_REFUSALS_TOTAL)
    return Pipeline(
        provider=provider,
        readers=readers.every,
        prometheus=readers.pull,
        own=readers.own,
        pushing_for_all=readers.for_all,
        streams=streams,
        telemetry=own,
        security=security,
        handles=handles,
    )


def _handles(config: Config) -> tuple[Handle, ...]:
    """Return all handles that may be attached: Butterfly's, and those of other contracts."""
    if not config.catalogs:
        return HANDLES
    from butterfly_otel.handles.generic import unrendered  # noqa: PLC0415 - only for those

    others = (each for owner in config.catalogs for each in owner.handles)
    own = (each for each in others if isinstance(each, Handle))
    return (*HANDLES, *own, *unrendered(config.catalogs))


def _security(config: Config, own: SelfTelemetry) -> Security | None:
    if "prometheus" not in config.exporters or not config.prometheus.is_secured:
        return None
    from butterfly_otel.exporters.prometheus.securing.security import Security  # noqa: PLC0415

    name = telemetry.SCRAPE_REFUSALS_TOTAL.name
    return Security(config.prometheus, lambda reason: own.count(name, {"reason": reason}))


def _views(config: Config) -> tuple[tuple[Stream, ...], list[View]]:
    """Return what is exported of the contract, and all Views, those of others among them."""
    paths = [each for each in config.views if isinstance(each, PurePath)]
    given = [each for each in config.views if not isinstance(each, PurePath)]
    streams = default_streams(config.contracts)
    file = config.config_file
    if not config.views and file is None:
        return streams, compile_views(streams)
    from butterfly_otel.views import others, overlays, protected  # noqa: PLC0415 - only for those

    known = protected.Protected.of(streams)
    ours = [each for each in given if others.meant_for_contract(each, known)]
    overlaid = overlays.Overlaid(streams)
    if file is not None:
        overlaid = overlays.overlay_with(overlaid, file.views, file.path)
    overlaid = overlays.read_overlays(overlaid.streams, paths, overlaid.others)
    overlaid = overlays.narrowed_by(overlaid, ours)
    rest = [each for each in given if each not in ours]
    return overlaid.streams, compile_views(overlaid.streams, overlaid.others, rest)


def _provider(
    config: Config, views: Sequence[View], readers: Sequence[MetricReader]
) -> GatedMeterProvider:
    settings: dict[str, Any] = {
        "metric_readers": readers,
        "resource": _resource(config),
        "views": views,
        "exemplar_filter": _EXEMPLAR_FILTERS[config.exemplar_filter](),
        "shutdown_on_exit": False,
    }
    if config.engine == "sdk":
        return GatedMeterProvider(**settings)
    return MeterProvider(**settings, time_to_live=dict(config.time_to_live))


def detach_handles(handles: Iterable[Handle] = HANDLES) -> None:
    """Turn handles back into no-ops."""
    for handle in handles:
        if isinstance(handle, SynchronousHandle):
            handle.attach(None)


def _resource(config: Config) -> Resource:
    attributes = {
        **dict(config.resource_attributes),
        "service.namespace": "butterfly",
        "service.name": config.service_name,
        "service.instance.id": config.node_id,
    }
    if config.service_version is not None:
        attributes["service.version"] = config.service_version
    if config.config_file is None:
        return Resource.create(attributes)
    # Without the variables, which a file replaces and that would add.
    return Resource(
        {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": sdk_version,
            **attributes,
        }
    )


def _guarded_meter(
    inner: Meter,
    streams: Sequence[Stream],
    config: Config,
    violations: Violations,
    provider: GatedMeterProvider,
) -> GuardedMeter:
    identity = Identity(config.node_id, config.node_role)
    gates = {
        stream.metric.name: Gate(
            stream=stream,
            guard=LabelGuard(stream, identity, violations, evicting(stream, provider)),
            violations=violations,
            remove_series=partial(end_series, provider),
        )
        for stream in streams
        if stream.meter == inner.name and stream.metric.name not in _UNENFORCED
    }
    return GuardedMeter(inner, gates)


def _attach_handles(
    provider: GatedMeterProvider, streams: Sequence[Stream], handles: Iterable[Handle]
) -> None:
    known = {each.metric.name: each for each in streams}
    for handle in handles:
        stream = known.get(handle.metric.name)
        if stream is None or stream.dropped:
            continue
        guarded = _guarded(provider, stream)
        if isinstance(guarded, GuardedObservable):
            if isinstance(handle, ObservableHandle):
                guarded.listen(handle.source())
        elif isinstance(guarded, Synchronous) and isinstance(handle, SynchronousHandle):
            if handle.metric.label_keys == guarded.stream.metric.label_keys:
                guarded.follow(handle)
                handle.attach(guarded)
            else:
                fewer = Fewer(handle, guarded)
                guarded.follow(fewer)
                handle.attach(fewer)


def _guarded(provider: GatedMeterProvider, stream: Stream) -> Guarded | None:
    """Return the instrument of a stream; None where it is not enforced, or the SDK is disabled."""
    meter = provider.get_meter(stream.meter)
    if not isinstance(meter, GuardedMeter) or stream.metric.name in _UNENFORCED:
        return None
    return meter.guarded(stream.metric.name)


def _start_at_zero(provider: GatedMeterProvider, streams: Sequence[Stream], config: Config) -> None:
    """Create the series whose labels are all known beforehand (docs/contract.md, Labels).

    Counters and up-down counters only: a counter born at 1 never shows in ``rate()``.
    """
    for stream in streams:
        metric = stream.metric
        if stream.dropped or metric.instrument not in {"counter", "up_down_counter"}:
            continue
        narrow = {label.key: label for label in stream.labels}
        known = [_known_values(narrow.get(label.key), config) for label in metric.labels]
        guarded = _guarded(provider, stream) if all(known) else None
        if isinstance(guarded, Synchronous):
            for values in product(*known):
                guarded.target(values)[0].record(0)


def _known_values(label: Label | None, config: Config) -> tuple[str | None, ...]:
    """Return the values a label will have on this node; none where they can't be known."""
    if label is None:  # it is dropped
        return (None,)
    if label.default == "node_role":
        return (None,) if config.node_role in label.values else ()
    if label.default is not None:
        return (None,)
    return label.values if label.kind == "closed" else ()
