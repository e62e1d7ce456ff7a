"""The threads in which sources are read: one a source, and one that notices those that hang.

A call into a driver can't be interrupted, so nothing ever waits for a source: not a
collection, not another source, not ``configure()``, not the end of the process.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from butterfly_otel.process import timing
from butterfly_otel.process.forks import call_in_child
from butterfly_otel.process.threads import Event, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Observation

    from butterfly_otel.collectors.worker import Worker

_logger = logging.getLogger("butterfly_otel")

#: Seconds at most for which the end waits for rounds that are under way.
_GRACE = 1.0


class Sampler:
    """Runs workers in daemon threads, from :meth:`start` to :meth:`stop`. Thread-safe.

    A forked child has none of the threads. They start again when something is first
    collected there: a child that exports nothing, of which some programs have many, leaves
    the hardware alone.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = tuple(workers)
        self._lock = Lock()
        self._stop = Event()
        self._threads: dict[Worker, Thread] = {}
        self._watcher: Thread | None = None
        self._started = False
        self._dormant = False
        call_in_child(self._after_fork)

    def start(self) -> None:
        """Start reading every source; returns at once."""
        with self._lock:
            if not self._started and not self._stop.is_set():
                self._started = True
                self._start_threads()

    def stop(self) -> None:
        """Start no further round. What was read last can still be observed."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for the rounds that are under way, but not for a source that hangs.

        A thread that is still in a call ends when the call does.

        Args:
            timeout: Seconds at most; never more than 1 s is waited.
        """
        end = monotonic() + min(timeout, _GRACE)
        for worker, thread in tuple(self._threads.items()):
            thread.join(max(0.0, min(end - monotonic(), worker.time_left())))
        if self._watcher is not None:
            self._watcher.join(max(0.0, end - monotonic()))

    def observer(self, worker: Worker, metric: str) -> Callable[[], Sequence[Observation]]:
        """Return a callback that gives a worker's last readings of a metric."""

        def observe() -> Sequence[Observation]:
            self.wake()
            return worker.observations(metric)

        return observe

    def wake(self) -> None:
        """Start again in a forked child; does nothing anywhere else."""
        if self._dormant:
            self._dormant = False
            self.start()

    def awaited(self) -> list[str]:
        """Return the names of the sources that have not had their first round yet.

        In a forked child it starts reading them, as a collection does: who waits for this one
        may collect nothing before it is over.
        """
        self.wake()
        # One without a thread, of which there were no more, is never read.
        return [each.name for each in tuple(self._threads) if not each.settled()]

    def _start_threads(self) -> None:
        try:
            for worker in self.workers:
                name = f"collector-{worker.name}"
                self._threads[worker] = _started(name, worker.work, self._stop)
            self._watcher = _started("collectors", self._watch, self._stop)
        except RuntimeError as error:  # no more threads, or the interpreter is at its end
            _logger.warning("hardware is not read, or not all of it: %s", error)

    def _watch(self, stop: Event) -> None:
        """Tell of calls that hang, when they become late."""
        while not timing.wait(stop, min(map(_until_late, self.workers))):
            for worker in self.workers:
                _check(worker)

    def _after_fork(self) -> None:
        self._lock = Lock()
        self._threads = {}
        self._watcher = None
        # A child may fork in turn before anything was collected in it.
        self._dormant = self._dormant or self._started
        self._started = False
        # The old one's lock may be held by a thread that is not here.
        ended, self._stop = self._stop.is_set(), Event()
        if ended:
            self._stop.set()
        for worker in self.workers:
            worker.renew()


def _started(name: str, target: Callable[[Event], None], stop: Event) -> Thread:
    thread = Thread(target, (stop,), f"butterfly-otel-{name}")
    thread.start()
    return thread


def _check(worker: Worker) -> None:
    try:
        worker.check()
    except BaseException:  # of counting it; the other sources are watched all the same
        _logger.exception("collector %s: it hangs", worker.name)


def _until_late(worker: Worker) -> float:
    left = worker.time_left()
    # One that is late already has been told of.
    return left if left > 0 else worker.deadline
