"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from threading import Condition, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.engine.sdk_internals import replace_time_ns
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from threading import Thread

    from typing_extensions import Self

    from butterfly_otel.process.threads import Event

_SECOND: Final = 1_000_000_000
#: Real seconds between two looks at an event, which can't tell us that it was set.
_LOOK: Final = 0.005
#: Real seconds in which a collector's thread has to finish a round.
_PATIENCE: Final = 10.0
#: How the sampler's threads are named (``collectors/sampler.py``).
_SAMPLERS: Final = "butterfly-otel-collector"
_REAL: Final = (timing.perf_counter, timing.monotonic, timing.time_ns, timing.wait)

_installing = threading.Lock()


class Clock:
    """Time as a test wants it; installed by :meth:`start` or a ``with``, for the whole process.

    By it go: timers and ``time()``, all decorators and adapters, elections, durations of disk
    writes; start times, exemplars and collections, so also the timestamps of what is exported;
    time-to-live of series; the rounds of hardware collectors, their ages and deadlines.

    By the real clock go: deadlines and intervals of exports, of scrapes and of ``shutdown()``,
    whatever the code under test reads from :mod:`time` itself, and what an OpenTelemetry
    instrument measures by an explicit time of its own.

    Args:
        start: Seconds since the epoch at which it starts; by default 2025-01-01, 00:00 UTC.

    Thread-safe.
    """

    def __init__(self, start: float = 1_735_689_600.0) -> None:
        self._epoch = round(start * _SECOND)
        self._elapsed = 0
        self._moved = Condition()
        self._due: dict[Thread, int] = {}
        self._older: frozenset[Thread] = frozenset()
        self._running = False

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return (self._epoch + self._elapsed) / _SECOND

    @property
    def running(self) -> bool:
        """Whether it is in the place of the real clock."""
        return self._running

    @property
    def elapsed(self) -> float:
        """Seconds it has been moved by since it was made."""
        return self._elapsed / _SECOND

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, and every round of a collector that falls due meanwhile.

        It returns when those rounds are over.

        Raises:
            ValueError: When ``seconds`` is negative: time does not go back.
            TimeoutError: When a collector's round does not end within 10 real seconds.
        """
        if not seconds >= 0:
            msg = f"advance({seconds!r}): time does not go back"
            raise ValueError(msg)
        target = self._elapsed + round(seconds * _SECOND)
        self.settle()
        while (due := self._next(target)) is not None:
            self._move(due)
            self.settle()
        self._move(target)
        self.settle()

    def settle(self) -> None:
        """Return when every collector's thread waits for its next round.

        Raises:
            TimeoutError: When one does not within 10 real seconds.
        """
        end = monotonic() + _PATIENCE
        with self._moved:
            while busy := self._busy():
                if not self._moved.wait(min(_LOOK, end - monotonic())) and monotonic() > end:
                    names = ", ".join(sorted(thread.name for thread in busy))
                    msg = f"{names} did not end the round within {_PATIENCE:g} s of real time"
                    raise TimeoutError(msg)

    def start(self) -> None:
        """Put this clock in the place of the real one.

        Raises:
            ConfigurationError: When another one is there already.
        """
        with _installing:
            if timing.time_ns is not _REAL[2]:
                raise ConfigurationError(
                    "another Clock runs already, and time is the same for the whole process:"
                    " use that one, or stop it first"
                )
            self._older = frozenset(threading.enumerate())
            self._running = True
            timing.perf_counter = timing.monotonic = self._seconds
            timing.time_ns = self._nanoseconds
            timing.wait = self._wait
            replace_time_ns(self._nanoseconds)

    def stop(self) -> None:
        """Put the real clock back; harmless when done twice."""
        with _installing:
            if not self._running:
                return
            self._running = False
            timing.perf_counter, timing.monotonic, timing.time_ns, timing.wait = _REAL
            replace_time_ns(timing.time_ns)
            with self._moved:
                self._moved.notify_all()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _seconds(self) -> float:
        return self._elapsed / _SECOND

    def _nanoseconds(self) -> int:
        return self._epoch + self._elapsed

    def _next(self, target: int) -> int | None:
        """Return when the next thread is due, None where none is before ``target``."""
        with self._moved:
            due = min(self._due.values(), default=target)
            return max(due, self._elapsed) if due < target else None

    def _move(self, elapsed: int) -> None:
        """Set the time, and let go whoever has waited for it."""
        with self._moved:
            self._elapsed = elapsed
            for thread in [each for each, due in self._due.items() if due <= elapsed]:
                del self._due[thread]
            self._moved.notify_all()

    def _busy(self) -> list[Thread]:
        return [
            thread
            for thread in threading.enumerate()
            if thread.name.startswith(_SAMPLERS)
            and thread not in self._due
            and thread not in self._older
            and thread is not current_thread()
        ]

    def _wait(self, event: Event, seconds: float) -> bool:
        """Wait for ``event`` as long as this clock says; ``timing.wait`` while it runs."""
        thread = current_thread()
        with self._moved:
            due = self._elapsed + max(0, round(seconds * _SECOND))
            if due > self._elapsed and not event.is_set():
                self._due[thread] = due
                self._moved.notify_all()
                while thread in self._due and self._running and not event.is_set():
                    self._moved.wait(_LOOK)
                self._due.pop(thread, None)
        return event.is_set()
