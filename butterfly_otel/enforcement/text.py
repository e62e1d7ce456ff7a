"""Label values as strings (docs/contract.md, Labels)."""

from __future__ import annotations

import json
from typing import Literal

#: Longer label values are cut.
MAX_LENGTH = 128

TextProblem = Literal["too_long", "invalid_text"]


def label_text(value: object) -> tuple[str, TextProblem | None]:
    """Return ``value`` as label text, and what had to be changed in it.

    Booleans become ``true`` and ``false`` (so that ``True`` is not ``1``), other values
    their ``str()``. Lone surrogates, which no wire format can carry, become U+FFFD.
    Never raises.
    """
    try:
        text = as_text(value)
    except Exception:  # noqa: BLE001 - a value's own __str__ may do anything
        return type(value).__name__, "invalid_text"
    problem: TextProblem | None = None
    if not _encodable(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        problem = "invalid_text"
    if len(text) > MAX_LENGTH:
        text = text[:MAX_LENGTH]
        problem = "too_long"
    return text, problem


def as_text(value: object) -> str:
    """Return ``value`` as text, booleans as ``true`` and ``false``."""
    if isinstance(value, str):
        # Not str(value): that of a (str, Enum) member is its name, not its value.
        return str.__str__(value)
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
