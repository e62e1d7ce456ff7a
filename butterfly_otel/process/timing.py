"""Where measuring reads the time and waits for it, so that tests can put another clock here.

Whatever ends up in a metric is timed by these functions, looked up here at each call
(``timing.perf_counter()``), which costs about as much as a name of the caller's own module.
``butterfly_otel.testing.Clock`` replaces them. Deadlines of exports, scrapes and ``shutdown()``
are no measurements: they go by the real clock, or a test whose clock stands still would hang.
"""

from __future__ import annotations

from time import monotonic, perf_counter, time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.process.threads import Event

__all__ = ["monotonic", "now", "perf_counter", "time_ns", "wait"]


def wait(event: Event, seconds: float) -> bool:
    """Wait for ``event``, ``seconds`` at most; return whether it is set."""
    return event.wait(seconds)


def now() -> float:
    """Return monotonic seconds, by whatever clock is here when it is called."""
    return monotonic()
