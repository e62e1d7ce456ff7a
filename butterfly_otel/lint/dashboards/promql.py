"""Which selectors an expression has and what is around each; enough of PromQL for lint rules.

It knows no grammar: whether an expression is PromQL at all, promtool tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""\s+
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    | (?P<braces>\{(?:[^{}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\})
    | (?P<range>\[[^\]]*\])
    | (?P<number>[0-9][\w.]*)
    | (?P<word>[$]?[A-Za-z_:][\w:]*)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_MATCHER = re.compile(r'([\w.]+|"[^"]+")\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
#: What is followed by labels in parentheses.
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "atan2", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of series, where it stands.

    Attributes:
        name: Of the metric; empty where it is matched by a label.
        matchers: Label, operator and value of each matcher.
        range: The text between its brackets; empty for an instant selector.
        calls: The functions and aggregations around it, the innermost first.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    range: str
    calls: tuple[str, ...]


_Tokens = list[tuple[str, str]]


def selectors(expr: str) -> Iterator[Selector]:
    """Yield every selector of an expression.

    Raises:
        ValueError: When a parenthesis, a brace, a bracket or a string is not closed.
    """
    tokens, calls, at = _tokens(expr), list[str](), 0
    called = ""  # the function or aggregation whose parenthesis is yet to open
    while at < len(tokens):
        kind, text = tokens[at]
        if kind in {"name", "braces"}:
            at, found = _selector(tokens, at, tuple(filter(None, reversed(calls))))
            yield found
            continue
        at = _after_labels(tokens, at + 1) if kind == "grouping" else at + 1
        if kind == "call":
            called = text
        elif kind == "open":
            calls.append(called)
            called = ""
        elif kind == "close":
            if not calls:
                raise ValueError("a parenthesis is closed that was not opened")
            calls.pop()
    if calls:
        raise ValueError("a parenthesis is not closed")


def _tokens(expr: str) -> _Tokens:
    """Return kind and text of each token, with words told apart by what they are for."""
    found = [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(expr) if m.lastgroup]
    for kind, text in found:
        if kind == "other" and text in "{}[]\"'`":
            msg = f"{text} is not closed or was not opened"
            raise ValueError(msg)
    following = [*found[1:], ("", "")]
    return [
        (_kind_of(text, after) if kind == "word" else kind, text)
        for (kind, text), after in zip(found, following, strict=True)
    ]


def _kind_of(word: str, after: tuple[str, str]) -> str:
    if word.lower() in _GROUPING:
        return "grouping"
    if word.lower() in _WORDS:
        return "operator"
    # An aggregation may have its labels first, as in `sum by (x) (y)`.
    return "call" if after[0] == "open" or after[1].lower() in {"by", "without"} else "name"


def _after_labels(tokens: _Tokens, at: int) -> int:
    """Return where it goes on behind the labels in parentheses, if there are any."""
    if at < len(tokens) and tokens[at][0] == "open":
        while at < len(tokens) and tokens[at][0] != "close":
            at += 1
        at += 1
    return at


def _selector(tokens: _Tokens, at: int, calls: tuple[str, ...]) -> tuple[int, Selector]:
    name = braces = window = ""
    if tokens[at][0] == "name":
        name, at = tokens[at][1], at + 1
    if at < len(tokens) and tokens[at][0] == "braces":
        braces, at = tokens[at][1], at + 1
    if at < len(tokens) and tokens[at][0] == "range":
        window, at = tokens[at][1][1:-1], at + 1
    matchers = tuple((m[1].strip('"'), m[2], m[3]) for m in _MATCHER.finditer(braces))
    return at, Selector(name, matchers, window, calls)
