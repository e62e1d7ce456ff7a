"""The group that times what calls consist of: what a target leaves room for."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, timings

if TYPE_CHECKING:
    from collections.abc import Mapping

_THREE = '{"node_role": "coordinator", "method": "inference", "status": "success"}'
_ATTRIBUTES = {"node_role": "coordinator", "method": "inference", "status": "success"}


class _Cell:
    __slots__ = ("ready", "value")

    def __init__(self) -> None:
        self.value = 0
        self.ready = True


class _Empty:
    """Methods with our signatures that do less and less of the work."""

    __slots__ = ("_cell", "_cells", "_values", "_width")

    def __init__(self) -> None:
        self._cell = _Cell()
        self._values = itemgetter(*_ATTRIBUTES)
        self._cells = {self._values(_ATTRIBUTES): self._cell}
        self._width = len(_ATTRIBUTES)

    def nothing(self, amount: float, attributes: object = None, context: object = None) -> None:
        """Do nothing."""

    def finding(self, amount: float, attributes: dict[str, str], context: object = None) -> None:  # noqa: ARG002
        """Find the cell."""
        if type(attributes) is dict and len(attributes) == self._width:
            self._cells[self._values(attributes)]

    def bound_nothing(self, amount: float) -> None:
        """Do nothing."""

    def bound_adding(self, amount: float) -> None:
        """Add without a single check."""
        self._cell.value += amount  # type: ignore[assignment]


#: Key of a subject, and what it is.
PARTS: Mapping[str, str] = {
    "part_loop": "nothing: the timing loop, which is in every figure",
    "part_dict": "`{3 attributes}`: the caller makes the dictionary",
    "part_call": "a method that does nothing, called with an amount and that dictionary",
    "part_find": "a method that sees that it is a dictionary of three, takes the values and finds"
    " the cell, likewise",
    "part_bound": "a bound method that does nothing",
    "part_add": "a bound method that adds to a cell without any check",
    "part_bisect": "`bisect_left` in 9 boundaries",
}


def anatomy(settings: Settings) -> dict[str, list[float]]:
    """Time the parts."""
    names = {"o": _Empty(), "bisect_left": bisect_left, "bounds": make.BOUNDS}
    statements = {
        "part_loop": "pass",
        "part_dict": _THREE,
        "part_call": f"o.nothing(1, {_THREE})",
        "part_find": f"o.finding(1, {_THREE})",
        "part_bound": "o.bound_nothing(1)",
        "part_add": "o.bound_adding(1)",
        "part_bisect": f"bisect_left(bounds, {make.VALUE})",
    }
    return timings([Subject(key, text, names) for key, text in statements.items()], settings)
