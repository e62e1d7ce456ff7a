"""A finalizer or a signal handler that measures, at every moment at which one may run.

Garbage is collected where something is allocated, and a signal's handler runs between two
instructions of the main thread: both inside whatever that thread is doing, locks included.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from threading import Lock, RLock
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from butterfly_otel.engine import MeterProvider
from tests.collected import points
from tests.unit.engine.conftest import Interruption, Scenario

DELTA = AggregationTemporality.DELTA
EXPONENTIAL = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())


class Inside(Interruption):
    """Runs what intrudes in the thread that is interrupted."""

    def _moment(self) -> None:
        if self._left == 0:
            sys.settrace(None)
            self._intrude()
        self._left -= 1

    def during(self, work: Callable[[], None]) -> bool:
        """Return whether there was a moment of that number."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
        return self._left < 0


def at_every_moment(scenario: Callable[[], Scenario]) -> None:
    """Play a scenario again and again, interrupting it one moment later each time."""
    for point in itertools.count():
        work, intrude, check = scenario()
        if not Inside(intrude, point).during(work):
            assert point > 0
            return
        check()


def _start(*, deltas: bool = False, **settings: Any) -> tuple[Any, Any, InMemoryMetricReader]:
    preference: Any = {Counter: DELTA, Histogram: DELTA} if deltas else None
    reader = InMemoryMetricReader(preference)
    provider = MeterProvider([reader], shutdown_on_exit=False, **settings)
    return provider, provider.get_meter("m"), reader


def _total(reader: InMemoryMetricReader, name: str = "c") -> float:
    """Collect, and return all that was measured: a count where it is a histogram."""
    found = points(reader, name)
    return sum(point.count if hasattr(point, "count") else point.value for point in found)


@pytest.mark.parametrize("intruding", ["a", "b"])
@pytest.mark.parametrize("deltas", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("kind", ["counter", "histogram", "exponential"])
@pytest.mark.parametrize("exemplars", [False, True])
def test_a_measurement_within_a_measurement_is_counted(
    intruding: str, *, deltas: bool, known: bool, kind: str, exemplars: bool
) -> None:
    """Whether it is of the same series or another, known already or new."""
    settings: dict[str, Any] = {"exemplar_filter": AlwaysOnExemplarFilter()} if exemplars else {}

    def scenario() -> Scenario:
        views = [EXPONENTIAL] if kind == "exponential" else []
        _, meter, reader = _start(deltas=deltas, views=views, **settings)
        name = "c" if kind == "counter" else "h"
        measure = (
            meter.create_counter("c").add if name == "c" else meter.create_histogram("h").record
        )
        if known:
            measure(1, {"k": "a"})

        def check() -> None:
            assert _total(reader, name) == 2 + known
            measure(1, {"k": intruding})
            assert _total(reader, name) == (1 if deltas else 3 + known)

        return lambda: measure(1, {"k": "a"}), lambda: measure(1, {"k": intruding}), check

    at_every_moment(scenario)


@pytest.mark.parametrize("deltas", [False, True])
@pytest.mark.parametrize("intruding", ["a", "b"])
@pytest.mark.parametrize("kind", ["counter", "exponential"])
def test_a_measurement_within_a_collection_is_in_this_one_or_the_next(
    intruding: str, *, deltas: bool, kind: str
) -> None:
    """Nothing is lost between two collections."""

    def scenario() -> Scenario:
        _, meter, reader = _start(deltas=deltas, views=[EXPONENTIAL])
        name = "c" if kind == "counter" else "h"
        measure = (
            meter.create_counter("c").add if name == "c" else meter.create_histogram("h").record
        )
        measure(1, {"k": "a"})
        collected: list[float] = []

        def check() -> None:
            collected.append(_total(reader, name))
            assert (sum(collected) if deltas else collected[-1]) == 2

        return (
            lambda: collected.append(_total(reader, name)),
            lambda: measure(1, {"k": intruding}),
            check,
        )

    at_every_moment(scenario)


def test_a_measurement_within_a_removal_is_counted() -> None:
    """A series that begins while others end is there afterwards."""

    def scenario() -> Scenario:
        _, meter, reader = _start()
        counter = meter.create_counter("c")
        for each in "abc":
            counter.add(1, {"k": each})

        def check() -> None:
            assert _total(reader) == 2

        return (
            lambda: counter.remove(lambda attributes: attributes["k"] in "ab"),
            lambda: counter.add(1, {"k": "d"}),
            check,
        )

    at_every_moment(scenario)


def test_a_removal_within_a_measurement_ends_that_series_alone() -> None:
    """What a finalizer removes is gone, and what is measured afterwards counts."""

    def scenario() -> Scenario:
        _, meter, reader = _start()
        counter = meter.create_counter("c")
        counter.add(1, {"k": "old"})

        def check() -> None:
            assert _total(reader) == 1
            counter.add(1, {"k": "old"})
            assert _total(reader) == 2

        return (
            lambda: counter.add(1, {"k": "new"}),
            lambda: counter.remove(lambda attributes: attributes["k"] == "old"),
            check,
        )

    at_every_moment(scenario)


def test_a_measurement_while_a_reader_is_added_is_seen_by_the_first_one() -> None:
    """And what comes after by both."""

    def scenario() -> Scenario:
        provider, meter, reader = _start()
        counter = meter.create_counter("c")
        second = InMemoryMetricReader()

        def check() -> None:
            assert _total(reader) == 1
            before = _total(second)
            counter.add(1, {"k": "a"})
            assert (_total(reader), _total(second)) == (2, before + 1)

        return (
            lambda: provider.add_metric_reader(second),
            lambda: counter.add(1, {"k": "a"}),
            check,
        )

    at_every_moment(scenario)


def test_an_instrument_that_is_created_within_its_own_creation_is_one() -> None:
    """A finalizer that creates and measures what is just being created loses nothing."""

    def scenario() -> Scenario:
        _, meter, reader = _start()
        made: list[Any] = []

        def create() -> None:
            made.append(meter.create_counter("c"))
            made[-1].add(1)

        def check() -> None:
            assert made[0] is made[1]
            assert _total(reader) == 2

        return create, create, check

    at_every_moment(scenario)


def test_a_meter_that_is_asked_for_within_its_own_making_measures() -> None:
    """Whichever of the two is kept, both are collected."""

    def scenario() -> Scenario:
        provider, _, reader = _start()

        def measure() -> None:
            provider.get_meter("other").create_counter("c").add(1)

        def check() -> None:
            assert _total(reader) == 2

        return measure, measure, check

    at_every_moment(scenario)


def test_callbacks_that_change_within_a_change_are_all_heard() -> None:
    """One that is added while another one goes is asked, and the other is not."""

    def scenario() -> Scenario:
        _, meter, reader = _start()

        def old(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(1, {"k": "old"})]

        def new(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(1, {"k": "new"})]

        observable = meter.create_observable_gauge("o", [old])

        def check() -> None:
            assert [point.attributes["k"] for point in points(reader, "o")] == ["new"]

        return lambda: observable.unregister(old), lambda: observable.add_callback(new), check

    at_every_moment(scenario)


class Collecting:
    """Stands for a lock: whoever takes it runs a finalizer that measures, once taken."""

    def __init__(self, lock: Any, finalizer: Callable[[], None]) -> None:
        self._lock = lock
        self.finalizer: Callable[[], None] | None = finalizer
        self.runs = 0
        self._running = False

    def __enter__(self) -> bool:
        self._lock.acquire()
        self._collect()
        return True

    def __exit__(self, *_exc: object) -> None:
        self._collect()
        self._lock.release()

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Take it, and collect garbage."""
        taken = self._lock.acquire(*args, **kwargs)
        self._collect()
        return taken

    def release(self) -> None:
        """Collect garbage, and give it back."""
        self._collect()
        self._lock.release()

    def _collect(self) -> None:
        if self.finalizer is not None and not self._running:
            self._running = True
            try:
                self.finalizer()
                self.runs += 1
            finally:
                self._running = False


def locks_of(*roots: Any) -> list[tuple[Any, str]]:
    """Return who has a lock, and under which name, walking all that can be reached of ours."""
    kinds = (type(RLock()), type(Lock()))
    found: list[tuple[Any, str]] = []
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, str, int, float, bytes)):
            continue
        seen.add(id(each))
        parts = dict(vars(each)) if hasattr(each, "__dict__") else {}
        for kind in type(each).__mro__:
            for name in kind.__dict__.get("__slots__", ()):
                if name != "__weakref__" and hasattr(each, name):
                    parts[name] = getattr(each, name)
        found += [(each, name) for name, part in parts.items() if isinstance(part, kinds)]
        ours = type(each).__module__.startswith(("butterfly_otel", "opentelemetry.sdk.metrics"))
        waiting += parts.values() if ours else ()
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting += each
    return found


def _everything() -> tuple[Any, Any, list[InMemoryMetricReader], Callable[[], None]]:
    """Return a provider with every kind of stream, and what measures a little of each."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader({Counter: DELTA})]
    provider = MeterProvider(
        readers,
        shutdown_on_exit=False,
        views=[EXPONENTIAL],
        exemplar_filter=AlwaysOnExemplarFilter(),
        time_to_live={"g": 1000.0},
    )
    meter = provider.get_meter("m")
    counter, gauge = meter.create_counter("c"), meter.create_gauge("g")
    histogram, buckets = meter.create_histogram("h"), meter.create_histogram("b")
    meter.create_observable_counter("o", [lambda _: [Observation(1)]])

    def measure() -> None:
        for each in "ab":
            counter.add(1, {"k": each})
            gauge.set(1, {"k": each})
            histogram.record(1, {"k": each})
            buckets.record(1, {"k": each})

    return provider, counter, readers, measure


def test_no_lock_on_a_measuring_path_waits_for_its_own_thread() -> None:
    """At each lock that can be reached, taking it runs a finalizer that measures."""
    provider, _, readers, measure = _everything()
    measure()
    for reader in readers:
        reader.get_metrics_data()
    names = sorted({(type(owner).__name__, name) for owner, name in locks_of(provider)})
    assert ("CellReaderStorage", "_lock") in names
    taken: set[tuple[str, str]] = set()
    for wanted in names:
        provider, counter, readers, measure = _everything()
        measured = 0

        def finalizer(counter: Any = counter) -> None:
            nonlocal measured
            measured += 1
            counter.add(1, {"k": "finalized"})
            counter.add(1, {"k": f"{measured % 7}"})

        measure()
        stand_ins = []
        for owner, name in locks_of(provider):
            if (type(owner).__name__, name) == wanted:
                stand_in = Collecting(getattr(owner, name), finalizer)
                setattr(owner, name, stand_in)
                stand_ins.append(stand_in)
        for _ in range(2):
            measure()
            counter.add(1, {"k": "new"})
            counter.bind({"k": "bound"}).record(1)
            provider.get_meter("m").create_counter("another").add(1)
            for reader in readers:
                reader.get_metrics_data()
        if any(each.runs for each in stand_ins):
            taken.add(wanted)
        for each in stand_ins:
            each.finalizer = None
        assert _total(readers[0]) == 2 * 3 + 2 * 2 + 2 * measured, wanted
    assert {("Table", "_lock"), ("CellReaderStorage", "_lock"), ("StockStream", "_turn")} <= taken
