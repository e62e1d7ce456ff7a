"""What docs/explanation/guarantees.md promises and no other test holds."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.exporters.push import PushMetricReader
from tests.conftest import Measured
from tests.unit.exporters.test_push import Recorder
from tests.unit.runtime.test_configure import scrape
from tests.unit.runtime.test_ending import run

TOKENS = "butterfly_tokens_processed_total"
SERVED = f'{TOKENS}{{model="m",node_id="n"}}'


class Pushing:
    """A configured SDK that pushes to an exporter of ours when it is told to."""

    def __init__(self, timeout: float = 5) -> None:
        self.exporter = Recorder()
        self.reader = PushMetricReader(self.exporter, name="test", interval=3600, timeout=timeout)
        self.runtime = butterfly_otel.configure(
            node_id="n",
            node_role="compute",
            exporter="none",
            zero_init=False,
            handle_signals=False,
            metric_readers=[self.reader],
        )

    def exported(self, name: str) -> list[Any]:
        """Return the values of a metric in the last export."""
        return list(_values(self.exporter.exported[-1], name))


def _values(data: MetricsData, name: str) -> Iterator[Any]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    yield from (point.value for point in metric.data.data_points)  # type: ignore[union-attr]


@pytest.fixture
def pushing() -> Iterator[Pushing]:
    """Return a configured SDK that pushes, until the test is over."""
    subject = Pushing()
    yield subject
    subject.exporter.behave = lambda: MetricExportResult.SUCCESS
    butterfly_otel.shutdown(5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_was_exported_before_a_kill_has_arrived(tmp_path: Any) -> None:
    """Of a process that is killed there is what was exported last, and nothing after it."""
    body = """
    start()
    metrics.consensus_leader_changes_total.add(7)
    assert butterfly_otel.force_flush(5)
    metrics.consensus_leader_changes_total.add(1)
    ready()
    while True: time.sleep(0.01)
    """
    assert run(tmp_path, body, signal.SIGKILL) == (-signal.SIGKILL, ["7"])


def test_signals_are_left_alone_where_that_is_asked_for() -> None:
    """With handle_signals=False no handler of ours is ever installed."""
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    butterfly_otel.configure(
        node_id="n", node_role="compute", exporter="none", handle_signals=False
    )
    during = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    butterfly_otel.shutdown()
    assert during == before


def test_scrapes_that_were_missed_cost_no_count() -> None:
    """What was measured while Prometheus was away is on the next page."""
    runtime = butterfly_otel.configure(
        node_id="n",
        node_role="compute",
        prometheus_port=0,
        handle_signals=False,
        registry=CollectorRegistry(),
    )
    url = str(runtime.prometheus_url)
    metrics.tokens_processed_total.add(1, model="m")
    assert f"{SERVED} 1.0" in scrape(url).splitlines()
    for _ in range(3):
        metrics.tokens_processed_total.add(1, model="m")
    assert f"{SERVED} 4.0" in scrape(url).splitlines()


def test_exports_that_failed_cost_no_count(pushing: Pushing) -> None:
    """Cumulative: the export after an outage has everything that was measured during it."""
    pushing.exporter.behave = lambda: MetricExportResult.FAILURE
    for _ in range(3):
        metrics.tokens_processed_total.add(1, model="m")
        assert butterfly_otel.force_flush(5) is False
    pushing.exporter.behave = lambda: MetricExportResult.SUCCESS
    assert butterfly_otel.force_flush(5) is True
    assert pushing.exported(TOKENS) == [3]


def _raises() -> list[Observation]:
    raise ValueError("the driver is gone")


@pytest.mark.parametrize("engine", ["butterfly", "sdk"])
def test_a_callback_that_raises_is_counted_and_costs_its_own_alone(
    start: Callable[..., Measured], engine: str
) -> None:
    """By pull and push alike: the page and the export have all the rest."""
    measured = start(engine=engine, exporter="prometheus", prometheus_port=0)
    metrics.gpu_temperature_celsius.observe(_raises)
    metrics.tasks_queued.observe(lambda: [metrics.tasks_queued.observation(3)])
    name = "butterfly_gpu_temperature_celsius"
    page = scrape(str(measured.runtime.prometheus_url))
    assert "butterfly_tasks_queued{" in page
    assert f"\n{name}{{" not in page
    assert measured.values("butterfly_tasks_queued")
    assert not measured.values(name)
    assert measured.value("butterfly_otel_callback_errors_total", metric=name)


def test_a_flush_and_the_end_wait_for_no_callback_that_hangs(pushing: Pushing) -> None:
    """They say False in time, however long the callback takes; afterwards all arrives."""
    asked, release = Event(), Event()

    def hangs() -> list[Observation]:
        asked.set()
        release.wait(60)
        return [metrics.tasks_queued.observation(3)]

    metrics.tasks_queued.observe(hangs)
    metrics.tokens_processed_total.add(1, model="m")
    assert butterfly_otel.force_flush(0.2) is False
    assert asked.wait(10)
    release.set()
    assert butterfly_otel.force_flush(10) is True
    assert pushing.exported(TOKENS) == [1]
    assert pushing.exported("butterfly_tasks_queued") == [3]


def test_a_flush_and_the_end_wait_for_no_export_that_hangs(pushing: Pushing) -> None:
    """Both say False within the time they were given."""
    release = Event()
    metrics.tokens_processed_total.add(1, model="m")
    pushing.exporter.behave = lambda: release.wait(60) and MetricExportResult.SUCCESS
    try:
        assert butterfly_otel.force_flush(0.2) is False
        assert butterfly_otel.shutdown(0.2) is False
    finally:
        release.set()


@pytest.mark.parametrize("labels", [{}, {"modle": "m"}, {"model": "m", "more": "x"}])
def test_a_labels_name_that_is_wrong_is_a_type_error(
    start: Callable[..., Measured], labels: dict[str, Any]
) -> None:
    """In production as well: the names of labels are parameters of a function."""
    start()
    with pytest.raises(TypeError):
        metrics.tokens_processed_total.add(1, **labels)
