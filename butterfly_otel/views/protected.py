"""Which instruments are a contract's, asked in one place: no View but its own is theirs."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.views.streams import Stream

#: What makes a name a pattern.
_WILD = frozenset("*?[")
_CUTOFF = 0.8


def is_pattern(name: str) -> bool:
    """Tell whether a name selects several."""
    return not _WILD.isdisjoint(name)


class Protected(NamedTuple):
    """What contracts protect.

    Attributes:
        meters: The names of the meters on which they are enforced.
        names: The names of their metrics.
    """

    meters: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, streams: Iterable[Stream]) -> Protected:
        """Return what the contracts of these streams protect."""
        known = tuple(streams)
        return cls(
            frozenset(each.meter for each in known),
            frozenset(each.metric.name for each in known),
        )

    def has(self, meter: str, name: str) -> bool:  # noqa: ARG002 - a meter may be shared one day
        """Tell whether an instrument is a contract's, or may not be measured beside it."""
        return meter in self.meters

    def claimed_by(self, pattern: str | None, meter: str | None) -> str | None:
        """Return the metric of a contract that a selector is meant for, if it is.

        Args:
            pattern: The name that it selects, perhaps a pattern; None for any.
            meter: The meter; None for any.

        Returns:
            None where it is for others as well, such as ``*`` and ``*_seconds``.
        """
        if meter is not None:
            return (pattern or "*") if self.has(meter, pattern or "") else None
        if pattern is None:
            return None
        if not is_pattern(pattern):
            return pattern if pattern in self.names else None
        # What begins like ours is meant for ours.
        begins = pattern[: min(at for at, each in enumerate(pattern) if each in _WILD)]
        if not begins:
            return None
        return next((name for name in sorted(self.names) if fnmatchcase(name, pattern)), None)

    def meant(self, name: str) -> str | None:
        """Return what a name that selects nothing of a contract says of it, if it was meant so.

        Returns:
            The nearest name of a contract, empty where none is near; None where the name is
            somebody else's.
        """
        close = get_close_matches(name, self.names, n=1, cutoff=_CUTOFF)
        if close:
            return close[0]
        return "" if name.startswith("butterfly_") else None
