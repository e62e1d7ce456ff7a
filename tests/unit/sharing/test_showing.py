"""A reader that shares: caches, exemplars, target_info, both engines, forks."""

from __future__ import annotations

import os
from typing import Any

import pytest
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import Counter

from butterfly_otel.engine import MeterProvider
from butterfly_otel.engine.sdk_internals import StockMeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.serving.app import make_wsgi_app
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.showing import MetricsContent, Showing, Together
from tests.unit.sharing.node import Node, lines, text, value

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ENGINES = pytest.mark.parametrize("engine", [MeterProvider, StockMeterProvider])


def in_span(trace: int) -> Any:
    """Return a context with a sampled span."""
    span = SpanContext(trace, 1, is_remote=False, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(span))


@ENGINES
def test_snapshots_do_not_take_the_exemplars_that_a_scrape_is_to_show(engine: Any) -> None:
    """However often a process told of its metrics, its newest exemplars are still there."""
    node = Node()
    for trace in (1, 2):
        process = node.start(provider=engine)
        process.meter.create_counter("things").add(1, context=in_span(trace))
        process.meter.create_histogram("sizes").record(3 * trace, context=in_span(trace))
        for _ in range(3):
            process.content.snapshot()
    for process in node.processes.values():
        for _ in range(2):
            shown = text(process, OPENMETRICS)
            [counter] = [line for line in shown.splitlines() if line.startswith("things_total")]
            assert f'trace_id="{2:032x}"' in counter
            [first] = [line for line in shown.splitlines() if 'sizes_bucket{le="5.0"}' in line]
            [second] = [line for line in shown.splitlines() if 'sizes_bucket{le="10.0"}' in line]
            assert f'trace_id="{1:032x}"' in first
            assert f'trace_id="{2:032x}"' in second
            assert "trace_id" not in text(process)


def test_a_newer_exemplar_takes_the_place_of_an_older_one() -> None:
    """Also of one that a process has left behind."""
    node = Node()
    first, second = node.start(), node.start()
    counter = first.meter.create_counter("things")
    counter.add(1, context=in_span(1))
    second.meter.create_counter("things").add(1, context=in_span(2))
    assert f"{2:032x}" in text(first, OPENMETRICS)
    node.end(1)
    assert f"{2:032x}" in text(first, OPENMETRICS)
    counter.add(1, context=in_span(3))
    assert f"{3:032x}" in text(first, OPENMETRICS)


@ENGINES
def test_attributes_of_exemplars_are_kept(engine: Any) -> None:
    """What a View has dropped is shown beside the exemplar of whichever process."""
    from opentelemetry.sdk.metrics.view import View  # noqa: PLC0415

    view = View(instrument_name="things", attribute_keys={"kind"})
    node = Node()
    for slot in range(2):
        process = node.start(
            provider=engine, views=[view], exemplar_filter=AlwaysOnExemplarFilter()
        )
        process.meter.create_counter("things").add(1, {"kind": "a", "user": f"u{slot}"})
    assert 'user="u1"' in text(node.processes[0], OPENMETRICS)


@ENGINES
def test_both_engines_are_merged(engine: Any) -> None:
    """What the stock SDK measures is told as well, and by the same process as ours."""
    node = Node()
    for provider in (engine, MeterProvider):
        meter = node.start(provider=provider).meter
        meter.create_counter("things").add(2, {"a": "x"})
        meter.create_histogram("sizes").record(3)
        meter.create_gauge("level").set(4)
    process = node.processes[0]
    assert value(process, 'things_total{a="x"}') == 4
    assert value(process, "sizes_count") == 2
    assert value(process, "level") == 4


def test_target_info_comes_once() -> None:
    """It is that of the process that answers."""
    modes = Modes()
    readers, contents = [], []
    for _ in range(2):
        from prometheus_client import CollectorRegistry  # noqa: PLC0415

        reader = PrometheusMetricReader(registry=CollectorRegistry(), scope_info_enabled=False)
        provider = MeterProvider([reader], Resource({"service.name": "s"}), shutdown_on_exit=False)
        provider.get_meter("app").create_counter("things").add(1)
        readers.append((reader, provider))
        contents.append(MetricsContent(reader, modes, lambda: False))

    class Told:
        ended = None
        late = ()

        @property
        def members(self) -> dict[int, bytes]:
            return {slot: each.snapshot() for slot, each in enumerate(contents)}

    for reader, _ in readers:
        reader.share(Showing(reader, modes, lambda _: Told()))
    shown = readers[1][0].render()[1].decode()
    assert shown.count("\ntarget_info{") == 1
    assert "things_total 2.0" in shown


def test_applications_show_all_processes_and_may_go_back() -> None:
    """The WSGI application asks the same reader; after share(None) it shows its own process."""
    node = Node()
    for _ in range(2):
        process = node.start()
        process.meter.create_counter("things").add(1)
        Counter("jobs", "Jobs.", registry=process.registry).inc()
    statuses: list[str] = []
    application = make_wsgi_app(process.reader)

    def scrape() -> bytes:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}
        return b"".join(application(environ, lambda status, _: statuses.append(status)))

    assert b"things_total 2.0" in (shown := scrape())
    assert b"jobs_total 2.0" in shown
    process.reader.share(None)
    assert b"things_total 1.0" in (shown := scrape())
    assert b"jobs_total 1.0" in shown
    assert statuses == ["200 OK"] * 2


def test_a_collection_that_fails_costs_no_total() -> None:
    """Where the stock SDK lets a callback's exception out, what was told last stands."""
    node = Node()
    broken = False

    def observe(_: Any) -> list[Any]:
        if broken:
            raise KeyError
        return []

    process = node.start(provider=StockMeterProvider)
    process.meter.create_counter("things").add(3)
    process.meter.create_observable_gauge("level", [observe])
    assert value(process, "things_total") == 3
    broken = True
    assert value(process, "things_total") == 3


def test_what_is_pushed_for_a_node_is_cumulative_and_does_not_change() -> None:
    """The official encoder takes it, with the first start and the exemplars of all."""
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import (  # noqa: PLC0415
        encode_metrics,
    )

    node = Node()
    for _ in range(2):
        process = node.start()
        counter = process.meter.create_counter("things")
        counter.add(1, context=in_span(1))
        process.meter.create_histogram("sizes").record(3)
        process.meter.create_gauge("level").set(4)
    resource = Resource({"service.name": "node"})
    together = Together(node.modes, node.told, resource)
    first = together.collect()
    counter.add(5)
    second = together.collect()
    found = []
    for data in (first, second):
        [of_resource] = encode_metrics(data).resource_metrics
        [scope] = of_resource.scope_metrics
        assert [each.name for each in scope.metrics] == ["things", "sizes", "level"]
        [point] = scope.metrics[0].sum.data_points
        found.append((point.as_int, point.start_time_unix_nano, len(point.exemplars)))
        assert scope.metrics[1].histogram.data_points[0].count == 2
    assert [each[0] for each in found] == [2, 7]
    assert found[0][1] == found[1][1] > 0
    assert found[0][2] == 1
    assert first.resource_metrics[0].resource is resource


def test_a_process_that_shut_down_shows_nothing_and_raises_nothing() -> None:
    """Its registry is empty then, as without sharing."""
    node = Node()
    process = node.start()
    process.meter.create_counter("things").add(1)
    assert lines(process) == ["things_total 1.0"]
    process.reader.shutdown()
    assert lines(process) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork")
def test_a_forked_child_has_told_nothing_yet() -> None:
    """Neither what its parent measured nor series that its parent has removed are its own."""
    node = Node()
    process = node.start()
    counter: Any = process.meter.create_counter("things")
    counter.add(5, {"key": "a"})
    counter.add(5, {"key": "b"})
    jobs = Counter("jobs", "Jobs.", registry=process.registry)
    jobs.inc(7)
    process.content.snapshot()
    counter.clear()
    process.content.snapshot()
    jobs.inc(4)  # nobody has been told of these when the child is forked
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        counter.add(1, {"key": "c"})
        jobs.inc(2)
        os.write(writing, process.content.snapshot())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert b'["c"]' in told
    assert b"[[2.0," in told  # what prometheus_client went on counting from its parent's 11
    assert b'["a"]' not in told
