"""Who has passed from where, how often each has failed, and how long it has to wait then."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import Final

from butterfly_otel.process import forks

#: Failures at once, and seconds for one more.
_BURST: Final = 10
_INTERVAL: Final = 6.0
#: Sources that are remembered.
_MOST: Final = 1024


class Sources:
    """Counts failures by their source, and knows who has passed from it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = forks.lock()
        # When the failures of each would be over at one an interval; the latest at the end.
        self._over: OrderedDict[str, float] = OrderedDict()
        # Who has passed from where; the latest at the end.
        self._passed: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def has_passed(self, source: str, whose: bytes) -> bool:
        """Whether somebody has passed from there before."""
        with self._lock:
            if (source, whose) not in self._passed:
                return False
            self._passed.move_to_end((source, whose))
            return True

    def let_pass(self, source: str, whose: bytes) -> None:
        """Remember that somebody has passed from there."""
        with self._lock:
            self._passed[source, whose] = None
            if len(self._passed) > _MOST:
                self._passed.popitem(last=False)

    def begin(self, source: str) -> float:
        """Count a failure beforehand, and return 0.0; or the seconds until another one may be.

        Beforehand, so that a hundred tries at once are not all allowed.
        """
        with self._lock:
            now = monotonic()
            over = max(self._over.get(source, now), now)
            wait = over - now - _INTERVAL * (_BURST - 1)
            if wait > 0:
                return wait
            self._keep(source, over + _INTERVAL)
            return 0.0

    def forgive(self, source: str) -> None:
        """Take back what was counted beforehand."""
        with self._lock:
            if source in self._over:
                self._over[source] -= _INTERVAL

    def _keep(self, source: str, over: float) -> None:
        self._over[source] = over
        self._over.move_to_end(source)
        if len(self._over) > _MOST:
            self._over.popitem(last=False)
