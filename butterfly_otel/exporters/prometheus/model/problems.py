"""What an exposition had to leave out, said once and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("butterfly_otel")

ProblemKind = Literal[
    "type_conflict",
    "name_clash",
    "help_conflict",
    "unit_conflict",
    "duplicate_series",
    "boundary_conflict",
    "exponential_histogram",
    "delta_temporality",
    "invalid_value",
    "broken_metric",
    "foreign_collector",
    "slow_collector",
    "slow_callback",
    "failed_callback",
    "late_process",
]

#: Why something is missing from a scrape that another scrape may have.
Omission = Literal[
    "slow_callback",
    "failed_callback",
    "slow_collector",
    "failed_collector",
    "broken_metric",
    "late_process",
]
#: What each is as a problem.
_KINDS: dict[Omission, ProblemKind] = {
    "slow_callback": "slow_callback",
    "failed_callback": "failed_callback",
    "slow_collector": "slow_collector",
    "failed_collector": "foreign_collector",
    "broken_metric": "broken_metric",
    "late_process": "late_process",
}

#: Distinct problems remembered; beyond it new ones are counted but no longer logged, so
#: that names made up at run time can fill neither the log nor the memory.
_REMEMBERED = 1_000


class Problems:
    """Logs each problem once, as a warning, and counts the distinct ones by kind.

    Args:
        on_problem: Called once a problem, with its kind and its subject (the exposed name
            of a metric). It must neither block nor raise.
        on_omission: Called with the reason each time something is missing from a scrape that
            another scrape may have. It must neither block nor raise.

    Thread-safe.
    """

    def __init__(
        self,
        on_problem: Callable[[ProblemKind, str], None] | None = None,
        on_omission: Callable[[Omission], None] | None = None,
    ) -> None:
        self._on_problem = on_problem
        self._on_omission = on_omission
        self._omissions: dict[Omission, int] = {}
        self._lock = forks.lock()
        self._seen: set[tuple[str, ...]] = set()
        self._counts: dict[ProblemKind, int] = {}

    @property
    def counts(self) -> dict[ProblemKind, int]:
        """How many distinct problems of each kind there were since the start."""
        with self._lock:
            return dict(self._counts)

    def omit(self, reason: Omission, subject: str, sentence: str, *details: str) -> None:
        """Count something that a scrape lacks each time, and warn of it as of any problem."""
        with self._lock:
            self._omissions[reason] = self._omissions.get(reason, 0) + 1
        self.report(_KINDS[reason], subject, sentence, *details)
        if self._on_omission is not None:
            self._on_omission(reason)

    @property
    def omissions(self) -> dict[Omission, int]:
        """How many times something was missing from a scrape, by reason."""
        with self._lock:
            return dict(self._omissions)

    def report(self, kind: ProblemKind, subject: str, sentence: str, *details: str) -> None:
        """Warn of a problem unless that was done before.

        Args:
            kind: What kind of problem it is.
            subject: The exposed name of the metric.
            sentence: A %-format whose first field is ``subject``, then ``details``.
            details: What tells this problem from others of its kind and subject.
        """
        key = (kind, subject, *details)
        if key in self._seen:
            return
        with self._lock:
            if key in self._seen:
                return
            logged = len(self._seen) < _REMEMBERED
            if logged:
                self._seen.add(key)
            self._counts[kind] = self._counts.get(kind, 0) + 1
        if logged:
            _logger.warning(sentence, subject, *details)
            if self._on_problem is not None:
                self._on_problem(kind, subject)
