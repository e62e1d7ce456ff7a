"""Sources in their threads: series appear, one that hangs harms nothing, and all of it ends."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.collectors import Extension, Reading
from butterfly_otel.lint import check_exposition
from tests.conftest import Measured
from tests.unit.collectors.support import (
    CPU,
    PATIENCE,
    TEMPERATURE,
    FakeSource,
    Hang,
    eventually,
    gone,
)
from tests.unit.engine.test_fork import in_child

Start = Callable[..., Measured]

UP = "butterfly_otel_collector_up"
ERRORS = "butterfly_otel_collector_errors_total"


def threads() -> set[str]:
    """Return the names of the collectors' threads that are running."""
    names = (thread.name for thread in threading.enumerate())
    return {name for name in names if name.startswith("butterfly-otel-collector")}


@pytest.fixture
def hang() -> Iterator[Hang]:
    """Return what a source hangs in; released at the end, whatever happens."""
    hang = Hang()
    yield hang
    hang.released.set()
    butterfly_otel.shutdown()
    eventually(lambda: threads() == set())


def gpu(**settings: Any) -> FakeSource:
    """Return a fake source of a GPU's temperature."""
    reading = Reading(TEMPERATURE, 60, {"gpu_id": "0"})
    return FakeSource(reading, name="gpu", metrics=(TEMPERATURE,), **settings)


def test_readings_become_series_of_this_node(start: Start) -> None:
    """Soon after configure(), with the node's own name and the collector's state."""
    measured = start(collectors=[FakeSource()])
    eventually(
        lambda: measured.value(CPU, core="", node_id="coordinator-1") == 0.5,
    )
    assert measured.value(UP, collector="fake") == 1
    assert measured.value("butterfly_otel_collector_age_seconds", collector="fake") is not None
    duration = measured.value("butterfly_otel_collector_duration_seconds", collector="fake")
    assert duration is not None
    assert 0 <= duration < PATIENCE


def test_the_guard_applies_to_readings(start: Start) -> None:
    """A source is trusted no more than an application is."""
    name = "butterfly_gpu_memory_bytes"
    readings = (
        Reading(name, 7, {"gpu_id": "0", "state": "hidden"}),
        Reading(name, float("nan"), {"gpu_id": "0", "state": "used"}),
    )
    measured = start(collectors=[FakeSource(*readings, metrics=(name,))])
    node = {"gpu_id": "0", "node_id": "coordinator-1"}
    eventually(
        lambda: measured.values(name) == {tuple(sorted({**node, "state": "other"}.items())): 7}
    )
    assert measured.value(
        "butterfly_otel_invalid_measurements_total", metric=name, reason="not_finite"
    )


def test_own_metrics_of_sources_have_the_node_and_a_budget(start: Start) -> None:
    """A memory limit needs no label, and a device's state is one series a device."""
    limit, device = "butterfly_otel_memory_limit_bytes", "butterfly_otel_device_up"
    source = FakeSource(
        Reading(limit, 8e9, {}),
        *(Reading(device, 1, {"collector": "fake", "device": f"d{n}"}) for n in range(70)),
        metrics=(limit, device),
    )
    measured = start(collectors=[source])
    eventually(lambda: measured.value(limit, node_id="coordinator-1") == 8e9)
    # 64 devices and `other`.
    assert len(measured.points(device)) == 65


def test_several_sources_may_yield_one_metric(start: Start) -> None:
    """Pools of one metric come from whoever knows them; one source's failure is its own."""
    name = "butterfly_memory_allocated_bytes"

    def pool(pool: str) -> FakeSource:
        reading = Reading(name, 1, {"pool": pool})
        return FakeSource(reading, name=f"memory-{pool}", metrics=(name,))

    measured = start(strict=True, collectors=[pool("model"), pool("wrong"), pool("system")])
    eventually(
        lambda: {dict(each)["pool"] for each in measured.values(name)} == {"model", "system"}
    )
    assert measured.value("butterfly_otel_callback_errors_total", metric=name)


def test_extensions_are_measured_beside_the_contract(start: Start) -> None:
    """Metrics outside the catalogue go by a meter of their own, from every source that has them."""

    class Powered(FakeSource):
        extensions = (
            Extension("hw.power", "observable_gauge", "W", "Power drawn."),
            Extension("hw.energy", "observable_counter", "J", "Energy used."),
        )

    measured = start(
        exporter="prometheus",
        prometheus_port=0,
        collectors=[
            Powered(Reading("hw.power", 250, {"hw.id": "0"}), name="a"),
            Powered(
                Reading("hw.power", 300, {"hw.id": "1"}),
                Reading("hw.energy", 9, {}),
                name="b",
            ),
        ],
    )
    eventually(lambda: measured.value("hw.energy") == 9)
    eventually(
        lambda: measured.values("hw.power") == {(("hw.id", "0"),): 250, (("hw.id", "1"),): 300}
    )
    text = scrape(measured)
    assert 'hw_power_watts{hw_id="0"} 250.0' in text
    assert "hw_energy_joules_total 9.0" in text
    data = measured.reader.get_metrics_data()
    assert data is not None
    scopes = {scope.scope.name for scope in data.resource_metrics[0].scope_metrics}
    assert "butterfly_otel.hardware" in scopes


def scrape(measured: Measured) -> str:
    """Return what the endpoint serves."""
    with urllib.request.urlopen(str(measured.runtime.prometheus_url), timeout=10) as answer:
        return str(answer.read().decode())


def test_a_source_that_hangs_harms_nothing_and_recovers(start: Start, hang: Hang) -> None:
    """Its series end and it is down; all others go on, scrapes too; then it is back."""
    stuck = gpu(interval=0.02, deadline=0.05)
    sound = FakeSource(interval=0.02)
    measured = start(collectors=[stuck, sound], exporter="prometheus", prometheus_port=0)
    node = {"node_id": "coordinator-1"}
    eventually(lambda: measured.value(TEMPERATURE, gpu_id="0", **node) == 60)

    stuck.pause = hang
    eventually(lambda: measured.value(UP, collector="gpu") == 0)
    eventually(lambda: measured.value(ERRORS, collector="gpu", reason="timeout") == 1)
    eventually(lambda: measured.points(TEMPERATURE) == [])
    rounds = sound.calls["read"]
    eventually(lambda: sound.calls["read"] > rounds + 5)
    text = scrape(measured)
    assert 'butterfly_cpu_usage_ratio{core="",node_id="coordinator-1"} 0.5' in text
    assert TEMPERATURE not in text
    assert 'butterfly_otel_collector_up{collector="gpu"} 0.0' in text
    assert measured.value(ERRORS, collector="gpu", reason="timeout") == 1

    stuck.pause = lambda: None
    hang.released.set()
    eventually(lambda: measured.value(TEMPERATURE, gpu_id="0", **node) == 60)
    assert measured.value(UP, collector="gpu") == 1
    assert stuck.calls["open"] == 1
    assert len(stuck.threads) == 1


def test_configure_does_not_wait_for_hardware(start: Start, hang: Hang) -> None:
    """A driver that hangs when it is opened delays neither configure() nor other sources."""

    class Stuck(FakeSource):
        def open(self) -> None:
            hang()

    measured = start(collectors=[Stuck(name="stuck"), FakeSource()])
    assert hang.entered.wait(PATIENCE)
    eventually(lambda: measured.value(UP, collector="fake") == 1)
    assert measured.value(UP, collector="stuck") is None


def test_an_own_source_keeps_its_interval(start: Start) -> None:
    """The setting is for the collectors that ship with the package."""
    measured = start(collectors=["cpu", FakeSource(interval=7)], sampling_interval=3)
    collection = measured.runtime._duties.collection
    assert collection is not None
    assert [worker.interval for worker in collection.sampler.workers] == [3, 7]


def test_shutdown_ends_every_thread_and_closes_every_source(start: Start) -> None:
    """Nothing is left: no thread, no open source, no callback on a handle."""
    sources = [FakeSource(name=f"s{number}") for number in range(3)]
    measured = start(collectors=sources)
    eventually(lambda: len(measured.points(UP)) == 3)
    assert threads() == {
        "butterfly-otel-collector-s0",
        "butterfly-otel-collector-s1",
        "butterfly-otel-collector-s2",
        "butterfly-otel-collectors",
    }
    butterfly_otel.shutdown()
    assert threads() == set()
    assert [source.calls["close"] for source in sources] == [1, 1, 1]
    assert butterfly_otel.metrics.cpu_usage_ratio.registrations == ()
    again = start(collectors="none")
    assert (again.points(CPU), again.points(UP)) == ([], [])


def test_threads_have_ended_when_shutdown_returns(start: Start) -> None:
    """A round that is under way is waited for; it ends soon, unlike one that hangs."""
    busy = Hang()
    source = FakeSource()
    source.pause = busy
    start(collectors=[source])
    assert busy.entered.wait(PATIENCE)
    threading.Timer(0.05, busy.released.set).start()
    butterfly_otel.shutdown()
    assert threads() == set()
    assert source.calls["close"] == 1


def test_shutdown_does_not_wait_for_a_source_that_hangs(start: Start, hang: Hang) -> None:
    """It returns with the source still in its call, which ends and closes when it can."""
    stuck = gpu(deadline=0.01)
    stuck.pause = hang
    measured = start(collectors=[stuck])
    eventually(lambda: measured.value(ERRORS, collector="gpu", reason="timeout") == 1)
    # Well below PATIENCE, after which the source would return by itself.
    butterfly_otel.shutdown(timeout=PATIENCE)
    assert not hang.released.is_set()
    assert "butterfly-otel-collector-gpu" in threads()
    assert stuck.calls["close"] == 0
    hang.released.set()
    eventually(lambda: stuck.calls["close"] == 1)


class KeepingExporter(MetricExporter):
    """Keeps the names of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> MetricExportResult:
        del timeout_millis
        for scope in metrics_data.resource_metrics[0].scope_metrics:
            self.names.extend(metric.name for metric in scope.metrics)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        pass


def test_what_was_read_last_is_in_the_last_export() -> None:
    """shutdown() exports the readings once more."""
    exporter, source = KeepingExporter(), FakeSource()
    runtime = butterfly_otel.configure(
        node_id="n",
        node_role="compute",
        exporter="none",
        handle_signals=False,
        collectors=[source],
        metric_readers=[PeriodicExportingMetricReader(exporter, 3_600_000)],
    )
    eventually(lambda: butterfly_otel.metrics.cpu_usage_ratio.registrations[0].callback() != ())
    runtime.shutdown()
    assert CPU in exporter.names


def test_without_a_reader_nothing_is_sampled() -> None:
    """Whoever switches exporting off wants no threads that poll hardware."""
    source = FakeSource()
    butterfly_otel.configure(
        node_id="n",
        node_role="compute",
        exporter="none",
        handle_signals=False,
        collectors=[source],
    )
    assert threads() == set()
    assert source.calls == {}


def test_a_configure_that_fails_starts_no_thread(start: Start, tmp_path: Path) -> None:
    """A wrong setting leaves no thread and no callback behind."""
    with pytest.raises(butterfly_otel.ConfigurationError):
        start(collectors=[FakeSource()], views=tmp_path / "none.yaml")
    assert threads() == set()
    assert butterfly_otel.metrics.cpu_usage_ratio.registrations == ()


def test_a_source_is_read_from_one_thread(start: Start) -> None:
    """Opened, read and closed by the same thread: many drivers want that."""
    source = FakeSource(interval=0.001)
    start(collectors=[source])
    eventually(lambda: source.calls["read"] > 3)
    butterfly_otel.shutdown()
    eventually(lambda: source.calls["close"] == 1)
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_reads_for_itself_once_it_collects(start: Start) -> None:
    """The child has no threads until something is collected there, then its own."""
    source = FakeSource(interval=0.01)
    measured = start(collectors=[source])
    eventually(lambda: measured.value(UP, collector="fake") == 1)

    def child() -> Any:
        before = (threads(), source.calls["read"])
        stale = measured.points(CPU)
        eventually(lambda: measured.points(CPU) != [])
        during = threads()
        butterfly_otel.shutdown()
        assert threads() == set()
        return before[0], stale == [] or source.calls["read"] > before[1], during

    assert in_child(child) == (
        set(),
        True,
        {"butterfly-otel-collector-fake", "butterfly-otel-collectors"},
    )
    reads = source.calls["read"]
    eventually(lambda: source.calls["read"] > reads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_of_a_child_reads_for_itself(start: Start) -> None:
    """Also where nothing was collected in between, as where a program becomes a daemon."""
    source = FakeSource(interval=0.01)
    measured = start(collectors=[source])
    eventually(lambda: measured.value(UP, collector="fake") == 1)

    def grandchild() -> bool:
        eventually(lambda: measured.points(CPU) != [])
        return True

    assert in_child(lambda: in_child(grandchild)) is True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_of_a_hanging_parent_is_not_hung(start: Start, hang: Hang) -> None:
    """The parent's call, and any lock held at that moment, is not the child's."""
    source = FakeSource(interval=0.01, deadline=0.02)
    source.pause = hang
    measured = start(collectors=[source])
    assert hang.entered.wait(PATIENCE)

    def child() -> Any:
        source.pause = lambda: None
        eventually(lambda: measured.value(UP, collector="fake") == 1)
        return source.calls["close"], source.calls["open"]

    # What the parent had opened is closed before it is opened again.
    assert in_child(child) == (1, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_that_only_ends_starts_nothing(start: Start) -> None:
    """shutdown() in a child that never collected does not touch the hardware."""
    source = FakeSource()
    start(collectors=[source])
    eventually(lambda: source.calls["read"] == 1)

    def child() -> Any:
        butterfly_otel.shutdown()
        return threads(), source.calls["open"]

    assert in_child(child) == (set(), 1)


def test_a_hanging_source_does_not_keep_the_interpreter(tmp_path: Path) -> None:
    """A program ends by itself, or by an exception, while a source is stuck for ever."""
    program = tmp_path / "program.py"
    program.write_text(
        "import threading, butterfly_otel\n"
        "from butterfly_otel.collectors import Reading\n"
        "entered = threading.Event()\n"
        "class Stuck:\n"
        "    name, metrics, interval, deadline = 'stuck', (), 5, 60\n"
        "    def open(self): entered.set(); threading.Event().wait()\n"
        "    def read(self): return []\n"
        "    def close(self): pass\n"
        "butterfly_otel.configure(node_id='n', node_role='compute', prometheus_port=0,\n"
        "                         collectors=[Stuck()])\n"
        "entered.wait()\n"
        "print('end', flush=True)\n",
        encoding="utf-8",
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "end\n", "")


def test_what_has_ended_is_garbage(start: Start) -> None:
    """Neither handles nor fork hooks keep sources of runtimes that are over."""

    def run() -> weakref.ref[FakeSource]:
        source = FakeSource()
        start(collectors=[source])
        eventually(lambda: source.calls["read"] == 1)
        butterfly_otel.shutdown()
        return weakref.ref(source)

    source = run()
    eventually(lambda: threads() == set())
    gc.collect()
    assert source() is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_this_machine_is_read_and_served(start: Start) -> None:
    """Two scrapes of a real endpoint, half a second apart, show the real CPU's usage."""
    measured = start(collectors="cpu", exporter="prometheus", prometheus_port=0)
    eventually(lambda: 'butterfly_otel_collector_up{collector="cpu"} 1.0' in scrape(measured))
    pattern = re.compile(
        r'^butterfly_cpu_usage_ratio\{core="",node_id="coordinator-1"\} (\S+)$', re.MULTILINE
    )
    eventually(lambda: pattern.search(scrape(measured)) is not None)
    text = scrape(measured)
    found = pattern.search(text)
    assert found is not None
    assert 0 <= float(found[1]) <= 1
    assert [each for each in check_exposition(text) if each.severity == "error"] == []


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_this_machine_s_cores_are_read_apart(start: Start) -> None:
    """A series a core, and none for the whole."""
    measured = start(collectors=["cpu"], cpu_per_core=True, sampling_interval=0.05)
    eventually(lambda: measured.points(CPU) != [])
    cores = {point.attributes["core"] for point in measured.points(CPU)}
    online = Path("/sys/devices/system/cpu/online")
    assert "" not in cores
    assert len(cores) == os.sysconf("SC_NPROCESSORS_ONLN"), online


def test_auto_says_nothing_of_what_is_not_there(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ``auto``, missing hardware has no series at all; what is named is down."""
    from butterfly_otel.collectors.throttling import ThrottlingSource  # noqa: PLC0415

    opened = threading.Event()

    def missing(_source: ThrottlingSource) -> None:
        opened.set()
        raise gone()

    monkeypatch.setattr(ThrottlingSource, "open", missing)
    measured = start(collectors="auto")
    assert opened.wait(PATIENCE)
    eventually(lambda: measured.value(UP, collector="cpu") == 1)
    assert measured.value(UP, collector="throttling") is None
    assert measured.points(ERRORS) == []
    butterfly_otel.shutdown()
    measured = start(collectors=["auto", "throttling"])
    eventually(lambda: measured.value(UP, collector="throttling") == 0)
    assert measured.value(ERRORS, collector="throttling", reason="unavailable") == 1


def test_registries_are_not_shared(start: Start) -> None:
    """Equal settings with equal sources are the same runtime; other sources are an error."""
    source, registry = FakeSource(), CollectorRegistry()
    first = start(collectors=[source], registry=registry)
    settings: dict[str, Any] = {
        "node_id": "coordinator-1",
        "node_role": "coordinator",
        "exporter": "none",
        "registry": registry,
        "zero_init": False,
        "handle_signals": False,
        "metric_readers": [first.reader],
    }
    assert butterfly_otel.configure(**settings, collectors=[source]) is first.runtime
    with pytest.raises(butterfly_otel.ConfigurationError, match="source among its collectors"):
        butterfly_otel.configure(**settings, collectors=[FakeSource()])
