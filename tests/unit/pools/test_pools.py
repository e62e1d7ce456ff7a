"""Memory pools and tracked models: the books that an application keeps."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isnan, nan
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import memory
from butterfly_otel.errors import ConfigurationError, MeasurementError
from butterfly_otel.memory.books import POOLS, MemoryPool, Pools
from butterfly_otel.memory.parts import Part

METRIC = "butterfly_memory_allocated_bytes"
INVALID = "butterfly_otel_invalid_measurements_total"
RAISED = "butterfly_otel_callback_errors_total"


class Counts:
    """What was counted."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []

    def __call__(self, name: str, labels: Mapping[str, str]) -> None:
        self.seen.append((name, dict(labels)))


@pytest.fixture
def books() -> Pools:
    """Return books of their own, empty."""
    return Pools()


@pytest.fixture
def pool(books: Pools) -> MemoryPool:
    """Return a pool on the host."""
    return books.open("buffer", "host")


@pytest.fixture
def registered() -> Iterator[list[MemoryPool]]:
    """Yield a list whose pools are closed at the end."""
    opened: list[MemoryPool] = []
    yield opened
    for each in opened:
        each.close()


def test_the_public_functions_keep_the_books_of_the_process(registered: list[MemoryPool]) -> None:
    """memory.pool() registers, before configure() too, and close() removes."""
    opened = butterfly_otel.memory.pool("tensor", on="device")
    registered.append(opened)
    opened.add(5)
    assert Part("tensor", "device", 5, None) in POOLS.parts()
    opened.close()
    opened.close()
    opened.add(7)
    assert POOLS.parts() == []


@pytest.mark.parametrize(("name", "on"), [("system", "host"), ("buffer", "gpu")])
def test_a_wrong_pool_is_refused(name: Any, on: Any) -> None:
    """What can't be registered is a clear error and registers nothing."""
    with pytest.raises(ConfigurationError, match=r"memory\.pool\(\) is '(system|gpu)'; it must be"):
        memory.pool(name, on=on)
    assert POOLS.parts() == []


def test_amounts_are_added_released_and_held(books: Pools, pool: MemoryPool) -> None:
    """A pool has what was added less what was released, and holds only as long as it should."""
    pool.add(100)
    pool.release(40)
    with pool.hold(1000):
        assert books.parts() == [Part("buffer", "host", 1060, None)]
    with pytest.raises(KeyError), pool.hold(1000):
        raise KeyError
    pool.add(Decimal(2))  # type: ignore[arg-type]
    assert books.parts() == [Part("buffer", "host", 62, None)]


def test_the_peak_is_of_all_pools_together(books: Pools, pool: MemoryPool) -> None:
    """The books know the most that all pools had at one moment, however briefly."""
    other = books.open("model", "device")
    with pool.hold(10), other.hold(20):
        pass
    with pool.hold(25):
        pass
    assert books.peak == 30
    other.add(25)
    other.close()
    other.add(100)
    pool.add(28)
    assert books.peak == 30


def test_observed_amounts_add_to_tracked_ones(books: Pools, pool: MemoryPool) -> None:
    """A callback is asked at each reading, another replaces it, and close() forgets it."""
    pool.add(1)
    pool.observe(lambda: 100)
    pool.observe(lambda: 10, reserved=lambda: 40)
    assert books.parts() == [Part("buffer", "host", 11, 40)]
    pool.observe(lambda: 10)
    pool.set_reserved(30)
    assert books.parts() == [Part("buffer", "host", 11, 30)]
    pool.set_reserved(None)
    assert books.parts() == [Part("buffer", "host", 11, None)]


def test_a_callback_that_raises_is_counted_and_logged_once(
    books: Pools, pool: MemoryPool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its pool is unknown, others are not touched, and nothing is raised."""
    counts = Counts()
    books.reports.begin(strict=False, count=counts)
    pool.observe(lambda: 1 // 0)
    books.open("model", "host").add(3)
    for _ in range(2):
        broken, sound = books.parts()
        assert isnan(broken.used)
        assert sound == Part("model", "host", 3, None)
    assert counts.seen == [(RAISED, {"metric": METRIC})] * 2
    [record] = caplog.records
    assert "a callback of the memory pool 'buffer' raised ZeroDivisionError" in record.getMessage()


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(-1, "negative"), (nan, "not_finite"), (10**400, "not_finite"), ("7", "not_a_number")],
)
def test_wrong_amounts_are_ignored_counted_and_logged_once(
    books: Pools, pool: MemoryPool, caplog: pytest.LogCaptureFixture, amount: Any, reason: str
) -> None:
    """Whatever is passed or returned, production code goes on."""
    counts = Counts()
    books.reports.begin(strict=False, count=counts)
    pool.add(amount)
    pool.release(amount)
    pool.set_reserved(amount)
    with pool.hold(amount):
        pass
    assert books.parts() == [Part("buffer", "host", 0, 0)]
    pool.observe(lambda: amount)
    assert isnan(books.parts()[0].used)
    assert counts.seen == [(INVALID, {"metric": METRIC, "reason": reason})] * 5
    assert len(caplog.records) == 1
    books.reports.end()
    pool.add(amount)
    assert len(counts.seen) == 5


def test_strict_mode_raises_for_a_wrong_amount(books: Pools, pool: MemoryPool) -> None:
    """The error says which pool, and nothing is counted; it ends with the configuration."""
    counts = Counts()
    books.reports.begin(strict=True, count=counts)
    with pytest.raises(MeasurementError, match="memory pool 'buffer' is negative; pass a number"):
        pool.add(-1)
    assert counts.seen == []
    books.reports.end()
    pool.add(-1)


def test_more_released_than_added_makes_a_pool_unknown(
    books: Pools, pool: MemoryPool, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong books are said to be wrong, and right again when they balance."""
    counts = Counts()
    books.reports.begin(strict=False, count=counts)
    pool.add(5)
    pool.release(15)
    assert isnan(books.parts()[0].used)
    assert counts.seen == [(INVALID, {"metric": METRIC, "reason": "negative"})]
    assert "released 10 bytes more than it had" in caplog.text
    pool.add(10)
    assert books.parts()[0].used == 0


def test_threads_lose_nothing(books: Pools, pool: MemoryPool) -> None:
    """Threads that add, hold, open and close at once leave exact books."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(500):
            pool.add(3)
            with pool.hold(5), books.open("model", "host") as brief:
                brief.add(2)
            pool.release(2)

    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert books.parts() == [Part("buffer", "host", 8 * 500, None)]
    assert books._total == 8 * 500
    assert books.peak >= 8 * 500


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_a_signal_handler_may_measure() -> None:
    """A handler that runs while its own thread is in the books neither hangs nor is lost."""
    script = """
import signal
from butterfly_otel.memory.books import Pools
books = Pools()
pool = books.open("buffer", "host")
hits = 0
def handler(*_):
    global hits
    hits += 1
    pool.add(1)
signal.signal(signal.SIGALRM, handler)
with books._lock:
    signal.raise_signal(signal.SIGALRM)
signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
for _ in range(200000):
    pool.add(1)
signal.setitimer(signal.ITIMER_REAL, 0)
assert hits > 1, hits
assert books.parts()[0].used == 200000 + hits, (books.parts(), hits)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_from_under_a_held_lock_goes_on() -> None:
    """The child has the parent's books and a lock of its own."""
    script = """
import os, threading
from butterfly_otel.memory.books import Pools
books = Pools()
pool = books.open("buffer", "host")
pool.add(5)
held, done = threading.Event(), threading.Event()
def hold():
    with books._lock:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    pool.add(2)
    os._exit(0 if books.parts()[0].used == 7 else 1)
done.set()
thread.join()
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


class FakeModule:
    """A model without tensors."""

    def parameters(self) -> list[Any]:
        return []

    def buffers(self) -> list[Any]:
        return []


def test_models_are_tracked_for_as_long_as_they_live(books: Pools) -> None:
    """A tracked model is not kept alive; close() ends its tracking before."""
    first, second, third = FakeModule(), FakeModule(), FakeModule()
    tracked = books.track(first)
    books.track(second)
    with books.track(third):
        assert books.modules() == [first, second, third]
    assert books.modules() == [first, second]
    tracked.close()
    tracked.close()
    assert books.modules() == [second]
    del second
    gc.collect()
    assert books.modules() == []
    assert books._models == ()


def test_track_model_is_in_the_books_of_the_process() -> None:
    """memory.track_model() tracks where the collector of PyTorch looks."""
    module = FakeModule()
    with memory.track_model(module):
        assert POOLS.modules() == [module]
    assert POOLS.modules() == []


def test_nothing_heavy_is_imported() -> None:
    """An application that registers pools pays for no SDK and no PyTorch."""
    script = (
        "import sys; from butterfly_otel import memory; memory.pool('buffer').add(1);"
        " assert not {'opentelemetry.sdk', 'torch', 'psutil'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_pools_log_on_our_logger(caplog: pytest.LogCaptureFixture, pool: MemoryPool) -> None:
    """A wrong amount before configure() is ignored and said once."""
    with caplog.at_level(logging.WARNING, "butterfly_otel"):
        pool.add(-5)
        pool.add(-5)
    assert [record.name for record in caplog.records] == ["butterfly_otel"]


@pytest.mark.parametrize("module", [None, "weights", {"weight": 5}])
def test_what_is_no_module_is_refused_at_once(module: Any) -> None:
    """A dict of weights or a missing model would be reported as nothing, with an odd warning."""
    with pytest.raises(ConfigurationError, match=r"pass a torch.nn.Module"):
        memory.track_model(module)
