"""`docs/explanation/private-names.md` says what `sdk_names` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from butterfly_otel.engine.sdk_names import ENGINE, INSTRUMENT, PARTS, QUIET, TESTING, Name

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "private-names.md"


def row(entry: Name, without: str) -> str:
    """Return the row of an entry."""
    names = ", ".join(f"`{name}`" for name in entry.name.split())
    owner = f"`{entry.owner}`" if "." in entry.owner else entry.owner
    return f"| {names} | {owner} | {entry.purpose} | {entry.since} | {without} |"


@pytest.mark.parametrize(
    ("entries", "without"),
    [
        (ENGINE, "the stock engine measures"),
        (PARTS, ""),
        (QUIET, ""),
        (TESTING, "see above"),
        (INSTRUMENT, "metrics alone are set up"),
    ],
)
def test_the_page_lists_every_private_name(entries: tuple[Name, ...], without: str) -> None:
    """Each entry is a row: the name, whose it is, what for, since when, what is without it."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [row(entry, entry.without or without) for entry in entries]
    assert not [each for each in rows if each not in text]
