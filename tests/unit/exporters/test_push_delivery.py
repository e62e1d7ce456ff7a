"""What the periodic reader does with what did not arrive, and who may call its exporter when."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
)
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.delivery import Delivery, DetailedExporter
from butterfly_otel.exporters.push import PushMetricReader
from tests.unit.engine.test_fork import in_child

DELTAS = dict.fromkeys((Counter, ObservableCounter, Histogram), AggregationTemporality.DELTA)
SUCCESS, FAILURE = MetricExportResult.SUCCESS, MetricExportResult.FAILURE


class Exporter(MetricExporter):
    """Any SDK exporter, which answers as told."""

    def __init__(self, temporality: Any = None) -> None:
        super().__init__(temporality)
        self.answers: list[Any] = []
        self.exported: list[MetricsData] = []
        self.flushed = 0
        self.flush_answer = True
        self.running = 0
        self.most_running = 0
        self.hold: threading.Event | None = None
        self.entered = threading.Event()

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any
    ) -> MetricExportResult:
        """Keep it, and answer."""
        del timeout_millis
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.entered.set()
        if self.hold is not None:
            self.hold.wait(10)
        self.exported.append(metrics_data)
        self.running -= 1
        answer = self.answers.pop(0) if self.answers else SUCCESS
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """Count it."""
        del timeout_millis
        self.flushed += 1
        return self.flush_answer

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """There is nothing to end."""

    def values(self, name: str) -> list[list[float]]:
        """Return the values of one metric in each export."""
        return [
            [
                point.value if hasattr(point, "value") else point.count
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.name == name
                for point in metric.data.data_points
            ]
            for data in self.exported
        ]


class Detailed(Exporter, DetailedExporter):
    """An exporter that says in full what became of an export."""

    def deliver(self, metrics_data: MetricsData) -> Delivery:
        """Keep it, and answer."""
        self.exported.append(metrics_data)
        return self.answers.pop(0)(metrics_data) if self.answers else Delivery()


class Pushing:
    """A provider behind the reader under test."""

    def __init__(self, exporter: Exporter, provider: Any = MeterProvider) -> None:
        self.exporter = exporter
        self.outcomes: list[bool] = []
        self.losses: list[tuple[int, str]] = []
        self.reader = PushMetricReader(
            exporter,
            name="test",
            interval=3600,
            timeout=5,
            on_export=self.outcomes.append,
            on_loss=lambda points, reason: self.losses.append((points, reason)),
        )
        self.provider = provider([self.reader], shutdown_on_exit=False)
        self.meter = self.provider.get_meter("m")


@pytest.fixture(params=[MeterProvider, SdkMeterProvider])
def pushing(request: pytest.FixtureRequest) -> Iterator[Pushing]:
    """Return a reader of deltas, of our provider and of the stock SDK's."""
    subject = Pushing(Exporter(DELTAS), request.param)
    yield subject
    subject.exporter.hold = None
    subject.reader.shutdown(2000)


@pytest.mark.parametrize("failure", [FAILURE, OSError("no"), asyncio.CancelledError(), None])
def test_failed_deltas_are_added_to_the_next_export(pushing: Pushing, failure: Any) -> None:
    """However an export fails, the next one that arrives has all that was measured, once."""
    exporter = pushing.exporter
    counter, histogram = pushing.meter.create_counter("c"), pushing.meter.create_histogram("h")
    exporter.answers = [failure, failure]
    for value in (1, 2, 4):
        counter.add(value)
        histogram.record(value)
        pushing.reader.force_flush(5000)
    counter.add(8)
    assert pushing.reader.force_flush(5000)
    assert exporter.values("c") == [[1], [3], [7], [8]]
    assert exporter.values("h") == [[1], [2], [3], []]
    assert pushing.outcomes == [False, False, True, True]


def test_observed_deltas_are_added_as_well(pushing: Pushing) -> None:
    """What callbacks observe is not lost with a failed export either."""
    totals = iter((10, 15, 22))

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(next(totals))]

    pushing.meter.create_observable_counter("o", [observe])
    pushing.exporter.answers = [FAILURE]
    for _ in range(3):
        pushing.reader.force_flush(5000)
    assert pushing.exporter.values("o") == [[10], [15], [7]]


def test_what_is_left_is_exported_where_nothing_new_was_measured(pushing: Pushing) -> None:
    """A flush after a failure exports what did not arrive although there is nothing else."""
    pushing.meter.create_counter("c").add(5)
    pushing.exporter.answers = [FAILURE]
    assert not pushing.reader.force_flush(5000)
    assert pushing.reader.force_flush(5000)
    assert pushing.exporter.values("c") == [[5], [5]]
    assert pushing.reader.force_flush(5000)
    assert sum(map(sum, pushing.exporter.values("c"))) == 10


def test_shutting_down_exports_what_did_not_arrive(pushing: Pushing) -> None:
    """The last export has the deltas of those before it."""
    pushing.meter.create_counter("c").add(5)
    pushing.exporter.answers = [FAILURE]
    pushing.reader.force_flush(5000)
    pushing.reader.shutdown(5000)
    assert pushing.exporter.values("c") == [[5], [5]]


def test_only_the_part_that_did_not_arrive_is_sent_again() -> None:
    """Of an export in several requests those that arrived are not sent twice."""
    exporter = Detailed(DELTAS)
    subject = Pushing(exporter)
    first, second = subject.meter.create_counter("a"), subject.meter.create_counter("b")
    first.add(1)
    second.add(1)

    def half(data: MetricsData) -> Delivery:
        [resource] = data.resource_metrics
        del resource.scope_metrics[0].metrics[0]  # type: ignore[attr-defined]
        return Delivery(data, "half of it")

    exporter.answers = [half]
    assert not subject.reader.force_flush(5000)
    first.add(1)
    second.add(1)
    assert subject.reader.force_flush(5000)
    subject.reader.shutdown(1000)
    assert (exporter.values("a")[1], exporter.values("b")[1]) == ([1], [2])


def test_rejected_points_are_counted_and_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """A partial success makes a flush False, is logged once a reason, and is not repeated."""
    exporter = Detailed(DELTAS)
    subject = Pushing(exporter)
    counter = subject.meter.create_counter("c")
    exporter.answers = [lambda _: Delivery(rejected=17, reason="out of\nbounds")] * 2
    for _ in range(2):
        counter.add(1)
        assert not subject.reader.force_flush(5000)
    counter.add(1)
    assert subject.reader.force_flush(5000)
    subject.reader.shutdown(1000)
    assert exporter.values("c")[:3] == [[1], [1], [1]]
    assert subject.losses == [(17, "partial_success")] * 2
    assert subject.outcomes[:3] == [False, False, True]
    [message] = caplog.messages
    assert "rejected 17 points: out of bounds;" in message


def test_what_is_refused_for_good_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Deltas that a receiver refuses again and again are given up, which is told."""
    exporter = Detailed(DELTAS)
    subject = Pushing(exporter)
    subject.meter.create_counter("c").add(1)
    exporter.answers = [lambda data: Delivery(data, "bad", refused=True)] * 3
    for _ in range(3):
        assert not subject.reader.force_flush(5000)
    subject.reader.shutdown(1000)
    assert subject.losses == [(1, "refused")]
    assert "1 points were given up" in caplog.text


def test_a_flush_flushes_the_exporter(pushing: Pushing) -> None:
    """force_flush() calls the exporter's, and says False where that does."""
    assert pushing.reader.force_flush(5000)
    assert pushing.exporter.flushed == 1
    pushing.exporter.flush_answer = False
    assert not pushing.reader.force_flush(5000)


def test_collecting_does_not_run_beside_an_export(pushing: Pushing) -> None:
    """Export is never called by two threads at once, whoever collects and flushes."""
    pushing.meter.create_counter("c").add(1)
    pushing.exporter.hold = threading.Event()
    callers = [threading.Thread(target=pushing.reader.force_flush)]
    callers += [threading.Thread(target=pushing.reader.collect) for _ in range(4)]
    for each in callers:
        each.start()
    assert pushing.exporter.entered.wait(5)
    pushing.exporter.hold.set()
    for each in callers:
        each.join(10)
    assert pushing.exporter.most_running == 1


def test_collecting_exports(pushing: Pushing) -> None:
    """collect() has exported when it returns."""
    pushing.meter.create_counter("c").add(3)
    pushing.reader.collect()
    assert pushing.exporter.values("c") == [[3]]


def test_a_callback_that_collects_does_not_do_so_for_ever(pushing: Pushing) -> None:
    """A callback may call whatever it likes; the round goes on."""

    def observe(_: CallbackOptions) -> list[Observation]:
        pushing.reader.collect()
        return [Observation(1)]

    pushing.meter.create_observable_counter("o", [observe])
    assert pushing.reader.force_flush(5000)
    assert pushing.exporter.values("o") == [[1]]


def test_nothing_is_exported_after_shutdown(pushing: Pushing) -> None:
    """Neither collecting nor flushing a reader that has ended exports anything."""
    counter = pushing.meter.create_counter("c")
    pushing.reader.shutdown(5000)
    exports = len(pushing.exporter.exported)
    counter.add(1)
    pushing.reader.collect()
    assert not pushing.reader.force_flush(1000)
    assert len(pushing.exporter.exported) == exports


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()])
def test_no_exception_ends_the_thread(pushing: Pushing, error: BaseException) -> None:
    """Exports go on after any exception at all, and the pass that failed says False."""
    counter = pushing.meter.create_counter("c")
    pushing.exporter.answers = [error]
    counter.add(1)
    assert not pushing.reader.force_flush(5000)
    assert pushing.reader.force_flush(5000)


@pytest.mark.parametrize("failing", [True, False])
def test_a_provider_tells_whether_exports_succeeded(failing: bool) -> None:  # noqa: FBT001
    """force_flush() and shutdown() of our provider are False where an export failed."""
    subject = Pushing(Exporter())
    subject.meter.create_counter("c").add(1)
    subject.exporter.answers = [FAILURE, FAILURE] if failing else []
    assert subject.provider.force_flush() is not failing
    assert subject.provider.shutdown() is not failing


def test_a_second_shutdown_waits_for_the_first(pushing: Pushing) -> None:
    """It says what the first will say, not that all is well."""
    pushing.meter.create_counter("c").add(1)
    pushing.exporter.answers = [FAILURE]
    first, second = pushing.reader.begin_shutdown(), pushing.reader.begin_shutdown()
    assert not second(5)
    assert not first(5)


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
def test_an_exporter_that_cannot_be_shut_down_is_told(
    pushing: Pushing,
    error: type[BaseException],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it raises is logged and makes the end False; it doesn't reach who shuts down."""

    def refuse(**_kwargs: Any) -> None:
        raise error("its queue is gone")

    monkeypatch.setattr(pushing.exporter, "shutdown", refuse)
    pushing.meter.create_counter("c").add(1)
    assert pushing.reader.begin_shutdown()(5) is False
    assert "could not be shut down" in caplog.text
    assert pushing.exporter.exported


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_does_not_export_what_its_parent_could_not() -> None:
    """What did not arrive is the parent's, which will send it; the child would double it."""
    subject = Pushing(Exporter(DELTAS))
    counter = subject.meter.create_counter("c")
    subject.exporter.answers = [FAILURE]
    counter.add(100)
    assert not subject.reader.force_flush(5000)

    def child() -> list[list[float]]:
        counter.add(1)
        subject.reader.force_flush(5000)
        return subject.exporter.values("c")[1:]

    assert in_child(child) == [[1]]
    subject.reader.shutdown(1000)
    assert subject.exporter.values("c")[1:] == [[100]]
