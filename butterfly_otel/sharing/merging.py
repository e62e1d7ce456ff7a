"""What several processes have measured, as one collection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.engine.points import CellPoints
from butterfly_otel.process import timing
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.exponential import exponentials
from butterfly_otel.sharing.families import Families
from butterfly_otel.sharing.identity import Identity, is_family, layout_of, parsed
from butterfly_otel.sharing.merged import Merged
from butterfly_otel.sharing.payload import PayloadError, loads, read, unpacked
from butterfly_otel.sharing.placing import Told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Metric as PrometheusMetric

    from butterfly_otel.sharing.modes import Modes
    from butterfly_otel.sharing.payload import Payload, Record

_CUMULATIVE = AggregationTemporality.CUMULATIVE


class Collected(NamedTuple):
    """What all processes have.

    Attributes:
        data: OpenTelemetry metrics; the same series are the same cells as before.
        families: What collectors that are not ours have.
    """

    data: MetricsData
    families: list[PrometheusMetric]


class _Line(NamedTuple):
    """What a first line says, looked at once.

    Attributes:
        content: Its JSON, of a family.
        identity: The metric; None for a family.
        size: How many series there are.
        bounds: Of a histogram.
        non_negative: Whether no value is negative.
    """

    content: dict[str, Any]
    identity: Identity | None
    size: int = 0
    bounds: tuple[float, ...] = ()
    non_negative: bool = False


class _Heard(NamedTuple):
    """A record with what its first line says, and its values."""

    slot: int | None
    leads: bool
    record: Record
    line: _Line
    values: Any


class Merging:
    """Merges again and again, and remembers what repeats. Not thread-safe.

    Args:
        modes: How metrics are merged.
        resource: What the metrics are of.
    """

    def __init__(self, modes: Modes, resource: Resource | None = None) -> None:
        self._modes = modes
        self._resource = resource or Resource({})
        self._lines: dict[bytes, _Line] = {}
        self._merged: dict[Identity, Merged] = {}
        self._scopes: dict[str, InstrumentationScope] = {}
        self._families = Families(modes)

    def merge(self, ended: bytes | None, members: Mapping[int, bytes]) -> Collected:
        """Return what processes have together.

        What can't be read is left out as a whole, and told once.

        Args:
            ended: What those that are gone have left.
            members: What each of the living has, by its slot.
        """
        before, self._lines = self._lines, {}
        by_metric: dict[Identity, list[_Heard]] = {}
        families: list[_Heard] = []
        told: list[tuple[int | None, bytes | None]] = [*sorted(members.items()), (None, ended)]
        for slot, data in told:
            for each in self._heard(slot, data, before) if data is not None else ():
                if each.line.identity is None:
                    families.append(each)
                else:
                    by_metric.setdefault(each.line.identity, []).append(each)
        now = timing.time_ns()
        scopes: dict[str, list[Metric]] = {}
        for identity, heard in by_metric.items():
            metric = self._metric(identity, heard, now)
            if metric is not None:
                scopes.setdefault(identity.scope, []).append(metric)
        self._merged = {key: each for key, each in self._merged.items() if key in by_metric}
        found = [
            (each.slot, each.record.layout, each.line.content, each.values, each.record.exemplars)
            for each in families
        ]
        return Collected(self._data(scopes), self._families.merge(found))

    def _heard(self, slot: int | None, data: bytes, before: Mapping[bytes, _Line]) -> list[_Heard]:
        """Return the records of a process; nothing where one of them can't be read."""
        who = "processes that have ended" if slot is None else f"the process in slot {slot}"
        try:
            payload: Payload = read(data)
            heard = [
                _Heard(
                    *(slot, payload.leads, record),
                    self._line(record.layout, before),
                    loads(record.values),
                )
                for record in payload.records
            ]
            for each in heard:
                _check(each)
        except PayloadError as error:
            log_once(f"metrics of {who} are not shown: {error}")
            return []
        except Exception as error:  # noqa: BLE001 - bytes may be anything
            log_once(f"metrics of {who} are not shown: they can't be read", error=error)
            return []
        return heard

    def _line(self, layout: bytes, before: Mapping[bytes, _Line]) -> _Line:
        line = self._lines.get(layout) or before.get(layout)
        if line is None:
            content = parsed(layout)
            if is_family(content):
                line = _Line(content, None)
            else:
                told = layout_of(content)
                line = _Line(
                    {},
                    told.identity,
                    len(told.rows),
                    tuple(content["bounds"]),
                    content["non_negative"],
                )
        self._lines[layout] = line
        return line

    def _metric(self, identity: Identity, heard: list[_Heard], now: int) -> Metric | None:
        try:
            if identity.kind == "exponential":
                return self._exponential(identity, heard, now)
            merged = self._merged.get(identity)
            if merged is None:
                merged = self._merged[identity] = Merged(
                    identity,
                    self._modes.of(identity),
                    self._modes.time_to_live(identity.name),
                )
            merged.fit([(each.line.bounds, each.line.non_negative) for each in heard])
            cells = merged.merge([_told(each, merged) for each in heard])
            if not cells:
                return None
            points: Any = CellPoints(
                merged.table, list(cells), merged.table.epoch, now, merged.sampled
            )
            return _metric(identity, merged.description, points)
        except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
            self._merged.pop(identity, None)
            log_once(f"the metric {identity.name} of all processes is not shown", error=error)
            return None

    def _exponential(self, identity: Identity, heard: list[_Heard], now: int) -> Metric | None:
        layouts = [layout_of(parsed(each.record.layout)) for each in heard]
        points: Any = exponentials(
            [(layout, each.values) for layout, each in zip(layouts, heard, strict=True)], now
        )
        description = layouts[0].description
        data = ExponentialHistogram(points, _CUMULATIVE)
        return Metric(identity.name, description, identity.unit, data) if points else None

    def _data(self, scopes: Mapping[str, list[Metric]]) -> MetricsData:
        found: list[ScopeMetrics] = []
        for text, metrics in scopes.items():
            if text not in self._scopes:
                name, version, schema, attributes = loads(text)
                self._scopes[text] = InstrumentationScope(
                    name, version, schema, unpacked(attributes)
                )
            scope = self._scopes[text]
            found.append(ScopeMetrics(scope, metrics, scope.schema_url or ""))
        self._scopes = {text: each for text, each in self._scopes.items() if text in scopes}
        resource = self._resource
        return MetricsData([ResourceMetrics(resource, found, resource.schema_url)])


def settled(data: MetricsData) -> MetricsData:
    """Return a collection whose points stay as they are, for an exporter that may keep it."""
    return MetricsData(
        [
            replace(each, scope_metrics=[*map(_settled, each.scope_metrics)])
            for each in data.resource_metrics
        ]
    )


def _settled(scope: ScopeMetrics) -> ScopeMetrics:
    metrics: list[Metric] = []
    for each in scope.metrics:
        data: Any = each.data
        metrics.append(replace(each, data=replace(data, data_points=list(data.data_points))))
    return replace(scope, metrics=metrics)


def _check(heard: _Heard) -> None:
    """Refuse values that are not as many as the series: all of a process is read, or nothing."""
    line, values = heard.line, heard.values
    if line.identity is None:
        return
    kind = line.identity.kind
    if kind == "histogram":
        fits = len(values[0]) == line.size * (len(line.bounds) + 1)
        fits = fits and all(each is None or len(each) == line.size for each in values[1:])
    else:
        fits = len(values[0] if kind == "gauge" else values) == line.size
    if not fits:
        raise PayloadError("there are not as many values as series")


def _told(heard: _Heard, merged: Merged) -> Told:
    line = heard.record.layout
    placed = merged.place(line, None) or merged.place(line, layout_of(parsed(line)))
    assert placed is not None  # noqa: S101 - for type checkers
    return Told(heard.slot, heard.leads, placed, heard.values, heard.record.exemplars)


def _metric(identity: Identity, description: str, points: Any) -> Metric:  # noqa: ANN401
    data: Any
    if identity.kind == "gauge":
        data = Gauge(points)
    elif identity.kind == "histogram":
        data = Histogram(points, _CUMULATIVE)
    else:
        data = Sum(points, _CUMULATIVE, identity.kind == "counter")
    return Metric(identity.name, description, identity.unit, data)
