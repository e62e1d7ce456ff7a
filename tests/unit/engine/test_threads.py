"""Threads: whatever measures while whatever collects, nothing is lost and nothing torn.

First by chance, with a switch interval of a microsecond. Then one by one at every moment at
which CPython with the GIL may switch threads: where a function begins, after a call and at a
backward jump.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from butterfly_otel.engine import MeterProvider, table
from butterfly_otel.process.gil import gil_enabled
from butterfly_otel.process.values import HIGHEST, ONE, SMALL
from tests.collected import points
from tests.unit.engine.conftest import Scenario, at_every_moment

METHODS = {"counter": "add", "histogram": "record"}

THREADS = 6
ROUNDS = 2000
DELTA = dict.fromkeys((Counter, UpDownCounter, Histogram), AggregationTemporality.DELTA)
READERS: dict[str, tuple[Any, ...]] = {
    "cumulative": (None,),
    "delta": (DELTA,),
    "both": (None, DELTA),
    "deltas": (DELTA, DELTA),
}


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Let threads change at every opportunity."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run(*works: Callable[[], None]) -> None:
    """Run all in threads of their own at once, to the end."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(works))

    def guarded(work: Callable[[], None]) -> None:
        try:
            ready.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(each,)) for each in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


class Collector:
    """Collects over and over, adds up what is exported and looks at each point."""

    def __init__(self, preference: Any) -> None:
        self.reader = InMemoryMetricReader(preference)
        self.delta = preference is not None
        self.totals: dict[str, float] = {}
        self.broken: list[Any] = []

    def once(self) -> None:
        """Collect."""
        data = self.reader.get_metrics_data()
        now: dict[str, float] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
            for point in metric.data.data_points:
                amount = getattr(point, "value", None)
                if amount is None:
                    amount = point.count
                    self._look_at(point)
                now[metric.name] = now.get(metric.name, 0) + amount
        if self.delta:
            now = {
                name: self.totals.get(name, 0) + now.get(name, 0) for name in (*self.totals, *now)
            }
        self.totals.update(now)

    def _look_at(self, point: Any) -> None:
        """Every amount is 1, so the parts of a histogram point must agree."""
        whole = point.count == point.sum == sum(point.bucket_counts)
        if not whole or (point.count and (point.min, point.max) != (1, 1)):
            self.broken.append(point)

    def until(self, done: threading.Event) -> None:
        """Collect until all is measured, and once more."""
        while not done.is_set():
            self.once()
        self.once()


def _measure(instruments: dict[str, Any], thread: int) -> None:
    bound = {name: each.bind({"k": f"{thread % 3}"}).record for name, each in instruments.items()}
    for number in range(ROUNDS):
        attributes = {"k": f"{number % 3}"}
        instruments["counter"].add(1, attributes)
        bound["counter"](1)
        instruments["histogram"].record(1, attributes)
        bound["histogram"](1)
        instruments["up_down_counter"].add(1, {"k": f"{thread} {number % 50}"})
        bound["up_down_counter"](1)


@pytest.fixture(params=["as here", "locked"])
def _locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure as this interpreter can, and as one does without a GIL."""
    if request.param == "locked":
        monkeypatch.setattr(table, "ATOMIC", False)


@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("preferences", READERS.values(), ids=READERS.keys())
def test_totals_are_exact_and_points_whole(preferences: tuple[Any, ...]) -> None:
    """Each measurement of many threads is exported exactly once, in a consistent point."""
    collectors = [Collector(each) for each in preferences]
    provider = MeterProvider([each.reader for each in collectors], shutdown_on_exit=False)
    meter = provider.get_meter("m")
    instruments = {
        "counter": meter.create_counter("counter"),
        "histogram": meter.create_histogram("histogram"),
        "up_down_counter": meter.create_up_down_counter("up_down_counter"),
    }
    done, left = threading.Event(), threading.Semaphore(0)

    def measure(thread: int) -> None:
        try:
            _measure(instruments, thread)
        finally:
            left.release()

    def end() -> None:
        for _ in range(THREADS):
            left.acquire()
        done.set()

    run(
        end,
        *(lambda thread=thread: measure(thread) for thread in range(THREADS)),
        *(lambda each=each: each.until(done) for each in collectors),
    )
    expected = dict.fromkeys(instruments, 2 * THREADS * ROUNDS)
    for each in collectors:
        # A last look: what was under way at the last collection is in this one.
        each.once()
        assert each.totals == expected
        assert each.broken == []


@pytest.mark.usefixtures("_locks")
def test_a_histogram_is_read_whole() -> None:
    """Its counts and its sum are of one instant, however fast others measure."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram: Any = provider.get_meter("m").create_histogram("h")
    cell = histogram.bind({"k": "v"})
    cell.record(1)
    done, torn = threading.Event(), list[Any]()

    def measure() -> None:
        try:
            for _ in range(5 * ROUNDS):
                cell.record(1)
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            counts, total, lowest, highest = cell.read()
            if (sum(counts), lowest, highest) != (total, 1, 1):
                torn.append((counts, total, lowest, highest))

    run(measure, measure, read, read)
    assert torn == []


def test_removal_loses_nothing_that_is_measured_afterwards() -> None:
    """Series that are removed while they are measured come back whole."""
    collector, deltas = Collector(None), Collector(DELTA)
    provider = MeterProvider([collector.reader, deltas.reader], shutdown_on_exit=False)
    counter = provider.get_meter("m").create_counter("counter")
    done = threading.Event()

    def measure() -> None:
        bound = counter.bind({"k": "a"})
        for number in range(3 * ROUNDS):
            bound.record(1)
            counter.add(1, {"k": f"{number % 3}"})
        done.set()

    def remove() -> None:
        while not done.is_set():
            counter.clear()

    run(measure, remove, lambda: deltas.until(done))
    deltas.once()
    assert deltas.totals == {"counter": 6 * ROUNDS}
    collector.once()
    before = collector.totals["counter"] if collector.totals else 0
    counter.add(1, {"k": "a"})
    collector.once()
    assert collector.totals["counter"] == before + 1


def test_a_reader_that_is_added_while_others_measure_misses_nothing_later() -> None:
    """Once add_metric_reader has returned and threads have moved on, the reader sees all."""
    for _ in range(30):
        first = InMemoryMetricReader()
        provider = MeterProvider([first], shutdown_on_exit=False)
        counter = provider.get_meter("m").create_counter("counter")
        late = Collector(None)

        def measure(counter: Any = counter) -> None:
            for number in range(60):
                counter.add(1, {"k": f"{number % 20}"})

        def add(provider: MeterProvider = provider, late: Collector = late) -> None:
            provider.add_metric_reader(late.reader)

        run(measure, add, measure, measure)
        late.once()
        before = late.totals.get("counter", 0)
        for number in range(20):
            counter.add(1, {"k": f"{number}"})
        late.once()
        assert late.totals["counter"] == before + 20


def test_instruments_may_be_created_while_readers_change() -> None:
    """Neither disturbs the other."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    meter = provider.get_meter("m")
    created: list[Any] = []

    def create() -> None:
        for number in range(300):
            created.append(meter.create_counter(f"c{number % 150}"))
            created[-1].add(1, {"k": "v"})

    def change() -> None:
        for _ in range(60):
            reader = InMemoryMetricReader()
            provider.add_metric_reader(reader)
            reader.get_metrics_data()
            provider.remove_metric_reader(reader)

    run(create, create, change)
    reader = Collector(None)
    provider.add_metric_reader(reader.reader)
    for each in created:
        each.add(1)
    reader.once()
    assert sum(reader.totals.values()) == len(created)
    assert not any(math.isnan(each) for each in reader.totals.values())


class Session:
    """One instrument and its readers, with what they have exported in all."""

    def __init__(self, kind: str, preferences: tuple[Any, ...], state: str, *, bound: bool) -> None:
        self.readers = [InMemoryMetricReader(each) for each in preferences]
        self.delta = [each is not None for each in preferences]
        self.exported = [0.0 for _ in preferences]
        self.provider = MeterProvider(self.readers, shutdown_on_exit=False)
        self.measured = 0
        self._instrument = getattr(self.provider.get_meter("m"), f"create_{kind}")("i")
        self._by_api = getattr(self._instrument, METHODS[kind])
        self._target: Any = None
        if bound:
            self.bind()
        if state != "new":
            self.measure()
        if state == "collected":
            self.collect()

    def bind(self) -> None:
        """Measure by a bound target from now on."""
        self._target = self._instrument.bind({"k": "v"})

    def measure(self) -> None:
        """Measure 1."""
        if self._target is not None:
            self._target.record(1)
        else:
            self._by_api(1, {"k": "v"})
        self.measured += 1

    def collect(self) -> None:
        """Collect by every reader and look at each point."""
        for index, reader in enumerate(self.readers):
            total = sum(_amount(point) for point in points(reader, "i"))
            self.exported[index] = total + (self.exported[index] if self.delta[index] else 0)

    def check(self) -> None:
        """Compare what was exported with what was measured."""
        self.collect()
        assert self.exported == [self.measured] * len(self.readers)


def _amount(point: Any) -> float:
    amount: float | None = getattr(point, "value", None)
    if amount is not None:
        return amount
    # Every amount is 1, so the parts of a point must agree.
    assert point.count == point.sum == sum(point.bucket_counts)
    assert (point.min, point.max) == ((1, 1) if point.count else (math.inf, -math.inf))
    return float(point.count)


def twice(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does the work twice."""

    def both() -> None:
        work()
        work()

    return both


EVERY_SESSION = [
    pytest.mark.skipif(not gil_enabled(), reason="the moments are those of the GIL"),
    pytest.mark.parametrize("state", ["new", "live", "collected"]),
    pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"]),
    pytest.mark.parametrize(
        "preferences", [(None,), (DELTA,), (None, DELTA)], ids=["cumulative", "delta", "both"]
    ),
    pytest.mark.parametrize("kind", METHODS),
]


def every_session(test: Any) -> Any:
    """Run a test with each kind of instrument, reader, target and state of the series."""
    for mark in EVERY_SESSION:
        test = mark(test)
    return test


@every_session
def test_collections_amid_a_measurement_lose_nothing(
    kind: str, preferences: tuple[Any, ...], state: str, *, bound: bool
) -> None:
    """Two collections at any moment of a measurement export it once, then or later."""

    def scenario() -> Scenario:
        session = Session(kind, preferences, state, bound=bound)
        return session.measure, twice(session.collect), session.check

    at_every_moment(scenario)


@every_session
def test_measurements_amid_a_collection_are_exported_once_and_whole(
    kind: str, preferences: tuple[Any, ...], state: str, *, bound: bool
) -> None:
    """Two measurements at any moment of a collection are in it or in the next."""

    def scenario() -> Scenario:
        session = Session(kind, preferences, state, bound=bound)
        return session.collect, twice(session.measure), session.check

    at_every_moment(scenario)


@every_session
def test_a_reader_added_amid_a_measurement_sees_the_next_one(
    kind: str, preferences: tuple[Any, ...], state: str, *, bound: bool
) -> None:
    """Whatever was looked up for the readers there were is looked up anew."""

    def scenario() -> Scenario:
        session = Session(kind, preferences, state, bound=bound)
        return _joining(session, session.measure)

    at_every_moment(scenario)


@every_session
def test_a_reader_added_amid_a_binding_sees_what_is_measured_by_it(
    kind: str, preferences: tuple[Any, ...], state: str, *, bound: bool
) -> None:
    """A target that is being bound is not bound to the readers there were."""

    def scenario() -> Scenario:
        session = Session(kind, preferences, state, bound=bound)
        other = InMemoryMetricReader()
        session.provider.add_metric_reader(other)
        session.provider.remove_metric_reader(other)
        return _joining(session, session.bind)

    at_every_moment(scenario)


def _joining(session: Session, work: Callable[[], None]) -> Scenario:
    late = InMemoryMetricReader()

    def check() -> None:
        before = sum(_amount(point) for point in points(late, "i"))
        session.measure()
        assert sum(_amount(point) for point in points(late, "i")) == before + 1
        session.check()

    return work, lambda: session.provider.add_metric_reader(late), check


@pytest.mark.skipif(not gil_enabled(), reason="the moments are those of the GIL")
def test_a_reader_added_amid_the_creation_of_an_instrument_sees_it() -> None:
    """An instrument that is not ready yet neither breaks a change of readers nor misses it."""

    def scenario() -> Scenario:
        provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
        late = InMemoryMetricReader()

        def create() -> None:
            provider.get_meter("m").create_counter("i")

        def check() -> None:
            provider.get_meter("m").create_counter("i").add(1, {"k": "v"})
            assert sum(_amount(point) for point in points(late, "i")) == 1

        return create, lambda: provider.add_metric_reader(late), check

    at_every_moment(scenario)


@pytest.mark.skipif(
    not hasattr(sys, "_is_immortal") or gil_enabled(), reason="needs no GIL, and 3.14"
)
def test_threads_do_not_count_references_to_what_all_of_them_compare_with() -> None:
    """Else two threads that measure two series wait for each other at each call."""
    is_immortal: Any = sys._is_immortal  # type: ignore[attr-defined]
    assert all(map(is_immortal, (ONE, SMALL, HIGHEST)))
