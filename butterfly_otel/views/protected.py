"""Which instruments are the contract's, asked in one place: no View but its own is theirs."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase

from butterfly_otel import catalog

#: What makes a name a pattern.
_WILD = frozenset("*?[")
_CUTOFF = 0.8


def is_protected(meter: str, name: str) -> bool:  # noqa: ARG001 - a meter may be shared one day
    """Tell whether an instrument is the contract's, or may not be measured beside it."""
    return meter == catalog.METER_NAME


def is_pattern(name: str) -> bool:
    """Tell whether a name selects several."""
    return not _WILD.isdisjoint(name)


def claimed_by(pattern: str | None, meter: str | None) -> str | None:
    """Return the metric of the contract that a selector is meant for, if it is.

    Args:
        pattern: The name that it selects, perhaps a pattern; None for any.
        meter: The meter; None for any.

    Returns:
        None where it is for others as well, such as ``*`` and ``*_seconds``.
    """
    if meter is not None and not is_protected(meter, pattern or ""):
        return None
    if meter is not None:
        return pattern or "*"
    if pattern is None:
        return None
    if not is_pattern(pattern):
        return pattern if pattern in catalog.BY_NAME else None
    # What begins like ours is meant for ours.
    begins = pattern[: min(at for at, each in enumerate(pattern) if each in _WILD)]
    if not begins:
        return None
    return next((name for name in catalog.BY_NAME if fnmatchcase(name, pattern)), None)


def meant(name: str) -> str | None:
    """Return what a name that selects nothing of the contract says of it, if it was meant for it.

    Returns:
        The nearest name of the contract, empty where none is near; None where the name is
        somebody else's.
    """
    close = get_close_matches(name, catalog.BY_NAME, n=1, cutoff=_CUTOFF)
    if close:
        return close[0]
    return "" if name.startswith("butterfly_") else None
