"""Text of others, as a terminal, a log or an error can be sent it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape whatever a terminal should not be sent: control characters, lone surrogates."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
