"""Mistakes one could make in a rule: each small, each to be found by a story."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Rule = dict[str, Any]

_FLIPPED = {" > ": " < ", " < ": " > ", " == ": " != "}
_FOLDS = {"min": "max", "max": "min", "sum": "max", "avg": "max"}
_THRESHOLD = re.compile(r"(?<= [<>] )[0-9.]+(?: \* [0-9.]+)?")
_STATE = re.compile(r"(?<= == )[01]")
_MATCHER = re.compile(r'(?<=[{ ])\w+(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"(?:, )?')
_BY = re.compile(r"\bby \(([^)]*)\)")
_WINDOW = re.compile(r"\[(\d+)([smhd])(?=[\]:])")
_FOLD = re.compile(r"\b(?:min|max|sum|avg)(?= by| ?\()")


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Every mistake of a rule, with what it is."""
    for what, expr in _expressions(rule["expr"]):
        yield what, {**rule, "expr": expr}
    if "for" in rule:
        yield "no `for`", {key: value for key, value in rule.items() if key != "for"}
        yield "three times the `for`", {**rule, "for": _longer(rule["for"], 3)}
    if "alert" in rule:
        labels = dict(rule["labels"])
        other = {"warning": "critical", "critical": "warning"}[labels["severity"]]
        yield "another severity", {**rule, "labels": {**labels, "severity": other}}


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    for sign, other in _FLIPPED.items():
        yield from _each(expr, re.compile(re.escape(sign)), lambda _found, to=other: to)
    for factor in (1.3, 0.7):
        yield from _each(expr, _THRESHOLD, lambda found, by=factor: f"{found} * {by}")
    yield from _each(expr, _STATE, lambda found: "1" if found == "0" else "0")
    yield from _each(expr, _MATCHER, lambda _found: "")
    yield from _each(expr, _FOLD, lambda found: _FOLDS[found])
    yield from _each(expr, _WINDOW, lambda found: "[" + _longer(found[1:], 10))
    for found in _BY.finditer(expr):
        names = found[1].split(", ")
        for name in names:
            kept = ", ".join(each for each in names if each != name)
            text = f"{expr[: found.start()]}by ({kept}){expr[found.end() :]}"
            yield f"not by {name}: {_around(expr, found)}", text
    yield from _each(expr, re.compile(r"\n\s*(?:or|and on \(\)|and|[-+/*])\n"), _joined)


def _each(expr: str, what: re.Pattern[str], change: Any) -> Iterator[tuple[str, str]]:
    """Make a change at each place by itself; zero thresholds are left to flipped signs."""
    for found in what.finditer(expr):
        new = change(found[0])
        text = expr[: found.start()] + new + expr[found.end() :]
        if found[0] != "0":
            yield f"`{found[0].strip()}` to `{new.strip()}`: {_around(expr, found)}", text
        elif what is _STATE:
            yield f"`0` to `{new}`: {_around(expr, found)}", text


def _around(expr: str, found: re.Match[str]) -> str:
    return " ".join(expr[max(0, found.start() - 30) : found.end() + 30].split())


def _joined(found: str) -> str:
    word = found.strip()
    other = {"or": "and", "and": "or", "-": "+", "+": "-", "/": "*", "*": "/"}
    return found.replace(word, other.get(word, "or on ()"))


def _longer(text: str, times: int) -> str:
    return f"{int(text[:-1]) * times}{text[-1]}"
