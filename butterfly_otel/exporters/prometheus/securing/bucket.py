"""A token bucket: how often something may happen."""

from __future__ import annotations

from time import monotonic

from butterfly_otel.process import forks


class Bucket:
    """Lets something happen once an interval, and ``burst`` times at once after a rest.

    Args:
        interval: Seconds for one more; 0 for no limit.
        burst: How many at once, 1 or more.

    Thread-safe.
    """

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._patience = interval * (burst - 1)
        self._lock = forks.lock()
        # When all that has happened would be over at one an interval.
        self._over = 0.0

    def take(self) -> float:
        """Return 0.0 and count one more, or the seconds until there may be one."""
        with self._lock:
            now = monotonic()
            wait = self._over - now - self._patience
            if wait > 0:
                return wait
            self._over = max(self._over, now) + self._interval
            return 0.0
