"""Threads: whatever measures while whatever collects, nothing is lost and nothing torn.

First by chance, with a switch interval of a microsecond. Then one by one at every moment at
which CPython with the GIL may switch threads: where a function begins, after a call and at a
backward jump. A trace function stops one side at each of them in the engine, and lets the
other side run meanwhile.
"""

from __future__ import annotations

import dis
import itertools
import math
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from butterfly_otel.engine import MeterProvider, cells
from butterfly_otel.engine.cells import gil_enabled

ENGINE = str(Path(cells.__file__).parent)
METHODS = {"counter": "add", "histogram": "record"}
STATES = ("new", "live", "collected")

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


class Interruption:
    """Traces a call and runs ``intrude`` in another thread at the ``point``-th moment."""

    def __init__(self, intrude: Callable[[], None], point: int) -> None:
        self._intrude = intrude
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None
        self._left = point
        self._last: dict[FrameType, str] = {}

    def during(self, work: Callable[[], None]) -> bool:
        """Return whether there was a moment of that number."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
        if self._left >= 0:
            return False
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return True

    def _run(self) -> None:
        try:
            self._intrude()
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            self._failure = error

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "call":
            self._moment()
        elif event == "opcode":
            last = self._last.get(frame, "")
            if last.startswith(("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")):
                self._moment()
            self._last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        elif event == "return":
            self._last.pop(frame, None)
        return self._trace

    def _moment(self) -> None:
        if self._left == 0:
            self._thread.start()
            # Where it waits for a lock that is held here, it goes on later; by then tracing has
            # to be over, because with it threads may switch anywhere.
            self._thread.join(0.001)
            sys.settrace(None)
        self._left -= 1


class Session:
    """One instrument and its readers, with what they have exported in all."""

    def __init__(self, kind: str, preferences: tuple[Any, ...]) -> None:
        self.readers = [InMemoryMetricReader(each) for each in preferences]
        self.delta = [each is not None for each in preferences]
        self.exported = [0.0 for _ in preferences]
        provider = MeterProvider(self.readers, shutdown_on_exit=False)
        self.instrument = getattr(provider.get_meter("m"), f"create_{kind}")("i")
        self.by_api = getattr(self.instrument, METHODS[kind])

    def collect(self) -> None:
        """Collect by every reader and look at each point."""
        for index, reader in enumerate(self.readers):
            data = reader.get_metrics_data()
            total = 0.0
            for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
                for point in metric.data.data_points:
                    total += getattr(point, "value", None) or _count(point)
            self.exported[index] = total + (self.exported[index] if self.delta[index] else 0)


def _count(point: Any) -> float:
    if not hasattr(point, "count"):
        return 0.0
    # Every amount is 1, so the parts of a point must agree.
    assert point.count == point.sum == sum(point.bucket_counts)
    assert (point.min, point.max) == ((1, 1) if point.count else (math.inf, -math.inf))
    return float(point.count)


def _moments(kind: str, preferences: tuple[Any, ...], *, bound: bool) -> Iterator[Any]:
    for state, times in itertools.product(STATES, (1, 2)):
        for point in itertools.count():
            session = Session(kind, preferences)
            target = session.instrument.bind({"k": "v"}) if bound else None

            def measure(session: Session = session, target: Any = target) -> None:
                if target is not None:
                    target.record(1)
                else:
                    session.by_api(1, {"k": "v"})

            if state != "new":
                measure()
            if state == "collected":
                session.collect()
            failed = yield session, measure, times, point, 1 + (state != "new")
            if failed:
                break


@pytest.mark.skipif(not gil_enabled(), reason="the moments are those of the GIL")
@pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"])
@pytest.mark.parametrize(
    "preferences", [(None,), (DELTA,), (None, DELTA)], ids=["cumulative", "delta", "both"]
)
@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("interrupted", ["measurement", "collection"])
def test_nothing_is_lost_or_torn_whenever_threads_switch(
    interrupted: str, kind: str, preferences: tuple[Any, ...], *, bound: bool
) -> None:
    """Collections in the midst of a measurement, and measurements in the midst of one."""
    moments = _moments(kind, preferences, bound=bound)
    session, measure, times, point, expected = next(moments)
    while True:

        def repeated(work: Callable[[], None], times: int = times) -> Callable[[], None]:
            return lambda: [work() for _ in range(times)] and None

        if interrupted == "measurement":
            reached = Interruption(repeated(session.collect), point).during(measure)
        else:
            reached = Interruption(repeated(measure), point).during(session.collect)
            expected += times - 1
        if reached:
            session.collect()
            session.collect()
            assert session.exported == [expected] * len(preferences), (point, times)
        try:
            session, measure, times, point, expected = moments.send(not reached)
        except StopIteration:
            break
