"""One node: the pipeline that ``configure()`` builds, so often that a process can have thousands.

The engine, enforcement, Views and the Prometheus exporter are those of production. What is not
there is what a process has once: handles, signals, collectors of hardware.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from butterfly_otel import catalog
from butterfly_otel.catalog import telemetry
from butterfly_otel.enforcement.guard import Identity, LabelGuard
from butterfly_otel.enforcement.guarded import Gate
from butterfly_otel.enforcement.meter import GuardedMeter
from butterfly_otel.enforcement.observable import GuardedObservable
from butterfly_otel.enforcement.violations import Violations
from butterfly_otel.engine import MeterProvider
from butterfly_otel.engine.cells import LastValueCell
from butterfly_otel.engine.histograms import HistogramCell
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.loadtest.page import Page
from butterfly_otel.runtime.removal import end_series, evicting
from butterfly_otel.version import __version__
from butterfly_otel.views.compiled import compile_views
from butterfly_otel.views.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.metrics import Counter, Meter, Observation

    from butterfly_otel.catalog.model import InstrumentKind

#: What tells of violations on each node; counted by the node itself, not driven.
OWN = (
    telemetry.LABEL_VIOLATIONS_TOTAL,
    telemetry.INVALID_MEASUREMENTS_TOTAL,
    telemetry.CALLBACK_ERRORS_TOTAL,
)
_METHODS: dict[InstrumentKind, str] = {
    "counter": "add",
    "up_down_counter": "add",
    "gauge": "set",
    "histogram": "record",
}


class Node:
    """A node of a cluster. Measured from one thread, scraped from any.

    Args:
        streams: The metrics it has, all of one meter, and what is exported of them.
        node_id: Its name.
        node_role: Its role.

    Attributes:
        ended: What the series had that have ended, by metric; a gauge's count 1 each.
    """

    def __init__(self, streams: Sequence[Stream], node_id: str, node_role: str) -> None:
        own = [each for each in OWN if all(each.name != one.metric.name for one in streams)]
        self.streams = tuple(streams)
        meter = streams[0].meter if streams else catalog.METER_NAME
        self.node_id, self.node_role = node_id, node_role
        self.ended: dict[str, float] = {}
        exact = {stream.metric.name for stream in streams if stream.metric.exact}
        exact |= {metric.name for metric in OWN}
        self.reader = PrometheusMetricReader(
            registry=CollectorRegistry(),
            verbatim=lambda scope, name: scope == meter and name in exact,
        )
        self._counters: dict[str, Counter] = {}
        self._provider = MeterProvider(
            metric_readers=[self.reader],
            resource=Resource({"service.name": "butterfly", "service.instance.id": node_id}),
            views=compile_views([*streams, *(Stream.of(each, meter) for each in own)]),
            shutdown_on_exit=False,
        )
        self._provider.gate(meter, self._guarded, __version__)
        guarded = self._provider.get_meter(meter)
        if not isinstance(guarded, GuardedMeter):
            msg = "the load test measures nothing while OTEL_SDK_DISABLED is set; unset it"
            raise TypeError(msg)
        self._meter = guarded

    def measure(self, name: str) -> Callable[[Any, dict[str, str]], None]:
        """Return what measures a metric: an amount and labels, as OpenTelemetry's API takes them.

        Raises:
            KeyError: When it has no such metric, or callbacks observe it.
        """
        guarded = self._meter.guarded(name)
        method: Callable[[Any, dict[str, str]], None]
        method = getattr(guarded, _METHODS[guarded.stream.metric.instrument])
        return method

    def observe(self, name: str, callback: Callable[[], Sequence[Observation]]) -> None:
        """Let a callback be asked for a metric at each collection."""
        guarded = self._meter.guarded(name)
        if isinstance(guarded, GuardedObservable):
            guarded.add_callback(lambda _options: callback())

    def remove(self, name: str, labels: Sequence[object]) -> None:
        """End a series."""
        guarded: Any = self._meter.guarded(name)
        guarded.remove(labels)

    def page(self) -> Page:
        """Return its page, in text 0.0.4."""
        return Page(self.render())

    def render(self) -> str:
        """Return the same as text."""
        return self.reader.render()[1].decode()

    def close(self) -> None:
        """End it."""
        self._provider.shutdown()

    def _guarded(self, inner: Meter) -> GuardedMeter:
        self._counters = {
            metric.name: inner.create_counter(metric.name, metric.unit, metric.help)
            for metric in OWN
        }
        violations = Violations(strict=False, count=self._count, bind=self._bind)
        identity = Identity(self.node_id, self.node_role)
        gates = {
            stream.metric.name: Gate(
                stream=stream,
                guard=LabelGuard(stream, identity, violations, evicting(stream, self._provider)),
                violations=violations,
                remove_series=partial(self._remove_series, stream.metric.name),
            )
            for stream in self.streams
        }
        return GuardedMeter(inner, gates)

    def _count(self, name: str, labels: Mapping[str, str]) -> None:
        self._counters[name].add(1, dict(labels))

    def _bind(self, name: str, labels: Mapping[str, str]) -> Callable[[], None]:
        counter = self._counters[name]
        if isinstance(counter, CellInstrument):
            return partial(counter.bind(dict(labels)).record, 1)
        return partial(self._count, name, labels)

    def _remove_series(
        self, name: str, instrument: object, attributes: Mapping[str, object], *, exactly: bool
    ) -> None:
        """End series as production does, and note first what they had."""
        if isinstance(instrument, CellInstrument):
            cell: Any = instrument.lead(dict(attributes))
            if cell.live:
                self.ended[name] = self.ended.get(name, 0) + _held(cell)
        end_series(self._provider, instrument, attributes, exactly=exactly)


def _held(cell: Any) -> float:  # noqa: ANN401 - a cell of any kind
    """Return what a series has: its sum, how many values a histogram counted, 1 of a gauge."""
    if isinstance(cell, LastValueCell):
        return 1
    if isinstance(cell, HistogramCell):
        return sum(cell.read()[0])
    value: float = cell.read()
    return value
