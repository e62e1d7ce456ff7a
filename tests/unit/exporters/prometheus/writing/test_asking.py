"""Collectors that hang or raise: the rest of the page comes, and says what is missing."""

from __future__ import annotations

import asyncio
import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from prometheus_client import CollectorRegistry, Counter, Metric

from butterfly_otel.exporters.prometheus import CollectionError
from butterfly_otel.exporters.prometheus.writing import asking
from butterfly_otel.exporters.prometheus.writing.asking import Asker, Question
from tests.unit.exporters.prometheus.support import parse_text, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.unit.exporters.prometheus.conftest import Setup

#: Seconds that nothing here ever takes.
LONG = 30.0
#: A time that is up soon.
SHORT = 1.0


class Hanging:
    """A collector that gives one metric and then does not end until it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.release = threading.Event()
        self.asked = 0

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        metric = Metric(self.name, "", "gauge")
        metric.add_sample(self.name, {}, self.asked)
        if not self.release.is_set():
            self.release.wait(LONG)
        yield metric


class Raising:
    """A collector that gives one metric and raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def collect(self) -> Iterator[Metric]:
        metric = Metric("before", "", "gauge")
        metric.add_sample("before", {}, 1)
        yield metric
        raise self.error


@pytest.fixture
def hanging() -> Iterator[Callable[[str], Hanging]]:
    """Return a function that makes collectors which hang; all are let go in the end."""
    made: list[Hanging] = []

    def make(name: str) -> Hanging:
        made.append(Hanging(name))
        return made[-1]

    yield make
    for each in made:
        each.release.set()


def test_collectors_that_hang_cost_their_own_metrics_alone(
    setup: Callable[..., Setup],
    hanging: Callable[[str], Hanging],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever hangs, what is registered before and behind it is on the page."""
    registry = CollectorRegistry()
    stuck = [hanging("one"), hanging("two")]
    registry.register(stuck[0])
    Counter("jobs", "J", registry=registry).inc(3)
    registry.register(stuck[1])
    done = setup(registry=registry)
    done.meter.create_counter("mine").add(2)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            shown = parse_text(done.reader.render(timeout=SHORT)[1])
            assert {"jobs", "mine"} <= set(shown)
            assert not {"one", "two"} & set(shown)
    # What hangs is not asked again meanwhile, so that it holds no second thread.
    assert [each.asked for each in stuck] == [1, 1]
    assert done.reader.omissions == {"slow_collector": 4}
    assert [record.getMessage() for record in caplog.records] == [
        "Metrics of the collector Hanging are not exposed: it did not answer in time"
    ]


def test_a_collector_that_has_come_round_is_shown_again(
    setup: Callable[..., Setup], hanging: Callable[[str], Hanging]
) -> None:
    """Once it has ended it is asked anew, and what it said too late is not shown."""
    done = setup()
    slow = hanging("slow")
    done.registry.register(slow)
    assert "slow" not in parse_text(done.reader.render(timeout=SHORT)[1])
    slow.release.set()
    assert samples(parse_text(done.reader.render()[1])["slow"]) == {("slow", ()): 2}


def test_who_is_slow_but_in_time_is_shown(
    setup: Callable[..., Setup], hanging: Callable[[str], Hanging]
) -> None:
    """One that outlasts the others' patience is waited for until time is up."""
    done = setup()
    slow = hanging("slow")
    done.registry.register(slow)

    class Releasing:
        """Is asked although the one before is not done, and ends it."""

        def collect(self) -> Iterator[Metric]:
            slow.release.set()
            return iter(())

    done.registry.register(Releasing())
    assert "slow" in parse_text(done.reader.render(timeout=LONG)[1])
    assert done.reader.omissions == {}


@pytest.mark.parametrize(
    "error",
    [ValueError(), SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt(), MemoryError()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_collector_raises_the_page_comes(
    setup: Callable[..., Setup], error: BaseException
) -> None:
    """An exception of any kind ends its own collector, not the scrape nor its thread."""
    done = setup()
    done.registry.register(Raising(error))
    Counter("jobs", "J", registry=done.registry).inc(3)
    for _ in range(2):
        assert {"before", "jobs"} <= set(parse_text(done.reader.render()[1]))
    assert done.reader.omissions == {"failed_collector": 2}
    assert done.reader.problems == {"foreign_collector": 1}


def test_a_provider_of_the_stock_sdk_that_hangs_costs_no_other_metrics(
    setup: Callable[..., Setup],
) -> None:
    """The stock SDK can't be interrupted, so its metrics are missing, and no others."""
    done = setup()
    release = threading.Event()

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        release.wait(LONG)
        return [Observation(1)]

    done.meter.create_observable_gauge("g", [observe])
    with pytest.raises(CollectionError, match="Timed out"):
        done.reader.render(timeout=SHORT)
    Counter("jobs", "J", registry=done.registry).inc(3)
    try:
        assert "jobs" in parse_text(done.reader.render(timeout=SHORT)[1])
        assert done.reader.omissions == {"slow_collector": 2}
    finally:
        release.set()
    assert {"g", "jobs"} <= set(parse_text(done.reader.render()[1]))


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError()])
def test_a_provider_of_the_stock_sdk_that_raises_costs_no_other_metrics(
    setup: Callable[..., Setup], error: BaseException
) -> None:
    """What the stock SDK lets pass from a callback ends neither the scrape nor the process."""
    done = setup()

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        raise error

    done.meter.create_observable_gauge("g", [observe])
    with pytest.raises(CollectionError, match=type(error).__name__):
        done.reader.render()
    Counter("jobs", "J", registry=done.registry).inc(3)
    assert "jobs" in parse_text(done.reader.render()[1])


def test_without_threads_everything_is_asked_by_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, as when the interpreter ends, the answers still come."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asking.Thread, "start", refuse)
    questions = [Question(object(), lambda value=value: [value]) for value in range(3)]
    Asker().ask(questions, monotonic() + LONG)
    assert [each.answers for each in questions] == [[0], [1], [2]]


def test_nothing_is_asked_when_time_is_up_already() -> None:
    """A deadline in the past gives no answers, and nobody is thought to hang."""
    asker = Asker()
    subject = object()
    late = Question(subject, lambda: [1])
    asker.ask([late], monotonic() - 1)
    assert (late.late, late.answers) == (True, [])
    again = Question(subject, lambda: [1])
    asker.ask([again], monotonic() + LONG)
    assert again.answers == [1]
