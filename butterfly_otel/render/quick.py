"""The quick way of a measurement: one template a kind, and the places it is rendered into.

A call costs more than all that a measurement does, so the statement that changes a cell, and the
question whether it may, stand in line wherever somebody measures: in the cells, in the
instruments, in bound instruments, and in each handle of ``metrics.py``. All of them come from
here. A place in a module that is written by hand is marked by two comments, between which
everything is rendered::

    # rendered from quick.py: counter small cell=target also="context is None"
    # rendered until here

The words after the colon: a kind, one of its checks, and what ``cell``, ``amount`` and ``ready``
are called there. What stands below a place is the slow way.

The order of the questions is the cheapest CPython 3.11 has: exact types first, then comparisons of
an int with ints and a float with floats, which the interpreter specialises. Why the statements
need no lock, says ``engine/cells.py``.
"""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Asked of every kind: there is no span that could make an exemplar, and the cell can do without
#: a lock. In this order: after the last question comes no call, so no other thread either.
_GUARD = """\
(tracing.quiet or not tracing.current())
and ready"""
#: What a cell does with an amount that has been checked: in a sampled span it has an exemplar,
#: and where it can't do without a lock, it takes its own.
_CELL = """\
parent = None if tracing.quiet else tracing.parent()
if ready:
    STATEMENT
    if parent is not None:
        cell.table.exemplify(cell, amount, parent)
    return
if cell.guarded:
    with cell.lock:
        if cell.guarded:
            STATEMENT
            if parent is not None:
                cell.table.exemplify(cell, amount, parent)
            return"""
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Quick:
    """The quick way of one kind of cell, as Python text.

    Attributes:
        statement: What changes the cell.
        checks: What is asked of the amount, by name. ``any`` finds every plain number that needs
            no further look, and is for who has nobody to ask but the slow way; the others find
            what nearly every call passes, and leave the rest to the cell.
    """

    statement: str
    checks: Mapping[str, str]


#: Any number of either sign.
_SIGNED = """\
(kind is int or kind is float)
and -HIGHEST <= amount <= HIGHEST"""

QUICK: dict[str, Quick] = {
    "counter": Quick(
        "cell.value += amount",
        {
            "one": "",
            "small": "(amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))",
            "any": """\
(kind is int and (0 <= amount <= SMALL or 0 <= amount <= HIGHEST)) or (
    kind is float and 0.0 <= amount <= HIGHEST
)""",
        },
    ),
    "sum": Quick("cell.value += amount", {"one": "amount is ONE", "any": _SIGNED}),
    "difference": Quick("cell.value -= amount", {"one": "amount is ONE"}),
    "last_value": Quick("cell.value = amount", {"any": _SIGNED}),
    # The calls come first: after them, count and sum change in one statement.
    "histogram": Quick(
        """\
if amount < cell.low or amount > cell.high:
    cell.widen(amount)
index = bisect_left(cell.bounds, amount)
counts = cell.counts
counts[index], cell.total = counts[index] + 1, cell.total + amount""",
        {
            "plain": """\
(type(amount) is float or type(amount) is int)
and 0.0 <= amount <= HIGHEST""",
            "any": """\
(kind is float or kind is int)
and 0.0 <= amount <= HIGHEST""",
        },
    ),
    # One cell, which is not told of all attributes: they are an exemplar's.
    "narrowed": Quick("cell.record(amount)", {"any": ""}),
    # Several cells, each of which takes its lock.
    "fan_out": Quick(
        """\
for each in cell:
    each.table.update(each, amount)""",
        {
            "any": """\
(kind is int or kind is float)
and lowest <= amount <= HIGHEST"""
        },
    ),
}
#: The check of a place where the amount has been checked already: the statement alone.
CHECKED = "checked"
#: That of a cell's own ``record``: ``any``, and then all that a cell knows to do.
CELL = "cell"
_NAMES = frozenset({"cell", "amount", "ready", "lowest", "also"})
_BEGIN, _END = "# rendered from quick.py: ", "# rendered until here"
_PLACE = re.compile(
    rf"^(?P<indent> *){_BEGIN}(?P<words>.+)\n(?:.*\n)*?(?P=indent){_END}$", re.MULTILINE
)


def quick(kind: str, check: str, margin: int, **names: str) -> str:
    """Return the quick way of a kind, which ends in ``return`` unless the amount is checked.

    Args:
        kind: One of ``QUICK``.
        check: One of its checks, ``CELL`` or ``CHECKED``.
        margin: How many blanks will stand before it: lines are broken as the formatter does.
        names: What ``cell``, ``amount``, ``ready`` and ``lowest`` are called where it will
            stand; ``also`` is one more condition.

    Raises:
        ValueError: When there is no such kind, check or name.
    """
    known = kind in QUICK and check in (CHECKED, CELL, *QUICK[kind].checks)
    if not known or names.keys() - _NAMES:
        msg = f"there is no template {kind} {check} with {sorted(names)}; see render/quick.py"
        raise ValueError(msg)
    also = names.pop("also", "")
    names = {"ready": f"{names.get('cell', 'cell')}.ready", **names}
    statement = _named(QUICK[kind].statement, names)
    if check == CHECKED:
        return statement
    asked = QUICK[kind].checks["any" if check == CELL else check]
    questions = (asked, also) if check == CELL else (asked, also, _GUARD)
    question = _named("\nand ".join(filter(None, questions)), names)
    lines = [_named("kind = type(amount)", names)] if "kind" in asked else []
    lines.append(_asking(question, margin))
    body = _in_cell(statement, names) if check == CELL else f"{statement}\nreturn"
    return "\n".join((*lines, indent(body, "    ")))


def _asking(question: str, margin: int) -> str:
    """Return the line or lines that ask, as the formatter would have them."""
    joined = " ".join(question.split())
    if margin + len(f"if {joined}:") <= _WIDTH:
        return f"if {joined}:"
    if "\nand" not in question:
        return f"if {question}:"
    return f"if (\n{indent(question, '    ')}\n):"


def _in_cell(statement: str, names: Mapping[str, str]) -> str:
    """Return what a cell does once the amount is checked."""

    def placed(match: re.Match[str]) -> str:
        return indent(statement, match["margin"])

    return re.sub(r"(?m)^(?P<margin> *)STATEMENT$", placed, _named(_CELL, names))


def _named(text: str, names: Mapping[str, str]) -> str:
    """Return a template with the names of the place where it will stand."""
    return re.sub(r"(?<!\.)\b[a-z]+\b", lambda match: names.get(match[0], match[0]), text)


def place(text: str) -> str:
    """Return the text of a module, whose marked places are rendered anew.

    Raises:
        SyntaxError: When that is no Python: the command that renders would not start any more.
        ValueError: When a mark names no template.
    """
    placed = _PLACE.sub(_placed, text)
    ast.parse(placed)
    return placed


def _placed(match: re.Match[str]) -> str:
    kind, check, *words = shlex.split(match["words"])
    names = dict(word.split("=", 1) for word in words)
    body = quick(kind, check, len(match["indent"]), **names)
    return indent(f"{_BEGIN}{match['words']}\n{body}\n{_END}", match["indent"])
