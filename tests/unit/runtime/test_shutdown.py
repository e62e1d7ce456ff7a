"""The end of a runtime: one deadline, one answer, and what a forked child is told."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

import butterfly_otel
from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.exporters.push import PushMetricReader
from butterfly_otel.runtime import mute
from tests.unit.engine.test_fork import in_child

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


class Exporter(MetricExporter):
    """Exports when it may, with the result that it is given."""

    def __init__(self, result: MetricExportResult = MetricExportResult.SUCCESS) -> None:
        super().__init__()
        self.result = result
        self.begun, self.may = threading.Event(), threading.Event()

    def export(self, *_args: Any, **_kwargs: Any) -> MetricExportResult:
        self.begun.set()
        self.may.wait()
        return self.result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        pass


def _start(exporter: Exporter) -> butterfly_otel.Runtime:
    reader = PushMetricReader(exporter, name="test", interval=3600, timeout=60)
    return butterfly_otel.configure(
        node_id="n", node_role="compute", exporter="none", metric_readers=[reader]
    )


@pytest.mark.parametrize("result", list(MetricExportResult))
def test_a_second_shutdown_waits_for_the_first_and_has_its_answer(
    result: MetricExportResult,
) -> None:
    """It says True when everything has been exported, not before."""
    exporter = Exporter(result)
    runtime = _start(exporter)
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(runtime.shutdown())),
        threading.Thread(target=lambda: answers.append(butterfly_otel.shutdown())),
    ]
    threads[0].start()
    exporter.begun.wait()
    threads[1].start()
    threads[1].join(0.1)
    assert answers == []
    exporter.may.set()
    for thread in threads:
        thread.join()
    assert answers == [result is MetricExportResult.SUCCESS] * 2
    assert runtime.shutdown() is answers[0]
    assert butterfly_otel.shutdown() is True  # nothing is configured


def test_a_second_shutdown_waits_no_longer_than_it_may() -> None:
    """Its own timeout counts, and its answer is not True."""
    exporter = Exporter()
    runtime = _start(exporter)
    first = threading.Thread(target=runtime.shutdown)
    first.start()
    exporter.begun.wait()
    assert butterfly_otel.shutdown(timeout=0.05) is False
    assert runtime.shutdown(timeout=0) is False
    exporter.may.set()
    first.join()
    assert runtime.shutdown() is True


def test_nothing_is_configured_while_a_shutdown_goes_on() -> None:
    """The next configure() waits, and gets a runtime of its own."""
    exporter = Exporter()
    runtime = _start(exporter)
    first = threading.Thread(target=runtime.shutdown)
    first.start()
    exporter.begun.wait()
    made: list[butterfly_otel.Runtime] = []
    second = threading.Thread(target=lambda: made.append(_start(exporter)))
    second.start()
    second.join(0.1)
    assert made == []
    exporter.may.set()
    first.join()
    second.join()
    assert made[0] is not runtime


@pytest.fixture
def hanging() -> Iterator[Callable[[], threading.Event]]:
    """Return what lets the callback of a gauge hang until the test ends."""
    over = threading.Event()

    def hang() -> threading.Event:
        begun = threading.Event()

        def callback() -> int:
            begun.set()
            over.wait()
            return 1

        metrics.cluster_size.observe(callback)
        return begun

    yield hang
    over.set()


def test_one_deadline_holds_for_everything_also_while_a_scrape_hangs(
    hanging: Callable[[], threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server, the readers and the collectors share the time that shutdown() was given."""
    runtime = butterfly_otel.configure(
        node_id="n", node_role="compute", prometheus_port=0, collectors=["cpu"]
    )
    begun = hanging()
    assert runtime.prometheus_url is not None
    address = urlsplit(runtime.prometheus_url).netloc
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/metrics")
    begun.wait()
    given: list[float] = []

    def noting(part: Any, method: str) -> None:
        end = getattr(part, method)

        def noted(timeout: float = 2.0) -> None:
            given.append(timeout)
            end(timeout)

        monkeypatch.setattr(part, method, noted)

    noting(runtime._duties._server, "close")
    noting(runtime._duties.collection, "end")
    runtime.shutdown(timeout=0.5)
    connection.close()
    server, collectors = given
    assert server == pytest.approx(0.25, abs=0.01)
    # What the server has used up is not there any more.
    assert collectors <= 0.25


@forks
def test_a_forked_child_that_only_pulls_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """One warning, no address, and no success of a flush or a shutdown."""
    runtime = butterfly_otel.configure(node_id="n", node_role="compute", prometheus_port=0)

    def child() -> tuple[Any, ...]:
        metrics.tokens_processed_total.add(5, model="m")
        url, flushed = runtime.prometheus_url, butterfly_otel.force_flush()
        shown = repr(runtime)
        return url, flushed, shown, butterfly_otel.shutdown(), caplog.text.count("was forked")

    url, flushed, shown, ended, warnings = in_child(child)
    assert (url, flushed, ended, warnings) == (None, False, False, 1)
    assert "not served" in shown
    assert runtime.prometheus_url is not None
    assert butterfly_otel.force_flush()
    assert "was forked" not in caplog.text


@forks
def test_a_forked_child_that_only_pulls_says_so_by_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it asks for nothing, when it has lived for a while."""
    monkeypatch.setattr(mute, "_LIVES", 0.0)
    butterfly_otel.configure(node_id="n", node_role="compute", prometheus_port=0)

    def child() -> int:
        deadline = time.monotonic() + 8
        while "was forked" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        return caplog.text.count("was forked")

    assert in_child(child) == 1


@forks
@pytest.mark.parametrize("settings", [{"exporter": ["prometheus", "otlp"]}, {"metric_readers": 1}])
def test_a_forked_child_that_also_pushes_is_not_mute(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It has no address any more, but what it measures goes somewhere."""
    exporter = Exporter()
    exporter.may.set()
    if "metric_readers" in settings:
        reader = PushMetricReader(exporter, name="test", interval=3600, timeout=60)
        settings = {"metric_readers": [reader]}
    runtime = butterfly_otel.configure(
        node_id="n", node_role="compute", prometheus_port=0, **settings
    )
    url, warned = in_child(lambda: (runtime.prometheus_url, "was forked" in caplog.text))
    assert (url, warned) == (None, False)
    if "exporter" in settings:
        butterfly_otel.shutdown(timeout=0)  # nobody is there to be pushed to
    if "metric_readers" in settings:
        assert in_child(butterfly_otel.force_flush)


@forks
def test_a_forked_child_that_the_application_serves_is_not_mute() -> None:
    """Without a server of ours, a scrape may reach the child."""
    butterfly_otel.configure(node_id="n", node_role="compute", prometheus_server=False)
    assert in_child(butterfly_otel.force_flush)


@forks
def test_a_child_configures_itself_although_its_parent_was_configured() -> None:
    """What the parent has left there measures into nothing, so it stands in nobody's way."""
    butterfly_otel.configure(node_id="parent", node_role="compute", prometheus_port=0)

    def child() -> tuple[str | None, bool]:
        runtime = butterfly_otel.configure(
            node_id="child", node_role="compute", exporter="none", collectors="none"
        )
        return runtime.config.node_id, butterfly_otel.force_flush()

    assert in_child(child) == ("child", True)
    with pytest.raises(ConfigurationError):
        butterfly_otel.configure(node_id="child", node_role="compute", exporter="none")


@forks
def test_a_child_forked_during_a_shutdown_can_be_configured() -> None:
    """The thread that was ending the parent's runtime is not there."""
    exporter = Exporter()
    runtime = _start(exporter)
    first = threading.Thread(target=runtime.shutdown)
    first.start()
    exporter.begun.wait()

    def child() -> bool:
        made = butterfly_otel.configure(node_id="child", node_role="compute", exporter="none")
        return made is not runtime and butterfly_otel.force_flush()

    assert in_child(child)
    exporter.may.set()
    first.join()
