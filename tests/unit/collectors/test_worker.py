"""A worker: what it keeps of a source, when it asks again, and what it tells of failures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event
from typing import Any

import pytest

from butterfly_otel.collectors import Extension, Reading
from butterfly_otel.collectors.worker import Worker
from tests.unit.collectors.support import CPU, TEMPERATURE, Clock, Counts, FakeSource, gone

POWER = Extension("hw.power", "observable_gauge", "W", "Power.")
ENERGY = Extension("hw.energy", "observable_counter", "J", "Energy.")


@dataclass
class Bench:
    """A worker on a fake source, a clock that stands still and counters that can be read."""

    source: FakeSource = field(default_factory=FakeSource)
    clock: Clock = field(default_factory=Clock)
    counts: Counts = field(default_factory=Counts)

    def worker(self, **settings: Any) -> Worker:
        return Worker(self.source, self.counts, clock=self.clock, **settings)

    def passes(self, seconds: float) -> Callable[[], None]:
        """Return what lets so many seconds pass."""

        def passing() -> None:
            self.clock.now += seconds

        return passing


@pytest.fixture
def bench() -> Bench:
    """Return a worker's surroundings."""
    return Bench()


def value(worker: Worker, metric: str = CPU) -> list[float]:
    """Return the values a callback would observe now."""
    return [observation.value for observation in worker.observations(metric)]


def test_readings_are_observed_by_metric(bench: Bench) -> None:
    """Each metric has its own readings, with their labels."""
    bench.source.metrics = (CPU, TEMPERATURE)
    bench.source.readings = [
        Reading(CPU, 0.5, {"core": "0"}),
        Reading(TEMPERATURE, 60, {"gpu_id": "0"}),
        Reading(CPU, 0.75, {"core": "1"}),
    ]
    worker = bench.worker()
    worker.round()
    found = {(each.value, *(each.attributes or {}).items()) for each in worker.observations(CPU)}
    assert found == {(0.5, ("core", "0")), (0.75, ("core", "1"))}
    assert value(worker, TEMPERATURE) == [60]


def test_labels_are_kept_as_they_were_read(bench: Bench) -> None:
    """A source may use one dict for all its readings."""
    labels = {"core": "0"}
    bench.source.readings = [Reading(CPU, 0.5, labels)]
    worker = bench.worker()
    worker.round()
    labels["core"] = "1"
    assert worker.observations(CPU)[0].attributes == {"core": "0"}


def test_a_snapshot_is_good_for_three_intervals(bench: Bench) -> None:
    """Two rounds may fail without a gap; older readings are no readings of now."""
    worker = bench.worker()
    worker.round()
    bench.clock.now += 30
    assert value(worker) == [0.5]
    bench.clock.now += 0.001
    assert value(worker) == []


def test_rounds_keep_to_their_interval(bench: Bench) -> None:
    """What a round takes is part of the interval, and a missed tick is left out."""
    worker = bench.worker()
    worker.round()
    bench.source.pause = bench.passes(1.5)
    assert worker.round() == 8.5
    bench.source.deadline = 100
    bench.source.pause = bench.passes(23)
    assert worker.round() == 7


def test_the_second_round_follows_soon(bench: Bench) -> None:
    """A source of differences has something to say within half a second, again after a failure."""
    worker = bench.worker()
    assert worker.round() == 0.5
    assert worker.round() == 10
    bench.source.reading = RuntimeError("x")
    worker.round()
    bench.source.reading = None
    assert worker.round() == 0.5
    bench.source.interval = 0.1
    assert bench.worker().round() == 0.1


@pytest.mark.parametrize(
    ("wanted", "least", "interval"), [(None, 30, 10), (2.0, 0, 2), (2.0, 30, 30), (60.0, 30, 60)]
)
def test_the_interval_that_is_asked_for_may_be_too_short(
    bench: Bench, wanted: float | None, least: float, interval: float
) -> None:
    """A source may say how seldom it wants to be read at least."""
    bench.source.minimum_interval = least  # type: ignore[attr-defined]
    assert bench.worker(interval=wanted).interval == interval


def test_state_before_and_after_the_first_round(bench: Bench) -> None:
    """Nothing is claimed before a round has ended; then it is up, with an age and a duration."""
    worker = bench.worker()
    assert (worker.up(), worker.age(), worker.duration()) == (None, None, None)
    bench.source.pause = bench.passes(0.25)
    worker.round()
    bench.clock.now += 3
    assert (worker.up(), worker.age(), worker.duration()) == (1, 3, 0.25)


def test_a_failure_is_counted_and_the_source_opened_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed round is told of, closes the source, and leaves the last readings to age."""
    worker = bench.worker()
    worker.round()
    bench.source.reading = RuntimeError("bus error")
    worker.round()
    assert bench.counts.errors == {("fake", "failed"): 1}
    assert (worker.up(), value(worker), bench.source.calls["close"]) == (0, [0.5], 1)
    assert "collector fake: it raised RuntimeError('bus error')" in caplog.text
    bench.source.reading = None
    worker.round()
    assert (worker.up(), bench.source.calls["open"]) == (1, 2)


def test_hardware_that_went_away_has_no_readings(bench: Bench) -> None:
    """Readings of a device that is known to be gone are dropped at once."""
    worker = bench.worker()
    worker.round()
    bench.source.reading = gone()
    worker.round()
    assert (worker.up(), value(worker)) == (0, [])
    assert bench.counts.errors == {("fake", "unavailable"): 1}


def test_not_even_system_exit_ends_a_thread(bench: Bench) -> None:
    """Libraries call sys.exit() at odd moments."""
    bench.source.opening = SystemExit(3)
    bench.worker().round()
    assert bench.counts.errors == {("fake", "failed"): 1}


def test_each_message_is_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand failures of two kinds are a thousand counted and two logged, in any order."""
    worker = bench.worker()
    for what in ("a", "a", "b", "b", "a"):
        bench.source.opening = gone(f"no {what}")
        worker.round()
    logged = [record.getMessage().split(" (")[0] for record in caplog.records]
    assert logged == [f"collector fake: no {what}" for what in "ab"]
    assert bench.counts.errors == {("fake", "unavailable"): 5}


def test_a_message_that_is_never_the_same_does_not_fill_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors with an address or a time in them are told twenty times and then only counted."""
    worker = bench.worker()
    for address in range(100):
        bench.source.reading = RuntimeError(f"at {address:#x}")
        worker.round()
    assert len(caplog.records) == 20
    assert bench.counts.errors == {("fake", "failed"): 100}


def test_recovery_is_logged_only_after_a_failure_was(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A source that flaps with the same message does not fill the log."""
    caplog.set_level(logging.INFO, "butterfly_otel")
    worker = bench.worker()
    for failure in (None, gone("x"), None, gone("x"), None):
        bench.source.reading = failure
        worker.round()
    logged = [record.getMessage().split(" (")[0] for record in caplog.records]
    assert logged == ["collector fake: x", "collector fake: works again"]


def test_attempts_grow_rarer_up_to_a_minute(bench: Bench) -> None:
    """The pause doubles with each failure, with jitter, and starts anew after a success."""
    worker = bench.worker()
    bench.source.opening = gone()
    for longest in (10, 20, 40, 60, 60):
        assert longest / 2 <= worker.round() <= longest
    bench.source.opening = None
    worker.round()
    bench.source.reading = gone()
    assert 5 <= worker.round() <= 10


def test_pauses_are_not_all_the_same(bench: Bench) -> None:
    """A thousand nodes that failed together do not come back together."""
    bench.source.opening = gone()
    assert len({bench.worker().round() for _ in range(20)}) > 10


def test_a_failing_close_harms_nothing(bench: Bench) -> None:
    """``close`` never raises; where it does after all, that is told."""

    def close() -> None:
        raise OSError("closed twice")

    bench.source.close = close  # type: ignore[method-assign]
    bench.source.opening = gone()
    bench.worker().round()
    assert bench.counts.errors == {("fake", "unavailable"): 1, ("fake", "failed"): 1}


def test_a_late_source_is_down_and_counted_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """While a call takes longer than its deadline, up is 0 and one timeout is counted."""
    worker = bench.worker()
    worker.round()
    seen: list[Any] = []

    def hang() -> None:
        bench.clock.now += 1.9
        worker.check()
        seen.append((worker.up(), dict(bench.counts.errors)))
        bench.clock.now += 0.2
        for _ in range(3):
            worker.check()
        seen.append((worker.up(), dict(bench.counts.errors)))

    bench.source.pause = hang
    worker.round()
    assert seen == [(1, {}), (0, {("fake", "timeout"): 1})]
    assert bench.counts.errors == {("fake", "timeout"): 1}
    assert "collector fake: it did not answer within 2 s" in caplog.text


def test_what_a_late_call_returns_is_not_used(bench: Bench) -> None:
    """Nobody knows how old it is; the next round has it anew, without opening again."""
    worker = bench.worker()
    bench.source.pause = bench.passes(60)
    worker.round()
    assert (value(worker), worker.up(), worker.age()) == ([], 0, None)
    assert bench.counts.errors == {("fake", "timeout"): 1}
    bench.source.pause = bench.passes(0)
    worker.round()
    assert (value(worker), worker.up(), bench.source.calls["open"]) == ([0.5], 1, 1)


def test_opening_late_delays_but_loses_nothing(bench: Bench) -> None:
    """A driver that takes its time to start is late, and then read."""
    opened = bench.source.open

    def slow() -> None:
        opened()
        bench.clock.now += 5

    bench.source.open = slow  # type: ignore[method-assign]
    worker = bench.worker()
    worker.round()
    assert (value(worker), worker.up()) == ([0.5], 1)
    assert bench.counts.errors == {("fake", "timeout"): 1}


def test_an_idle_source_is_not_late(bench: Bench) -> None:
    """Between rounds no deadline runs."""
    worker = bench.worker()
    worker.round()
    bench.clock.now += 1000
    worker.check()
    assert bench.counts.errors == {}
    assert worker.time_left() == 2


def test_hardware_that_was_never_there_is_not_mentioned(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen by ``auto``: no series, no count, one line for debugging, rare attempts."""
    caplog.set_level(logging.DEBUG, "butterfly_otel")
    bench.source.opening = gone("No driver.")
    worker = bench.worker(quiet=True)
    assert {worker.round() for _ in range(3)} == {60.0}
    assert (worker.up(), worker.age(), worker.duration()) == (None, None, None)
    assert bench.counts.errors == {}
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "the collector fake is off: No driver.")
    ]


def test_hardware_that_was_found_is_reported_for_good(bench: Bench) -> None:
    """What was there once and is gone is down, also for ``auto``."""
    worker = bench.worker(quiet=True)
    worker.round()
    bench.source.reading = bench.source.opening = gone()
    worker.round()
    worker.round()
    assert worker.up() == 0
    assert bench.counts.errors == {("fake", "unavailable"): 2}


def test_a_broken_source_is_reported_even_if_nobody_named_it(bench: Bench) -> None:
    """Only missing hardware is passed over in silence, not a defect."""
    bench.source.opening = TypeError("oops")
    worker = bench.worker(quiet=True)
    worker.round()
    assert worker.up() == 0
    assert bench.counts.errors == {("fake", "failed"): 1}


def test_undeclared_metrics_are_left_out_and_told_of(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A reading nobody observes would be lost in silence; the rest of the round is kept."""
    bench.source.readings = [Reading(TEMPERATURE, 1, {}), Reading(CPU, 0.5, {})]
    worker = bench.worker()
    worker.round()
    assert (value(worker), value(worker, TEMPERATURE), worker.up()) == ([0.5], [], 1)
    assert bench.counts.errors == {("fake", "failed"): 1}
    assert f"it yielded {TEMPERATURE}, which is not among its metrics" in caplog.text


@pytest.mark.parametrize(
    ("extension", "wrong", "what"),
    [
        (POWER, float("nan"), "not finite"),
        (POWER, "12", "not a number"),
        (ENERGY, -1.0, "negative"),
        (ENERGY, float("inf"), "not finite"),
    ],
)
def test_extensions_hold_what_a_metric_can_hold(
    bench: Bench, extension: Extension, wrong: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They have no guard, so their values are checked when they are read."""
    bench.source.extensions = (extension,)
    bench.source.readings = [Reading(extension.name, wrong, {}), Reading(extension.name, 2, {})]
    worker = bench.worker()
    worker.round()
    assert value(worker, extension.name) == [2]
    assert f"it yielded for {extension.name} what is {what}" in caplog.text


def test_extensions_are_observed_as_plain_numbers(bench: Bench) -> None:
    """A number of another library, of which a sum or an exporter may know nothing."""
    bench.source.extensions = (POWER,)
    bench.source.readings = [Reading(POWER.name, Decimal("1.5"), {})]  # type: ignore[arg-type]
    worker = bench.worker()
    worker.round()
    assert [type(each) for each in value(worker, POWER.name)] == [float]


def test_a_source_that_reads_when_it_is_iterated_is_watched(bench: Bench) -> None:
    """A read() with a yield in it has read nothing when it returns."""

    def read() -> Iterator[Reading]:
        bench.clock.now += 5
        worker.check()
        yield Reading(CPU, 0.5, {})

    bench.source.read = read  # type: ignore[assignment, method-assign]
    worker = bench.worker()
    worker.round()
    assert bench.counts.errors == {("fake", "timeout"): 1}
    assert (value(worker), worker.up(), worker.duration()) == ([], 0, 5)


def test_a_child_closes_what_its_parent_was_opening(bench: Bench) -> None:
    """Nobody knows how far a call got that was under way when the process forked."""
    worker = bench.worker()
    opened = bench.source.open

    def forks() -> None:
        opened()
        worker.renew()
        stop = Event()
        bench.source.open = opened  # type: ignore[method-assign]
        bench.source.pause = stop.set
        worker.work(stop)

    bench.source.open = forks  # type: ignore[method-assign]
    worker.round()
    # The child's own ones come after the first of each.
    assert (bench.source.calls["open"], bench.source.calls["close"]) == (2, 2)


def test_a_child_forgets_what_its_parent_was_doing(bench: Bench) -> None:
    """Readings may be about the parent, and a call under way is not under way here."""
    worker = bench.worker()
    worker.round()
    bench.source.pause = lambda: (bench.passes(5)(), worker.check(), worker.renew())
    worker.round()
    assert (worker.time_left(), bench.counts.errors) == (2, {("fake", "timeout"): 1})
    worker.renew()
    assert (value(worker), worker.up(), worker.age(), worker.duration()) == ([], None, None, None)
