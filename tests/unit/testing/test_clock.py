"""The clock that stands still: what goes by it and what does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

import butterfly_otel
from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.collectors import Reading
from butterfly_otel.consensus import Elections
from butterfly_otel.process import timing
from butterfly_otel.testing import Captured, Clock, capture_metrics

START = 1_735_689_600


@pytest.fixture
def clock() -> Clock:
    """Return a clock that is not started yet."""
    return Clock()


@pytest.fixture
def captured(clock: Clock) -> Iterator[Captured]:
    """Capture under the clock."""
    with capture_metrics(clock=clock) as captured:
        yield captured


def _sum(captured: Captured, name: str) -> float:
    found = captured.histogram(name)
    assert found is not None
    return found.sum


def test_timers_and_decorators_measure_by_it(clock: Clock, captured: Captured) -> None:
    """A with block, a decorated function, `timed` and `request` take as long as it is moved."""
    seconds = metrics.layer_compute_duration_seconds.bind(layer_id=1, model="m")
    with seconds.time():
        clock.advance(0.25)

    @seconds.time()
    @butterfly_otel.timed(metrics.recovery_duration_seconds.bind())
    @butterfly_otel.request(method="inference")
    def serve() -> None:
        clock.advance(1.5)

    serve()
    assert _sum(captured, "butterfly_layer_compute_duration_seconds") == 1.75
    assert _sum(captured, "butterfly_recovery_duration_seconds") == 1.5
    assert _sum(captured, "butterfly_request_duration_seconds") == 1.5


def test_elections_measure_by_it(clock: Clock, captured: Captured) -> None:
    """So does everything else that measures a duration, such as an election."""
    elections = Elections()
    elections.started()
    clock.advance(3)
    elections.ended("success")
    assert _sum(captured, "butterfly_consensus_election_duration_seconds") == 3


@pytest.mark.parametrize("engine", ["butterfly", "sdk"])
def test_start_times_and_collections_go_by_it(clock: Clock, engine: str) -> None:
    """Series start and are collected at its time, to the nanosecond, in both engines."""
    with capture_metrics(clock=clock, engine=engine) as captured:
        metrics.consensus_election_duration_seconds.record(1)
        clock.advance(2.5)
        data = captured._reader.get_metrics_data()
    assert data is not None
    [point] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert point.start_time_unix_nano == START * 10**9
    assert point.time_unix_nano == START * 10**9 + 2_500_000_000
    assert clock.now == START + 2.5
    assert clock.elapsed == 2.5


class Thermometer:
    """A source that tells how often it was read."""

    name = "thermometer"
    metrics: tuple[str, ...] = ("butterfly_gpu_temperature_celsius",)
    interval = 10.0
    deadline = 60.0

    def __init__(self) -> None:
        self.rounds = 0
        self.busy = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None:
        return

    def read(self) -> Sequence[Reading]:
        self.busy.set()
        self.go_on.wait()
        self.rounds += 1
        return [Reading(self.metrics[0], 60.0 + self.rounds, {"gpu_id": "0"})]

    def close(self) -> None:
        return


def test_rounds_of_collectors_follow_it(clock: Clock) -> None:
    """Every round that falls due is over when advance() returns; the last is what is exported."""
    source = Thermometer()
    with capture_metrics(clock=clock, collectors=[source]) as captured:
        clock.settle()
        assert source.rounds == 1  # the first at once
        clock.advance(0.4)
        assert source.rounds == 1
        clock.advance(0.1)  # the second within half a second
        assert source.rounds == 2
        clock.advance(30)
        assert source.rounds == 5
        assert captured.value(metrics.gpu_temperature_celsius, gpu_id=0) == 65
        assert captured.value("butterfly_otel_collector_age_seconds") == 0
        clock.advance(7)
        assert captured.value("butterfly_otel_collector_age_seconds") == 7
    assert not [t for t in threading.enumerate() if t.name.startswith("butterfly-otel-coll")]


def test_a_round_that_does_not_end_is_named(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never waits for ever for a source: the error names its thread."""
    monkeypatch.setattr("butterfly_otel.testing.clock._PATIENCE", 0.05)
    source = Thermometer()
    source.go_on.clear()
    with capture_metrics(clock=clock, collectors=[source]):
        assert source.busy.wait(20)
        with pytest.raises(TimeoutError, match="butterfly-otel-collector-thermometer did not end"):
            clock.advance(1)
        source.go_on.set()


def test_it_leaves_the_real_clock_as_it_was(clock: Clock) -> None:
    """After the capture time runs again; the time module itself was never touched."""
    with capture_metrics(clock=clock):
        assert timing.time_ns() == timing.time_ns() == START * 10**9
        assert time.time_ns() > START * 10**9
    assert timing.time_ns is time.time_ns
    assert (timing.perf_counter, timing.monotonic) == (time.perf_counter, time.monotonic)
    from opentelemetry.sdk.metrics._internal import metric_reader_storage  # noqa: PLC0415

    assert metric_reader_storage.time_ns is time.time_ns  # type: ignore[attr-defined]
    clock.stop()


def test_a_clock_that_runs_already_goes_on(clock: Clock) -> None:
    """Captures within one clock share it, and leave it running."""
    with clock:
        for _ in range(2):
            with capture_metrics(clock=clock):
                clock.advance(1)
        assert clock.running
        assert clock.elapsed == 2
    assert not clock.running


def test_time_does_not_go_back(clock: Clock) -> None:
    """A negative or impossible step is refused, and a second clock as well."""
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="time does not go back"):
            clock.advance(wrong)
    with clock, pytest.raises(ConfigurationError, match="another Clock runs already"):
        Clock().start()
