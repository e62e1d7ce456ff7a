"""What the tests of collectors share: sources and clocks they control, and planted files."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from butterfly_otel.collectors import Extension, Reading, UnavailableError

FIXTURES = Path(__file__).parent / "fixtures"
CPU = "butterfly_cpu_usage_ratio"
TEMPERATURE = "butterfly_gpu_temperature_celsius"
#: Seconds after which a test gives up; nothing waits for so long where all is well.
PATIENCE = 20.0


class FakeSource:
    """A source that yields, raises or hangs as it is told, and counts what is asked of it."""

    extensions: tuple[Extension, ...] = ()

    def __init__(
        self,
        *readings: Reading,
        name: str = "fake",
        metrics: Sequence[str] = (CPU,),
        interval: float = 10.0,
        deadline: float = 2.0,
    ) -> None:
        self.name = name
        self.metrics = tuple(metrics)
        self.interval = interval
        self.deadline = deadline
        self.readings: Sequence[Reading] = readings or (Reading(CPU, 0.5, {}),)
        self.opening: BaseException | None = None
        self.reading: BaseException | None = None
        self.calls: Counter[str] = Counter()
        self.threads: set[int] = set()
        #: Called in each ``read``; a test blocks there.
        self.pause: Callable[[], object] = lambda: None

    def open(self) -> None:
        self._called("open")
        if self.opening is not None:
            raise self.opening

    def read(self) -> Sequence[Reading]:
        self._called("read")
        self.pause()
        if self.reading is not None:
            raise self.reading
        return self.readings

    def close(self) -> None:
        self._called("close")

    def _called(self, what: str) -> None:
        self.calls[what] += 1
        self.threads.add(threading.get_ident())


class Hang:
    """Blocks whoever calls it until it is released; says when somebody is in it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.released.wait(PATIENCE)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counts:
    """What was counted of errors, by collector and reason."""

    def __init__(self) -> None:
        self.errors: Counter[tuple[str, str]] = Counter()

    def __call__(self, name: str, labels: Mapping[str, str]) -> None:
        assert name == "butterfly_otel_collector_errors_total"
        self.errors[labels["collector"], labels["reason"]] += 1


def gone(what: str = "No such device.") -> UnavailableError:
    """Return what a source raises where its hardware is missing."""
    return UnavailableError(what)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that other threads bring about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def plant(root: Path, fixture: str) -> Path:
    """Write the files that a fixture lists, as ``path = content``, below ``root``."""
    for line in (FIXTURES / fixture).read_text(encoding="utf-8").splitlines():
        path, _, content = line.partition(" = ")
        write(root, path, content.replace("\\n", "\n"))
    return root


def write(root: Path, path: str, content: object) -> None:
    """Write one file as the kernel would show it."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"{content}\n", encoding="utf-8")
