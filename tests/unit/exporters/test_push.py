"""The periodic reader behind the push exporters: deadlines, failures, shutdown."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

from butterfly_otel.engine import GatedMeterProvider
from butterfly_otel.engine import MeterProvider as OurMeterProvider
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.push import PushMetricReader
from tests.unit.engine.test_fork import in_child


class Recorder(MetricExporter):
    """An exporter that keeps what it is given and can be told to misbehave."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[MetricsData] = []
        self.threads: set[int] = set()
        self.behave: Any = lambda: MetricExportResult.SUCCESS
        self.stopped = 0

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> MetricExportResult:
        """Keep the batch, then behave as told."""
        del timeout_millis
        self.threads.add(threading.get_ident())
        self.exported.append(metrics_data)
        result: MetricExportResult = self.behave()
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is buffered here."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """Count how often this is called."""
        del timeout_millis
        self.stopped += 1


class Pushed:
    """A provider with one counter, pushed by the reader under test."""

    def __init__(self, interval: float = 3600) -> None:
        self.exporter = Recorder()
        self.outcomes: list[bool] = []
        self.reader = PushMetricReader(
            self.exporter,
            name="test",
            address="http://collector",
            interval=interval,
            timeout=5,
            on_export=self.outcomes.append,
        )
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.counter = self.provider.get_meter("m").create_counter("c")
        self.counter.add(1)


@pytest.fixture
def pushed() -> Iterator[Pushed]:
    """Return a reader that exports only when asked, shut down at the end."""
    subject = Pushed()
    yield subject
    subject.exporter.behave = lambda: MetricExportResult.SUCCESS
    subject.reader.shutdown(1000)


def test_it_exports_by_itself() -> None:
    """With a short interval several exports happen without being asked for."""
    subject = Pushed(interval=0.02)
    deadline = time.monotonic() + 5
    while len(subject.exporter.exported) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    subject.reader.shutdown()
    assert len(subject.exporter.exported) >= 3


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
@pytest.mark.parametrize("setting", ["interval", "timeout"])
def test_seconds_that_are_none_are_refused(setting: str, wrong: float) -> None:
    """A reader that would export without pause, or never in time, is refused, by its setting."""
    seconds = {"interval": 1.0, "timeout": 1.0, setting: wrong}
    with pytest.raises(ConfigurationError, match=f"{setting}={wrong}"):
        PushMetricReader(Recorder(), name="test", **seconds)


def test_flush_exports_now_and_says_so(pushed: Pushed) -> None:
    """force_flush() returns True when the batch was taken."""
    assert pushed.reader.force_flush(5000)
    assert len(pushed.exporter.exported) == 1
    assert pushed.outcomes == [True]


def test_flush_reports_failure(pushed: Pushed) -> None:
    """force_flush() returns False when the exporter reports failure, and it is counted."""
    pushed.exporter.behave = lambda: MetricExportResult.FAILURE
    assert not pushed.reader.force_flush(5000)
    assert pushed.outcomes == [False]


def test_flush_keeps_its_deadline(pushed: Pushed) -> None:
    """A slow exporter doesn't hold up whoever flushes; the next flush works again."""
    release = threading.Event()
    pushed.exporter.behave = lambda: release.wait(20) and MetricExportResult.SUCCESS
    started = time.monotonic()
    assert not pushed.reader.force_flush(200)
    assert time.monotonic() - started < 5
    release.set()
    assert pushed.reader.force_flush(5000)


def test_it_survives_whatever_an_export_raises(
    pushed: Pushed, caplog: pytest.LogCaptureFixture
) -> None:
    """Exceptions of any kind are counted, logged once, and exporting goes on."""

    def explode() -> MetricExportResult:
        raise KeyError("x")

    pushed.exporter.behave = explode
    assert not pushed.reader.force_flush(5000)
    assert not pushed.reader.force_flush(5000)
    pushed.exporter.behave = lambda: MetricExportResult.SUCCESS
    assert pushed.reader.force_flush(5000)
    assert pushed.outcomes == [False, False, True]
    messages = [record.message for record in caplog.records if record.name == "butterfly_otel"]
    failed, again = messages
    assert failed.startswith("exporting metrics by test to http://collector failed: KeyError")
    assert again == "exporting metrics by test to http://collector works again"


def test_shutdown_exports_the_rest_once(pushed: Pushed) -> None:
    """shutdown() exports what is left, stops the exporter once, and may be called twice."""
    pushed.reader.shutdown(5000)
    pushed.reader.shutdown(5000)
    assert len(pushed.exporter.exported) == 1
    assert pushed.exporter.stopped == 1
    assert not pushed.reader.force_flush(100)
    assert len(pushed.exporter.exported) == 1


def test_shutdown_gives_up_at_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    """An exporter that hangs is given up, with a warning, and is told to stop."""
    subject = Pushed()
    release = threading.Event()
    subject.exporter.behave = lambda: release.wait(20) and MetricExportResult.SUCCESS
    started = time.monotonic()
    subject.reader.shutdown(200)
    assert time.monotonic() - started < 5
    assert subject.exporter.stopped == 1
    assert "did not end within" in caplog.text
    release.set()


def test_exports_never_run_at_once(pushed: Pushed) -> None:
    """Flushes from many threads are served by one thread of exports."""
    flushers = [threading.Thread(target=pushed.reader.force_flush) for _ in range(8)]
    for flusher in flushers:
        flusher.start()
    for flusher in flushers:
        flusher.join(10)
    assert len(pushed.exporter.threads) == 1
    assert 1 <= len(pushed.exporter.exported) <= 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_goes_on_pushing_only_what_was_not_shut_down(pushed: Pushed) -> None:
    """A reader that has ended stays so; one that runs has a thread of its own in the child."""
    other = Pushed()
    other.reader.shutdown(1000)

    def pushing() -> list[str]:
        # Its thread starts when it can: nobody waits for that in a child.
        assert pushed.reader.force_flush(5000)
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name == "butterfly-otel-test"]

    assert in_child(pushing) == ["butterfly-otel-test"]


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()]
)
def test_no_exception_of_any_kind_ends_the_thread(pushed: Pushed, error: BaseException) -> None:
    """The pass that failed says False, the next exports, and the end tells the truth."""

    def fail() -> MetricExportResult:
        raise error

    pushed.exporter.behave = fail
    assert pushed.reader.force_flush(5000) is False
    pushed.exporter.behave = lambda: MetricExportResult.SUCCESS
    assert pushed.reader.force_flush(5000) is True
    pushed.exporter.behave = fail
    assert pushed.reader.begin_shutdown()(5) is False
    assert pushed.outcomes == [False, True, False]


def test_what_is_told_of_an_export_ends_no_thread_either(pushed: Pushed) -> None:
    """A callback that fails when it is told makes the pass a failed one."""

    def told(_succeeded: object) -> None:
        raise SystemExit

    pushed.reader._on_export = told
    assert pushed.reader.force_flush(5000) is False
    pushed.reader._on_export = pushed.outcomes.append
    assert pushed.reader.force_flush(5000) is True


def test_a_second_shutdown_has_the_answer_of_the_first(pushed: Pushed) -> None:
    """It waits for the last export, and says what became of it."""
    may = threading.Event()

    def slow() -> MetricExportResult:
        may.wait()
        return MetricExportResult.FAILURE

    pushed.exporter.behave = slow
    first = pushed.reader.begin_shutdown()
    second = pushed.reader.begin_shutdown()
    assert second(0.01) is False
    may.set()
    assert first(5) is False
    assert second(5) is False


@pytest.mark.parametrize("engine", [GatedMeterProvider, OurMeterProvider])
@pytest.mark.parametrize("result", list(MetricExportResult))
def test_the_provider_says_what_became_of_an_export(
    engine: type[GatedMeterProvider], result: MetricExportResult
) -> None:
    """The SDK's says that it succeeded, whatever a reader answers."""
    exporter = Recorder()
    exporter.behave = lambda: result
    reader = PushMetricReader(exporter, name="test", interval=3600, timeout=5)
    provider = engine([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("c").add(1)
    succeeded = result is MetricExportResult.SUCCESS
    assert provider.force_flush() is succeeded
    assert provider.shutdown() is succeeded


def test_the_provider_flushes_every_reader_although_one_raises() -> None:
    """Then it raises, in the SDK's words; a reader for which no time is left is one of these."""

    class Raising(InMemoryMetricReader):
        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            del timeout_millis
            raise OSError("no")

    exporter = Recorder()
    reader = PushMetricReader(exporter, name="test", interval=3600, timeout=5)
    provider = OurMeterProvider([Raising(), reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("c").add(1)
    with pytest.raises(Exception, match="Raising: OSError"):
        provider.force_flush()
    assert len(exporter.exported) == 1
    with pytest.raises(Exception, match="PushMetricReader: MetricsTimeoutError"):
        provider.force_flush(0)
    provider.shutdown()


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), GeneratorExit()])
def test_a_callback_of_another_meter_costs_a_push_only_its_own_observations(
    error: BaseException,
) -> None:
    """Whatever it raises, the other instruments are exported, pass after pass."""
    exporter = Recorder()
    exporter.behave = lambda: MetricExportResult.SUCCESS
    reader = PushMetricReader(exporter, name="test", interval=3600, timeout=5)
    provider = OurMeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("m")

    def fail(_options: object) -> list[Observation]:
        raise error

    meter.create_observable_gauge("failing", [fail])
    meter.create_observable_gauge("working", [lambda _options: [Observation(3)]])
    for _ in range(2):
        assert provider.force_flush() is True
    assert provider.shutdown() is True
    assert "working" in str(exporter.exported[-1])
