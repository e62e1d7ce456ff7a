"""The sampler by itself: how long its end waits, and that an end is one."""

from __future__ import annotations

import threading

import pytest

from butterfly_otel.collectors.sampler import Sampler
from butterfly_otel.collectors.worker import Worker
from tests.unit.collectors.support import Clock, Counts, FakeSource, Hang, eventually


class FakeThread(threading.Thread):
    """A thread that says how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def join(self, timeout: float | None = None) -> None:
        self.waited.append(timeout)


@pytest.mark.parametrize(("spent", "wait"), [(0.0, 0.75), (0.5, 0.25), (0.75, 0.0), (60.0, 0.0)])
def test_the_end_waits_for_a_call_until_it_is_late(spent: float, wait: float) -> None:
    """A call in time is waited for until its deadline, one that hangs not at all."""
    clock, source = Clock(), FakeSource(deadline=0.75)
    worker, thread = Worker(source, Counts(), clock=clock), FakeThread()
    sampler = Sampler([worker])
    sampler._threads[worker] = thread

    def end() -> None:
        clock.now += spent
        sampler.join(10)

    source.pause = end
    worker.round()
    assert thread.waited == [wait]


def test_the_end_never_waits_longer_than_it_may() -> None:
    """Neither longer than asked, nor longer than a second for all sources together."""
    worker, thread = Worker(FakeSource(deadline=60), Counts()), FakeThread()
    sampler = Sampler([worker])
    sampler._threads[worker] = thread
    for timeout in (10, 0.25, 0, -5):
        sampler.join(timeout)
    longest = (1.0, 0.25, 0.0, 0.0)
    assert all(
        waited is not None and 0 <= waited <= most
        for waited, most in zip(thread.waited, longest, strict=True)
    )


def test_what_was_stopped_starts_no_more() -> None:
    """Not when it is asked to, and not in a child that was forked after the end."""
    source = FakeSource()
    worker = Worker(source, Counts())
    sampler = Sampler([worker])
    sampler.start()
    eventually(lambda: source.calls["read"] == 1)
    sampler.stop()
    sampler.join(10)
    sampler.start()
    sampler._after_fork()
    assert worker.up() is None
    sampler.wake()
    assert sampler._threads == {}
    assert source.calls == {"open": 1, "read": 1, "close": 1}


def test_too_many_threads_are_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no thread can be started the application goes on, and the log says why."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sampler = Sampler([Worker(FakeSource(), Counts())])
    monkeypatch.setattr(threading.Thread, "start", refuse)
    sampler.start()
    assert "hardware is not read, or not all of it: can't start new thread" in caplog.text
    sampler.stop()
    sampler.join(10)


class Failing(FakeSource):
    """A source whose deadline can't be asked for, once it is `broken`."""

    broken = False

    @property
    def deadline(self) -> float:
        if self.broken:
            raise SystemExit
        return 0.01

    @deadline.setter
    def deadline(self, value: float) -> None:
        pass


def test_a_source_that_does_not_tell_its_deadline_ends_no_watch() -> None:
    """Its last one is taken, and the others are watched all the same."""
    broken, hanging = Failing(), FakeSource(name="hanging", deadline=0.02)
    counts, hang = Counts(), Hang()
    sampler = Sampler([Worker(broken, counts), Worker(hanging, counts)])
    for worker in sampler.workers:
        worker.time_left()
    broken.broken = True
    hanging.pause = hang
    sampler.start()
    eventually(lambda: counts.errors["hanging", "timeout"] == 1)
    hang.released.set()
    sampler.stop()
    sampler.join(10)


def test_a_failure_that_cannot_be_counted_ends_no_thread() -> None:
    """Whatever is raised while a failure is told, the source is read again."""
    source = FakeSource(interval=0.01)
    source.reading = RuntimeError("no")
    failures = []

    def count(*_arguments: object) -> None:
        failures.append(1)
        raise SystemExit

    worker = Worker(source, count)
    assert worker._contained_round() > 0
    assert worker.up() == 0
    assert failures
    source.reading = None
    worker._contained_round()
    assert worker.up() == 1
