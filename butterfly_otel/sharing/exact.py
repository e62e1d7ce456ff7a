"""Sums that do not depend on the order of what is added.

A counter must never fall, be it by the last bit of a float, for a scraper takes that for a
restart and counts the whole anew. What the processes of a node have together is added in another
order each time one of them ends, so sums of floats are exact here and rounded once, at the end:
then what only grows only grows. A sum that is kept is a number or, where one float can't hold it,
a list of numbers whose exact sum it is.
"""

from __future__ import annotations

from math import fsum, isfinite
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kept: TypeAlias = "float | list[float]"


def total(values: Sequence[float]) -> float:
    """Return the sum, rounded once; an integer where all are integers."""
    whole = sum(value for value in values if type(value) is not float)
    floats = [value for value in values if type(value) is float]
    if not floats:
        return whole
    try:
        return fsum((*floats, whole)) if whole else fsum(floats)
    except (OverflowError, ValueError):  # too large, or infinities of both signs
        return sum(floats) + whole


def totals(columns: Sequence[Sequence[float]]) -> list[float]:
    """Return the sums of each row of some columns, which are equally long."""
    if len(columns) == 1:
        return list(columns[0])
    kinds = [set(map(type, column)) for column in columns]
    if all(each <= {int} for each in kinds):
        return list(map(sum, zip(*columns, strict=True)))
    if all(each == {float} for each in kinds):
        try:
            return list(map(fsum, zip(*columns, strict=True)))
        except (OverflowError, ValueError):
            pass
    return list(map(total, zip(*columns, strict=True)))


def kept(values: Iterable[Kept]) -> Kept:
    """Return what stands for the exact sum of what was kept."""
    numbers = flat(values)
    whole = sum(each for each in numbers if type(each) is not float)
    parts: list[float] = []
    for each in numbers:
        if type(each) is float:
            _grow(parts, each)
            if not isfinite(parts[-1]):
                return float(sum(numbers))
    if not parts:
        return whole
    found: list[float] = [whole, *parts] if whole else parts
    return found[0] if len(found) == 1 else found


def flat(values: Iterable[Kept]) -> list[float]:
    """Return the numbers that stand for what was kept."""
    return [each for value in values for each in (value if isinstance(value, list) else (value,))]


def rounded(value: Kept) -> float:
    """Return the number that is nearest to what was kept."""
    return total(value) if isinstance(value, list) else value


def _grow(parts: list[float], value: float) -> None:
    """Add a value to floats whose exact sum is kept (Shewchuk's expansion, as in math.fsum)."""
    filled = 0
    for part in parts:
        large, small = (value, part) if abs(value) >= abs(part) else (part, value)
        value = large + small
        lost = small - (value - large)
        if lost:
            parts[filled] = lost
            filled += 1
    parts[filled:] = [value] if value or not filled else []
    if not parts:
        parts.append(0.0)
