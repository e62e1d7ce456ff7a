"""Which metrics of a registry a producer has, whatever its collectors do."""

from __future__ import annotations

import gc
import threading
from time import monotonic
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader as OfficialReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, Counter, Gauge, Info, multiprocess

from butterfly_otel.engine import MeterProvider as OurMeterProvider
from butterfly_otel.exporters.bridge import PrometheusMetricProducer
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from tests.unit.exporters.bridge.bridged import Custom, family, point, produced


def register(registry: CollectorRegistry, collect: Any) -> None:
    """Register a custom collector."""
    registry.register(Custom(collect))  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", [MeterProvider, OurMeterProvider])
def test_opentelemetry_s_own_metrics_are_not_exported_again(engine: Any) -> None:
    """Several readers of ours, of whatever provider, are registered; their metrics have readers."""
    registry = CollectorRegistry()
    Gauge("theirs", "T.", registry=registry).set(1)
    readers = [PrometheusMetricReader(registry=registry) for _ in range(2)]
    providers = [engine([reader], shutdown_on_exit=False) for reader in readers]
    asked: list[Any] = []
    for number, provider in enumerate(providers):
        meter = provider.get_meter("m")
        meter.create_counter(f"ours_{number}").add(1)
        meter.create_observable_gauge("observed", [lambda given: asked.append(given) or []])
    assert produced(PrometheusMetricProducer(registry)).keys() == {"theirs"}
    assert not asked
    for provider in providers:
        provider.shutdown()


def test_nor_where_the_registry_does_not_tell_its_collectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked as a whole then, and what is ours is known by what it gives."""
    registry = CollectorRegistry()
    Gauge("theirs", "T.", registry=registry).set(1)
    reader = PrometheusMetricReader(registry=registry)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("ours").add(1)
    monkeypatch.setattr(
        "butterfly_otel.exporters.prometheus.writing.others.collectors_of", lambda known: [known]
    )
    assert produced(PrometheusMetricProducer(registry)).keys() == {"theirs"}
    provider.shutdown()


def test_nor_those_of_the_official_exporter() -> None:
    """Its collector isn't even asked: asking takes deltas from its reader."""
    registry = CollectorRegistry()
    reader = OfficialReader()
    # Older releases know the global registry alone.
    registry.register(reader._collector)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("official").add(1)
    Gauge("theirs", "T.", registry=registry).set(1)
    assert produced(PrometheusMetricProducer(registry)).keys() == {"theirs"}
    provider.shutdown()


def test_a_collector_that_raises_costs_its_own_metrics_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it gave before stands; it is counted each time and logged once."""
    registry = CollectorRegistry()
    reasons: list[str] = []

    def broken() -> Any:
        yield family("before", "gauge", ("", {}, 1))
        raise SystemExit

    register(registry, broken)
    Gauge("after", "A.", registry=registry).set(1)
    producer = PrometheusMetricProducer(registry, on_omission=reasons.append)
    for _ in range(2):
        assert produced(producer).keys() == {"before", "after"}
    assert reasons == ["failed_collector"] * 2
    assert producer.omissions == {"failed_collector": 2}
    assert len(caplog.records) == 1


def test_a_collector_that_hangs_costs_its_own_metrics_alone() -> None:
    """It is left to itself when time is up, and not asked again meanwhile."""
    registry = CollectorRegistry()
    go_on = threading.Event()
    asked: list[int] = []

    def hanging() -> Any:
        asked.append(1)
        go_on.wait(60)
        return []

    register(registry, hanging)
    Gauge("other", "O.", registry=registry).set(1)
    producer = PrometheusMetricProducer(registry, timeout=0.3)
    rounds: list[set[str]] = []
    try:
        # On a busy machine the other one may be late at first as well.
        until = monotonic() + 60
        while rounds[-2:] != [{"other"}, {"other"}]:
            assert monotonic() < until, rounds
            rounds.append(set(produced(producer)))
        assert producer.omissions["slow_collector"] >= 2
        assert len(asked) == 1
    finally:
        go_on.set()


@pytest.mark.parametrize("broken", [object(), None, "text", 7])
def test_what_is_no_family_costs_no_other(broken: Any) -> None:
    """A collector may yield anything."""
    registry = CollectorRegistry()
    register(registry, lambda: [broken, family("good", "gauge", ("", {}, 1))])
    producer = PrometheusMetricProducer(registry)
    assert produced(producer).keys() == {"good"}
    assert producer.omissions == {"broken_metric": 1}


def test_a_family_whose_values_are_none_costs_no_other() -> None:
    """A value that isn't a number is found when the family is read."""
    registry = CollectorRegistry()
    register(
        registry,
        lambda: [family("bad", "gauge", ("", {}, "x")), family("good", "gauge", ("", {}, 1))],
    )
    producer = PrometheusMetricProducer(registry)
    assert produced(producer).keys() == {"good"}
    assert producer.omissions == {"broken_metric": 1}


def test_families_of_one_name() -> None:
    """Those of one type are one metric, series of both added; another type is left out, told."""
    registry = CollectorRegistry()
    for value in (1, 2):
        samples = [("_total", {}, value), ("_total", {"k": str(value)}, value)]
        register(registry, lambda samples=samples: [family("c", "counter", *samples)])
    register(registry, lambda: [family("c_total", "gauge", ("", {}, 9))])
    producer = PrometheusMetricProducer(registry)
    metrics = produced(producer)
    assert metrics.keys() == {"c_total"}
    values = {str(each.attributes): each.value for each in metrics["c_total"].data.data_points}
    assert values == {"{}": 3, "{'k': '1'}": 1, "{'k': '2'}": 2}
    assert producer.problems == {"name_clash": 1}


def test_reserved_names_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """So that nothing adds to a metric that somebody else answers for; it is logged once."""
    registry = CollectorRegistry()
    Counter("taken", "T.", registry=registry).inc()
    Gauge("free", "F.", registry=registry).set(1)
    producer = PrometheusMetricProducer(registry, reserved={"taken_total"}.__contains__)
    for _ in range(2):
        assert produced(producer).keys() == {"free"}
    assert [each.getMessage() for each in caplog.records] == [
        "Metric taken_total is not exported: its name is taken"
    ]


def test_target_info_is_not_exported() -> None:
    """Neither a registry's own nor an Info of that name: a resource says what they say."""
    registry = CollectorRegistry(target_info={"service": "x"})
    Gauge("other", "O.", registry=registry).set(1)
    assert produced(PrometheusMetricProducer(registry)).keys() == {"other"}
    registry = CollectorRegistry()
    Info("target", "T.", registry=registry).info({"a": "b"})
    Gauge("other", "O.", registry=registry).set(1)
    assert produced(PrometheusMetricProducer(registry)).keys() == {"other"}


def test_an_empty_registry_has_no_scope() -> None:
    """There is nothing to say, so nothing is said."""
    assert PrometheusMetricProducer(CollectorRegistry()).produce() == []


def test_the_scope_is_the_bridge_s_own() -> None:
    """Backends tell by it what has come over the bridge."""
    registry = CollectorRegistry()
    Gauge("other", "O.", registry=registry).set(1)
    [scope] = PrometheusMetricProducer(registry).produce()
    assert scope.scope.name == "butterfly_otel.exporters.bridge"
    assert scope.scope.version


# prometheus_client leaves the files of its values open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_files_that_processes_share(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A MultiProcessCollector is a collector as any other; its values have starts and resets."""
    from prometheus_client import values  # noqa: PLC0415 - only here

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(
        "prometheus_client.metrics.values.ValueClass", values.MultiProcessValue(lambda: 1)
    )
    Counter("vllm:requests", "R.", registry=CollectorRegistry()).inc(2)
    monkeypatch.setattr(
        "prometheus_client.metrics.values.ValueClass", values.MultiProcessValue(lambda: 2)
    )
    Counter("vllm:requests", "R.", registry=CollectorRegistry()).inc(3)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    producer = PrometheusMetricProducer(registry)
    assert point(producer, "vllm:requests_total").value == 5
    before = point(producer, "vllm:requests_total")
    for each in tmp_path.glob("*_2.db"):
        each.unlink()
    after = point(producer, "vllm:requests_total")
    assert (after.value, after.start_time_unix_nano) == (2, before.time_unix_nano)
    # Here, where the warning is expected, and not in whichever test comes next.
    monkeypatch.undo()
    del registry, producer
    gc.collect()
