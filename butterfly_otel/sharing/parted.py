"""Totals of series that have left a living process, by removal or because their time was over.

What all processes have of a series is a sum, and it must not fall when one of them forgets its
part: a scraper would take that for a restart. So the part stays, unseen, until no process has the
series any more, and is there when it comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from butterfly_otel.sharing.exact import kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.sharing.exact import Kept

_Histogram: TypeAlias = "tuple[Sequence[int], Kept, float, float]"

#: How many are kept of a metric whose limit is not known: the specification's default limit.
DEFAULT_LIMIT = 2_000


class Part(NamedTuple):
    """What a series had when it left.

    Attributes:
        row: Its packed attributes.
        start: When it began.
        stamp: When it was first told of.
        state: A sum that is kept, or a histogram's counts, kept sum and extremes.
    """

    row: dict[str, Any]
    start: int
    stamp: int
    state: Any


class Parted:
    """The totals of the series of one metric that have left. Not thread-safe.

    Attributes:
        version: Changes whenever what is kept does.
    """

    def __init__(self) -> None:
        self.version = 0
        self._parts: dict[str, Part] = {}

    def leave(self, text: str, part: Part, limit: int | None) -> None:
        """Keep what a series had, beside what it had when it left before."""
        known = self._parts.pop(text, None)
        if known is not None:
            start, stamp = min(known.start, part.start), min(known.stamp, part.stamp)
            part = Part(part.row, start, stamp, added(known.state, part.state))
        self._parts[text] = part
        while len(self._parts) > (limit or DEFAULT_LIMIT):
            del self._parts[next(iter(self._parts))]
        self.version += 1

    def come_back(self, text: str, start: int, *, absolute: bool) -> None:
        """Take notice that a series is there again.

        Args:
            text: What tells it from others.
            start: When it began, by itself.
            absolute: Whether it goes on where it was, whenever it says that it began.
        """
        known = self._parts.get(text)
        if known is not None and (absolute or known.start == start):
            del self._parts[text]
            self.version += 1

    @property
    def parts(self) -> Mapping[str, Part]:
        """What is kept, by what tells series apart."""
        return self._parts


def added(first: Any, second: Any) -> Any:  # noqa: ANN401 - kept sums, or histograms'
    """Return the sum of what two series have, exactly."""
    if not isinstance(first, tuple):
        return kept((first, second))
    one: _Histogram = first  # pyright: ignore[reportUnknownVariableType]
    counts, total, low, high = one
    more, further, lower, higher = second
    return (
        [mine + theirs for mine, theirs in zip(counts, more, strict=True)],
        kept((total, further)),
        min(low, lower),
        max(high, higher),
    )
