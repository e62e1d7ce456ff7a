"""How things are timed: bare statements in turns, so that noise hits every subject alike.

The clock is the processor time of this process, so the share of the machine that other
processes take is not measured. Garbage collection is off while the clock runs, but for subjects
that say otherwise.
"""

from __future__ import annotations

import gc
import os
import time
import timeit
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds that one timing takes, about.
_SLICE = 0.03
#: How often each subject runs before equal results are required of all.
_CHECKED_RUNS = 100


class UnequalWorkError(Exception):
    """The two sides of a comparison did not do the same work."""


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        rounds: Timings of each subject.
        quick: Whether to do a tiny part of the work, only to see that everything runs.
    """

    rounds: int
    quick: bool

    def size(self, number: int) -> int:
        """Return how many of ``number`` series there are to be."""
        return max(number // 100, 1) if self.quick else number


@dataclass(frozen=True)
class Subject:
    """A statement to be timed.

    Attributes:
        key: Its name in the results.
        statement: What is timed, inlined into the timing loop.
        names: The statement's global variables.
        outcome: What was measured so far; compared before anything is timed.
        prepare: Called before each timing; where given, a timing is a single execution.
        divisor: What the time of an execution is divided by.
        collecting: Whether garbage is collected while the clock runs, as in an application.
    """

    key: str
    statement: str
    names: dict[str, Any]
    outcome: Callable[[], object] | None = None
    prepare: Callable[[], None] | None = None
    divisor: int = 1
    collecting: bool = False
    timer: timeit.Timer = field(init=False)

    def __post_init__(self) -> None:
        # timeit turns collection off before it runs the setup.
        setup = "import gc; gc.enable()" if self.collecting else "pass"
        timer = timeit.Timer(self.statement, setup, time.process_time, self.names)
        object.__setattr__(self, "timer", timer)


def pin(processors: int) -> None:
    """Stay on so many processors, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-processors:])


def require_equal(what: str, outcomes: dict[str, object]) -> None:
    """Raise unless all outcomes are the same.

    Raises:
        UnequalWorkError: When they are not.
    """
    first, *others = outcomes.values()
    if any(other != first for other in others):
        shown = "; ".join(f"{key}: {str(each)[:300]}" for key, each in outcomes.items())
        raise UnequalWorkError(f"{what}: the results differ: {shown}")


def require_same_outcome(what: str, subjects: Sequence[Subject], runs: int = _CHECKED_RUNS) -> None:
    """Run each subject as often and require equal outcomes.

    Raises:
        UnequalWorkError: When they are not.
    """
    outcomes: dict[str, object] = {}
    for subject in subjects:
        subject.timer.timeit(runs)
        if subject.outcome is not None:
            outcomes[subject.key] = subject.outcome()
    require_equal(what, outcomes)


def timings(subjects: Sequence[Subject], settings: Settings) -> dict[str, list[float]]:
    """Return nanoseconds of each subject, one figure a round.

    Every round times all subjects, beginning with another one each time.
    """
    loops = {subject.key: _loops(subject, quick=settings.quick) for subject in subjects}
    found: dict[str, list[float]] = {subject.key: [] for subject in subjects}
    gc.collect()
    gc.disable()
    try:
        for turn in range(settings.rounds):
            first = turn % len(subjects)
            for subject in (*subjects[first:], *subjects[:first]):
                if subject.prepare is not None:
                    subject.prepare()
                number = loops[subject.key]
                seconds = subject.timer.timeit(number)
                gc.disable()
                found[subject.key].append(seconds * 1e9 / number / subject.divisor)
            gc.collect()
    finally:
        gc.enable()
    return found


def _loops(subject: Subject, *, quick: bool) -> int:
    """Return how many executions take about a slice of time."""
    if subject.prepare is not None:
        subject.timer.timeit(1)
        return 1
    wanted = _SLICE / 30 if quick else _SLICE
    loops = 1
    while True:
        seconds = subject.timer.timeit(loops)
        if seconds >= wanted / 3:
            return max(round(loops * wanted / seconds), 1)
        loops *= 4
