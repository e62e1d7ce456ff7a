"""Saying that exports fail: once when it begins, and once when they work again."""

from __future__ import annotations

import logging
import time

_logger = logging.getLogger("butterfly_otel")


_LONGEST_LINE = 300


def one_line(text: str) -> str:
    """Return text as one line that is not too long, without control characters."""
    cut = text[: 4 * _LONGEST_LINE]
    line = " ".join("".join(each if each.isprintable() else " " for each in cut).split())
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


class Outage:
    """Logs one line when exports begin to fail and one when they work again.

    A partial success is neither: each reason that a receiver gives for one is logged once, and
    no more than a few of them, since a receiver may put anything into it.

    Args:
        shown: The exporter and where it exports to, as logs may show it.
    """

    _MOST_REASONS = 10

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self._failing = False
        #: When an export last failed, in seconds since 1970, and why; None before.
        self.last: tuple[float, str] | None = None
        self._reasons: set[str] = set()

    def failed(self, reason: str) -> None:
        """Note an export that failed."""
        if not self._failing:
            _logger.warning(
                "exporting metrics by %s failed: %s; further failures are only counted until"
                " an export succeeds",
                self.shown,
                one_line(reason),
            )
        self._failing = True
        self.last = time.time(), one_line(reason)

    @property
    def failing(self) -> bool:
        """Whether the last export failed."""
        return self._failing

    def succeeded(self) -> None:
        """Note an export that arrived."""
        if self._failing:
            _logger.warning("exporting metrics by %s works again", self.shown)
        self._failing = False

    def warned(self, reason: str) -> None:
        """Note what a receiver says of an export of which it took everything."""
        if self._is_new(reason):
            _logger.warning(
                "exporting metrics by %s: the receiver warns: %s (logged once)",
                self.shown,
                one_line(reason),
            )

    def rejected(self, points: int, reason: str) -> None:
        """Note points that a receiver refused of an export that arrived."""
        if not self._is_new(reason):
            return
        _logger.warning(
            "exporting metrics by %s: the receiver rejected %d points: %s; points it rejects for"
            " this are only counted from now on",
            self.shown,
            points,
            one_line(reason) or "it gives no reason",
        )

    def _is_new(self, reason: str) -> bool:
        new = reason not in self._reasons and len(self._reasons) < self._MOST_REASONS
        if new:
            self._reasons.add(reason)
        return new
