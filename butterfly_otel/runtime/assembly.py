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

from butterfly_otel import catalog
from butterfly_otel.catalog import telemetry
from butterfly_otel.enforcement.guard import Identity, LabelGuard
from butterfly_otel.enforcement.guarded import Gate
from butterfly_otel.enforcement.meter import GuardedMeter
from butterfly_otel.enforcement.violations import Violations
from butterfly_otel.engine import GatedMeterProvider, MeterProvider
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.runtime.attaching import UNENFORCED, attach, handles_of, start_at_zero
from butterfly_otel.runtime.readers import build_readers
from butterfly_otel.runtime.removal import end_series, evicting
from butterfly_otel.version import __version__
from butterfly_otel.views.compiled import compile_views
from butterfly_otel.views.streams import default_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.metrics import Counter, Meter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.exporters.prometheus.securing.security import Security
    from butterfly_otel.handles.handles import Handle
    from butterfly_otel.settings.config import Config, ExemplarFilter
    from butterfly_otel.views.streams import Stream


_EXEMPLAR_FILTERS: Mapping[ExemplarFilter, Callable[[], Any]] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}


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
    handles = handles_of(config)
    attach(provider, streams, handles)
    if config.zero_init:
        start_at_zero(provider, streams, config)
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
        if stream.meter == inner.name and stream.metric.name not in UNENFORCED
    }
    return GuardedMeter(inner, gates)
