"""One source's rounds: when it is read, what is kept of it and what is told about it."""

from __future__ import annotations

import logging
from random import uniform
from threading import Lock
from time import time
from typing import TYPE_CHECKING, TypeVar

from butterfly_otel.collectors.snapshot import Snapshot, prepare
from butterfly_otel.collectors.source import UnavailableError
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from opentelemetry.metrics import Observation

    from butterfly_otel.collectors.source import Extension, Source
    from butterfly_otel.process.threads import Event

    #: Adds one to the SDK's own counter of that name.
    Count = Callable[[str, Mapping[str, str]], None]

_T = TypeVar("_T")
_logger = logging.getLogger("butterfly_otel")

#: Intervals for which readings are exported: two rounds may fail before a series has a gap.
_INTERVALS = 3
#: Seconds at most between the first two rounds: a source that takes differences needs two.
_WARM_UP = 0.5
#: Seconds at most between two attempts to open a source.
_LONGEST_PAUSE = 60.0
#: Different errors of a source that are logged: one that is never the same must not fill the log.
_MOST_LOGGED = 20


class Worker:
    """Drives one source, from one thread at a time, and holds what it has read last.

    :meth:`work` runs in the source's own thread, where a call may block for ever. Everything
    else may be called from any thread, and returns at once.

    Args:
        source: What is read.
        count: Counts errors; must be thread-safe.
        interval: Seconds between two rounds, instead of the source's own.
        quiet: Tell nothing of the source until its hardware has been found.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        count: Count,
        *,
        interval: float | None = None,
        quiet: bool = False,
        clock: Callable[[], float] = timing.now,
    ) -> None:
        self.source = source
        self.name = source.name
        self.extensions: tuple[Extension, ...] = tuple(getattr(source, "extensions", ()))
        self.interval = _interval(source, interval)
        self._by_name: dict[str, Extension] = {
            extension.name: extension for extension in self.extensions
        }
        self._metrics = frozenset(source.metrics)
        self._count = count
        self._clock = clock
        self._lock = Lock()
        self._shown = not quiet
        self._snapshot: Snapshot | None = None
        self._succeeded: float | None = None
        self._duration: float | None = None
        self._good: bool | None = None
        self._deadline: float = _LONGEST_PAUSE
        self._began: float | None = None
        self._late = False
        self._opened = False
        self._failures = 0
        self._logged: set[str] = set()
        self._failing = False
        self._had_round = False
        #: When something last went wrong, in seconds since 1970, and what; None before.
        self.last_error: tuple[float, str] | None = None

    # What the callbacks of a collection read.

    def observations(self, metric: str) -> tuple[Observation, ...]:
        """Return the last readings of a metric; nothing once they are three intervals old."""
        snapshot = self._snapshot
        if snapshot is None or self._clock() - snapshot.finished > _INTERVALS * self.interval:
            return ()
        return snapshot.of(metric)

    def up(self) -> int | None:
        """Return whether the last round succeeded and none hangs; None before there was one."""
        if not self._shown:
            return None
        if self.time_left() <= 0:
            return 0
        return None if self._good is None else int(self._good)

    def age(self) -> float | None:
        """Return the seconds since a round succeeded; None where none has."""
        succeeded = self._succeeded
        return None if succeeded is None else self._clock() - succeeded

    def duration(self) -> float | None:
        """Return the seconds that the last finished round took."""
        return self._duration

    def settled(self) -> bool:
        """Return whether a round has ended, however it did, or hangs and is not waited for."""
        return self._had_round or self.time_left() <= 0

    # What watches it.

    def time_left(self) -> float:
        """Return the seconds until the source is late; 0 and less where it hangs already."""
        began, deadline = self._began, self.deadline
        return deadline if began is None else began + deadline - self._clock()

    @property
    def deadline(self) -> float:
        """The source's deadline, or the last one that it told without raising."""
        try:
            self._deadline = self.source.deadline
        except BaseException:
            _logger.debug("collector %s: its deadline can't be asked for", self.name, exc_info=True)
        return self._deadline

    def check(self) -> None:
        """Count a call that hangs, once."""
        with self._lock:
            if self._began is None or self._late or self.time_left() > 0:
                return
            self._late = True
        self._tell("timeout", f"it did not answer within {self.deadline:g} s")

    def renew(self) -> None:
        """Forget, in a forked child, what the parent's thread was doing."""
        # A call that was under way may have opened something.
        self._opened = self._opened or self._began is not None
        self._lock = Lock()
        self._began = None
        self._late = False
        # It may be about the parent.
        self._snapshot = self._succeeded = self._duration = self._good = None
        self._had_round = False

    # What its thread does.

    def work(self, stop: Event) -> None:
        """Read the source at its interval until ``stop`` is set, then close it."""
        if self._opened:  # by the parent of this process
            self._close()
        while not stop.is_set():
            timing.wait(stop, self._contained_round())
        self._close()

    def _contained_round(self) -> float:
        """Read once, whatever else fails: telling of a failure, or an attribute of the source."""
        try:
            return self.round()
        except BaseException:
            self._good = False
            _logger.exception("collector %s: a round failed", self.name)
            return _LONGEST_PAUSE
        finally:
            self._had_round = True

    def round(self) -> float:
        """Read the source once, opening it first if need be; return the seconds to the next."""
        first = not self._opened
        # A library may raise anything, SystemExit too, and the thread has to go on.
        try:
            if first:
                self._call(self.source.open)
                self._opened = self._shown = True
            return self._read(first=first)
        except UnavailableError as error:
            self._snapshot = None
            return self._failed("unavailable", str(error))
        except BaseException as error:  # noqa: BLE001
            return self._failed("failed", f"it raised {error!r}")

    def _read(self, *, first: bool) -> float:
        started = self._clock()
        # A generator would do its reading only when it is asked for what it has read.
        readings, late = self._call(lambda: tuple(self.source.read()))
        finished = self._clock()
        self._duration = took = finished - started
        self._good = not late
        # What was read before or during a long hang is of no known age.
        if not late:
            series, refused = prepare(readings, self._metrics, self._by_name)
            self._snapshot = Snapshot(finished, series)
            self._succeeded = finished
            if refused:
                self._tell("failed", refused)
            else:
                self._recovered()
        return min(_WARM_UP, self.interval) if first else self.interval - took % self.interval

    def _call(self, call: Callable[[], _T]) -> tuple[_T, bool]:
        """Return what a call of the source returns, and whether it came late."""
        with self._lock:
            self._began = self._clock()
            self._late = False
        try:
            result = call()
        finally:
            self.check()
            with self._lock:
                self._began = None
        return result, self._late

    def _failed(self, reason: Literal["failed", "unavailable"], what: str) -> float:
        """Close the source and return the seconds until it is opened again."""
        self._good = False
        self._failures += 1
        self._close()
        longest = max(_LONGEST_PAUSE, self.interval)
        if reason == "unavailable" and not self._shown:
            if self._failures == 1:
                _logger.debug("the collector %s is off: %s", self.name, what)
            return longest
        self._shown = True
        self._tell(reason, what)
        # Jitter, so that a cluster's nodes do not all ask at once after a common fault.
        pause = self.interval * 2.0 ** min(self._failures - 1, 16)
        return min(longest, pause) * uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _close(self) -> None:
        self._opened = False
        try:
            self._call(self.source.close)
        except BaseException as error:  # noqa: BLE001 - as in round()
            self._tell("failed", f"it raised {error!r} when it was closed")

    def _tell(self, reason: Literal["failed", "timeout", "unavailable"], what: str) -> None:
        """Count an error, and log it unless it was logged before."""
        self.last_error = time(), what
        labels = {"collector": self.name, "reason": reason}
        self._count("butterfly_otel_collector_errors_total", labels)
        if what not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(what)
            self._failing = True
            _logger.warning(
                "collector %s: %s (logged once; counted from now on in"
                " butterfly_otel_collector_errors_total)",
                self.name,
                what,
            )

    def _recovered(self) -> None:
        self._failures = 0
        if self._failing:
            self._failing = False
            _logger.info("collector %s: works again", self.name)


def _interval(source: Source, wanted: float | None) -> float:
    least = float(getattr(source, "minimum_interval", 0.0))
    return source.interval if wanted is None else max(wanted, least)
