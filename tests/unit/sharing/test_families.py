"""What collectors of prometheus_client have in several processes, as one of them shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Enum, Gauge, Histogram, Info, Summary, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.platform_collector import PlatformCollector

from butterfly_otel.sharing.foreign import own_files
from butterfly_otel.sharing.modes import Modes
from tests.unit.sharing.node import Node, lines, text, value

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_what_grows_is_added_and_outlives_its_process() -> None:
    """Counters, histograms and summaries are those of all; their _created is the first."""
    node = Node()
    for turn in range(3):
        registry = node.start().registry
        counter = Counter("jobs", "Jobs.", ["kind"], registry=registry)
        counter.labels("a").inc(0.25 * (turn + 1))
        Histogram("wait", "Wait.", buckets=(1, 5), registry=registry).observe(turn * 3)
        Summary("size", "Size.", registry=registry).observe(turn)
    process = node.processes[0]
    created = [
        sample.value
        for each in node.processes.values()
        for metric in each.registry.collect()
        for sample in metric.samples
        if sample.name == "jobs_created"
    ]
    expected = lines(process)
    assert value(process, 'jobs_total{kind="a"}') == 1.5
    assert value(process, 'wait_bucket{le="1.0"}') == 1
    assert (value(process, "wait_count"), value(process, "wait_sum")) == (3, 9)
    assert (value(process, "size_count"), value(process, "size_sum")) == (3, 3)
    assert value(process, 'jobs_created{kind="a"}') == min(created)
    node.end(1)
    node.end(2)
    assert lines(process) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("all", {("worker", "0"): 4, ("worker", "1"): 1, ("worker", "2"): 2}),
        ("liveall", {("worker", "0"): 4, ("worker", "1"): 1, ("worker", "2"): 2}),
        ("sum", {None: 7}),
        ("livesum", {None: 7}),
        ("max", {None: 4}),
        ("livemax", {None: 4}),
        ("min", {None: 1}),
        ("livemin", {None: 1}),
        ("mostrecent", {None: 2}),
        ("livemostrecent", {None: 2}),
    ],
)
def test_a_gauge_is_merged_by_its_own_mode(mode: Any, expected: dict[Any, float]) -> None:
    """The modes of prometheus_client mean what they mean there; ``all`` tells slots, not pids."""
    node = Node()
    gauges = [
        Gauge("level", "Level.", multiprocess_mode=mode, registry=node.start().registry)
        for _ in range(3)
    ]
    for gauge, amount in zip(gauges, (4, 1, 9), strict=True):
        gauge.set(amount)
        node.told()
    gauges[2].set(2)
    [family] = text_string_to_metric_families(text(node.processes[1]))
    found = {next(iter(each.labels.items()), None): each.value for each in family.samples}
    assert found == expected


def test_without_prometheus_clients_private_names_the_rest_is_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gauge whose mode can't be known is one series a process; nothing is in files then."""
    node = Node()
    for amount in (1, 5):
        gauge = Gauge("level", "L.", multiprocess_mode="sum", registry=node.start().registry)
        gauge.set(amount)
        monkeypatch.delattr(gauge, "_multiprocess_mode")
    monkeypatch.delattr(values.MutexValue, "_multiprocess")
    assert lines(node.processes[0]) == ['level{worker="0"} 1.0', 'level{worker="1"} 5.0']
    assert not own_files()


def test_a_setting_says_how_a_gauge_of_no_mode_is_merged() -> None:
    """By the name, as of an OpenTelemetry gauge."""
    node = Node(Modes({"level": "max"}))
    for amount in (1, 5, 3):
        Gauge("level", "Level.", registry=node.start().registry).set(amount)
    assert lines(node.processes[0]) == ["level 5.0"]


def test_what_is_of_no_mode_is_one_series_a_slot_so_that_a_new_worker_is_no_new_series() -> None:
    """A worker that is replaced takes the label of the one before."""

    class Collector:
        def collect(self) -> list[Metric]:
            return [GaugeMetricFamily("open_files", "Open files.", value=7)]

    node = Node()
    for _ in range(2):
        node.start().registry.register(Collector())  # type: ignore[arg-type]
    expected = ['open_files{worker="0"} 7.0', 'open_files{worker="1"} 7.0']
    assert lines(node.processes[0]) == expected
    node.end(1)
    assert lines(node.processes[0]) == expected[:1]
    node.start(1).registry.register(Collector())  # type: ignore[arg-type]
    assert lines(node.processes[0]) == expected


def test_what_merely_tells_something_is_shown_once() -> None:
    """Info, the state that changed last, and python_info are no series a worker."""
    node = Node()
    for turn in range(2):
        registry = node.start().registry
        PlatformCollector(registry=registry)
        Info("build", "Build.", registry=registry).info({"version": "1"})
        state = Enum("phase", "Phase.", states=["up", "down"], registry=registry)
        state.state("up" if turn else "down")
        node.told()
    shown = lines(node.processes[0])
    assert len([line for line in shown if line.startswith("python_info")]) == 1
    assert 'build_info{version="1"} 1.0' in shown
    assert 'phase{phase="up"} 1.0' in shown
    assert len(shown) == 4


def test_exemplars_of_all_processes_are_shown() -> None:
    """The newest of each sample is, whichever process has it; OpenMetrics alone has them."""
    node = Node()
    for turn in range(2):
        counter = Counter("jobs", "Jobs.", registry=node.start().registry)
        counter.inc(1, exemplar={"trace_id": str(turn)})
    assert '# {trace_id="1"} 1.0' in text(node.processes[0], OPENMETRICS)
    assert "trace_id" not in text(node.processes[0])
    node.end(1)
    assert '# {trace_id="1"} 1.0' in text(node.processes[0], OPENMETRICS)


def test_a_collector_that_fails_once_does_not_make_totals_fall() -> None:
    """What it had last stands in the sum; a gauge of it is left out."""
    broken = set[int]()

    class Collector:
        def __init__(self, slot: int) -> None:
            self.slot = slot

        def collect(self) -> list[Metric]:
            if self.slot in broken:
                raise RuntimeError
            counter = Metric("seen", "Seen.", "counter")
            counter.add_sample("seen_total", {}, 10)
            return [counter, GaugeMetricFamily("level", "Level.", value=1)]

    node = Node()
    for slot in range(2):
        node.start().registry.register(Collector(slot))  # type: ignore[arg-type]
    process = node.processes[0]
    assert value(process, "seen_total") == 20
    broken.add(1)
    assert value(process, "seen_total") == 20
    assert value(process, 'level{worker="1"}') is None
    broken.clear()
    assert value(process, "seen_total") == 20


def test_labels_that_one_process_removes_do_not_make_totals_fall() -> None:
    """They are gone when all have removed them."""
    node = Node()
    counters = []
    for amount in (3, 4):
        counter = Counter("jobs", "Jobs.", ["kind"], registry=node.start().registry)
        counter.labels("a").inc(amount)
        counters.append(counter)
    process, series = node.processes[0], 'jobs_total{kind="a"}'
    assert value(process, series) == 7
    counters[1].remove("a")
    assert value(process, series) == 7
    counters[1].labels("a").inc(1)
    assert value(process, series) == 8
    for counter in counters:
        counter.remove("a")
    assert value(process, series) is None


def test_histograms_of_other_buckets_have_those_that_all_have() -> None:
    """At these adding is exact."""
    node = Node()
    for buckets in ((1, 2, 4), (1, 3, 4)):
        histogram = Histogram("wait", "W.", buckets=buckets, registry=node.start().registry)
        for amount in (0.5, 2.5, 9):
            histogram.observe(amount)
    expected = ['{le="1.0"} 2.0', '{le="4.0"} 4.0', '{le="+Inf"} 6.0']
    assert lines(node.processes[0], "wait_bucket") == [f"wait_bucket{each}" for each in expected]
    node.end(1)
    assert lines(node.processes[0], "wait_bucket") == [f"wait_bucket{each}" for each in expected]


def test_another_reader_in_the_registry_is_shown_once() -> None:
    """Two readers that share show the other collectors of the node once."""
    from butterfly_otel.engine import MeterProvider  # noqa: PLC0415
    from butterfly_otel.exporters.prometheus import PrometheusMetricReader  # noqa: PLC0415
    from butterfly_otel.sharing.showing import Showing  # noqa: PLC0415

    node = Node()
    for _ in range(2):
        Counter("jobs", "Jobs.", registry=node.start().registry).inc()
    process = node.processes[0]
    other = PrometheusMetricReader(registry=process.registry, scope_info_enabled=False)
    MeterProvider([other], shutdown_on_exit=False).get_meter("x").create_counter("mine").add(1)
    other.share(Showing(other, node.modes, node.told))
    assert value(process, "jobs_total") == 2


FILES = """
import os, sys
from prometheus_client import Counter, Gauge
from tests.unit.sharing.node import Node, lines
from prometheus_client.multiprocess import MultiProcessCollector

node = Node()
counter = Counter("jobs", "Jobs.", registry=None)
gauge = Gauge("level", "Level.", multiprocess_mode="sum", registry=None)
for slot in range(2):
    process = node.start()
    process.registry.register(counter)
    process.registry.register(gauge)
    process.meter.create_counter("things").add(1)
    if sys.argv[1:]:
        MultiProcessCollector(process.registry)
counter.inc(2)
gauge.set(5)
child = os.fork()
if child == 0:
    counter.inc(3)
    gauge.set(1)
    os._exit(0)
os.waitpid(child, 0)
print("\\n".join(lines(process)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process that leaves its file")
@pytest.mark.parametrize("arguments", [[], ["registered"]])
def test_prometheus_clients_own_files_are_read_once(tmp_path: Path, arguments: list[str]) -> None:
    """Where it keeps its metrics in files of all processes, these are shown, and not twice."""
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FILES, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert sorted(done.stdout.split("\n")[:-1]) == [
        "jobs_total 5.0",
        "level 6.0",
        "things_total 2.0",
    ]
