"""The quick way of a measurement: rendered from one file, wherever it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from butterfly_otel.render import ARTEFACTS, Marked
from butterfly_otel.render import quick as templates
from butterfly_otel.render.handles import render_handles
from butterfly_otel.render.quick import QUICK, Quick, place, quick

ROOT = Path(__file__).parents[3]
MARKED = [ROOT / each.path for each in ARTEFACTS if isinstance(each, Marked)]
#: What changes the value of a cell, or asks whether anybody traces.
TELLTALE = re.compile(r"(?m)^ +\S+\.value [-+]= |^ +counts\[index\]|\btracing\.quiet\b")

BY_HAND = """\
class Cell:
    def record(self, amount):
        # rendered from quick.py: sum any cell=self
        # rendered until here
        self.slow(amount)
"""
RENDERED = """\
class Cell:
    def record(self, amount):
        # rendered from quick.py: sum any cell=self
        kind = type(amount)
        if (
            (kind is int or kind is float)
            and -HIGHEST <= amount <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and self.ready
        ):
            self.value += amount
            return
        # rendered until here
        self.slow(amount)
"""


def outside(path: Path) -> str:
    """Return the text of a module without its marked places."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"(?s)# rendered from quick\.py: .*?# rendered until here", "", text)


def test_a_marked_place_is_rendered_and_all_else_left() -> None:
    """The names of the place are in the text, and rendering again changes nothing."""
    assert place(BY_HAND) == RENDERED
    assert place(RENDERED) == RENDERED


def test_what_is_written_into_a_place_by_hand_is_overwritten() -> None:
    """The template is the one place to edit, so an edit of a copy does not last."""
    edited = RENDERED.replace("self.value += amount", "self.value += 2 * amount")
    assert place(edited) == RENDERED


def test_a_changed_template_reaches_every_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One edit, as of a new guard, and all modules and handles have it."""
    monkeypatch.setattr(templates, "_GUARD", "new_guard(tracing)\nand ready")
    monkeypatch.setattr(templates, "_CELL", "if new_guard(tracing) and ready:\n    STATEMENT")
    texts = [place(path.read_text(encoding="utf-8")) for path in MARKED]
    assert all("new_guard(" in text for text in texts)
    for text in (*texts, render_handles()):
        assert "tracing.quiet" not in re.sub("#.*", "", text)
    assert render_handles().count("new_guard(tracing)") > 40


def test_a_changed_statement_reaches_every_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of counters stands in cells, instruments, bound instruments and handles."""
    checks = QUICK["counter"].checks
    monkeypatch.setitem(QUICK, "counter", Quick("cell.value = cell.value + amount", checks))
    named = {path.stem: place(path.read_text(encoding="utf-8")) for path in MARKED}
    assert "self.value = self.value + amount" in named["cells"]
    assert "target.value = target.value + amount" in named["kinds"]
    assert "cell.value = cell.value + 1" in named["bound"]
    assert "cell.value = cell.value + amount" in render_handles()


@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.stem)
def test_every_module_that_is_listed_has_a_marked_place(path: Path) -> None:
    """Else a mark was misspelt, and what stands there would be edited by hand from then on."""
    assert outside(path) != path.read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ["engine", "handles", "enforcement"])
def test_no_copy_is_written_by_hand(room: str) -> None:
    """Outside the marked places nothing changes a cell or asks whether anybody traces."""
    written = {
        path.stem
        for path in (ROOT / "butterfly_otel" / room).rglob("*.py")
        if TELLTALE.search(outside(path))
    }
    # What is observed is added up in a round of callbacks; whether it may be sampled is asked
    # of what has gone the slow way already.
    assert written <= {"instruments", "observed", "consumer"}


def test_a_mark_that_names_no_template_is_an_error() -> None:
    """A misspelt kind, check or name is told, with where the right ones are."""
    for words in ("sums any", "sum all", "sum any cel=self"):
        with pytest.raises(ValueError, match=r"render/quick\.py"):
            place(BY_HAND.replace("sum any cell=self", words))


def test_a_template_that_is_no_python_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that renders imports these modules, and could never mend them again."""
    monkeypatch.setitem(QUICK, "sum", Quick("cell.value +=", QUICK["sum"].checks))
    with pytest.raises(SyntaxError):
        place(BY_HAND)


def test_a_short_question_is_one_line() -> None:
    """As the formatter would have it, so that rendering and formatting agree."""
    first, *_ = quick("counter", "one", 8, amount="1").splitlines()
    assert first == "if (tracing.quiet or not tracing.current()) and cell.ready:"
