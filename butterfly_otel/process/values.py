"""Measured values: what a metric can hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

from butterfly_otel.process.text import printable

_Number = TypeVar("_Number", int, float)


def _immortal(number: _Number) -> _Number:
    """Return an equal number whose references nobody counts, where CPython has such.

    Without a GIL, threads that look at one object at once count in one place, and wait for each
    other there. Numbers in a text that is compiled are exempt, those of an imported module not.
    """
    found: dict[str, _Number] = {}
    exec(f"number = {number!r}", found)  # noqa: S102 - a text of our own
    return found["number"]


#: What most counters are given; CPython has one object for it.
ONE: Final = 1
#: The largest int of one digit: CPython has an instruction of its own to compare such ints.
SMALL: Final = _immortal(2**30 - 1)
#: Whatever is beyond goes the slow way, NaN included, and an int becomes a float there: a sum of
#: ints that is beyond any float could not be added to a float.
HIGHEST: Final = _immortal(1e150)

ValueProblem = Literal["not_a_number", "not_finite", "negative"]


def accepted(
    value: object, *, negative_allowed: bool, refuse: Callable[[ValueProblem, object], None]
) -> float | None:
    """Return a value that a metric can hold, None after ``refuse(reason, value)`` of any other.

    Every measured value that has not gone the quick way is checked here.
    """
    # The two classes nearly every value has need no further look.
    if (type(value) is int or type(value) is float) and 0 <= value <= HIGHEST:
        return value
    if type(value) is bool:
        return int(value)
    cleaned = clean_value(value, negative_allowed=negative_allowed)
    if isinstance(cleaned, str):
        refuse(cleaned, value)
        return None
    return cleaned


def clean_value(value: object, *, negative_allowed: bool) -> float | ValueProblem:
    """Return ``value`` as an int or float a metric can hold, or what is wrong with it.

    Numbers of other libraries (NumPy scalars, 0-d tensors, ``Decimal``) are converted by
    their ``__float__``, and so are ints beyond ``HIGHEST``; strings are not numbers even where
    they look like one. Never raises.
    """
    try:
        number = _number(value)
        if number is None:
            return "not_a_number"
        if not math.isfinite(number):
            return "not_finite"
    except OverflowError:
        return "not_finite"
    except Exception:  # noqa: BLE001 - a value's own __float__ may do anything
        return "not_a_number"
    if number < 0 and not negative_allowed:
        return "negative"
    return number


def _number(value: object) -> float | None:
    if type(value) is float:
        return value
    if isinstance(value, int):  # bool and IntEnum
        number = int(value)
        return number if -HIGHEST <= number <= HIGHEST else float(number)
    if isinstance(value, (str, bytes, bytearray)):
        return None
    convert = getattr(value, "__float__", None)
    return None if convert is None else float(convert())


def shown(value: object) -> str:
    """Return a value as a line shows it: short and printable, whatever its ``__repr__`` does."""
    try:
        text = printable(repr(value))
    except Exception:  # noqa: BLE001 - also an int of too many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line's width
