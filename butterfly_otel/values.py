"""Measured values: what a metric can hold."""

from __future__ import annotations

import math
import sys
from typing import Final, Literal

#: What most counters are given; CPython has one object for it.
ONE: Final = 1
#: The largest int of one digit: CPython has an instruction of its own to compare such ints.
SMALL: Final = 2**30 - 1
#: The largest finite float; whatever is beyond it goes the slow way, NaN included.
HIGHEST: Final = sys.float_info.max

ValueProblem = Literal["not_a_number", "not_finite", "negative"]


def clean_value(value: object, *, negative_allowed: bool) -> float | ValueProblem:
    """Return ``value`` as an int or float a metric can hold, or what is wrong with it.

    Numbers of other libraries (NumPy scalars, 0-d tensors, ``Decimal``) are converted by
    their ``__float__``; strings are not numbers even where they look like one. Never raises.
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
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, int):  # bool and IntEnum
        return int(value)
    if isinstance(value, (str, bytes, bytearray)):
        return None
    convert = getattr(value, "__float__", None)
    return None if convert is None else float(convert())
