"""What the arguments of ``check`` must be, besides what argparse asks for."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.check import RULE_NAMES
from butterfly_otel.lint.expositions.fetch import TargetError
from butterfly_otel.lint.expositions.otlp.rules import OTLP_RULE_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection


def require_rules(names: Collection[str]) -> None:
    """Make sure that there are rules of these names.

    Raises:
        TargetError: When there is none of a name, with the nearest.
    """
    known = sorted({*RULE_NAMES, *OTLP_RULE_NAMES, "content-type"})
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"rules: {', '.join(known)}"
            raise TargetError(f"--ignore {name}: there is no such rule; {hint}")


def require_one_way(*, listens: bool, reads: bool, lasts: bool) -> None:
    """Make sure that targets are read, or OTLP listened to, and not both.

    Args:
        listens: Whether addresses to listen on are given.
        reads: Whether targets are.
        lasts: Whether it is said how long to listen.

    Raises:
        TargetError: When they contradict each other.
    """
    if listens and reads:
        raise TargetError("--otlp listens, and targets are read: run the command twice")
    if lasts and not listens:
        raise TargetError("--for and --count say how long to listen: pass --otlp with an address")


def seconds(text: str) -> float:
    """Read a positive number of seconds; argparse reports the error."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number
