"""The benchmarks run, compare equal work and show every row; no speed is tested here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import interpreter
from benchmarks.document import document
from benchmarks.measure import Settings, Subject, UnequalWorkError, require_same_outcome, timings
from benchmarks.report import Result, Spread, results
from benchmarks.rows import GROUPS, ROWS

#: How many targets are missed by being no better and no worse than the peer.
MISSED_AT_PAR = sum(
    row.target is not None and (row.target > 1 if row.direction == "at least" else row.target < 1)
    for row in ROWS
)
ROOT = Path(__file__).resolve().parents[2]


def figures_of(ratio: float) -> dict[str, list[float]]:
    """Return three rounds of figures that give every row that ratio of the peer's to ours."""
    figures: dict[str, list[float]] = {}
    for row in ROWS:
        figures[row.ours] = [90.0, 100.0, 110.0]
        figures[row.peer] = [90.0 * ratio, 100.0 * ratio, 110.0 * ratio]
    return figures


@pytest.mark.long
def test_every_row_of_the_table_is_measured(tmp_path: Path) -> None:
    """One command measures both sides of every comparison, after checking that they are equal."""
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--quick", "--full"]
    done = subprocess.run(
        [*command, "--json", str(written)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    installed = importlib.util.find_spec("autometrics") is not None
    there = interpreter.without_gil() is not None
    expected = [
        row
        for row in ROWS
        if (installed or not row.optional) and (there or row.group != "free_threaded")
    ]
    assert [(each["row"]["work"], each["row"]["against"]) for each in found["rows"]] == [
        (row.work, row.against) for row in expected
    ]
    assert ("autometrics is not installed" in done.stderr) is not installed
    assert ("no interpreter without a GIL" in done.stderr) is not there
    assert all(figure > 0 for figures in found["figures"].values() for figure in figures)
    assert {"date", "processor", "cores", "Python", "opentelemetry-sdk"} <= found["machine"].keys()
    for row in expected:
        assert done.stdout.count(row.work.replace("`", "")) >= 1


def test_every_row_belongs_to_a_group() -> None:
    """A row that no process measures would be missing silently."""
    assert {row.group for row in ROWS} | {"anatomy"} == set(GROUPS)


def test_unequal_work_is_refused() -> None:
    """Nothing is compared when one side measured something else."""
    once: list[int] = []
    twice: list[int] = []
    subjects = [
        Subject("once", "add(1)", {"add": once.append}, lambda: sum(once)),
        Subject("twice", "add(2)", {"add": twice.append}, lambda: sum(twice)),
    ]
    with pytest.raises(UnequalWorkError, match="once: 100; twice: 200"):
        require_same_outcome("sums", subjects)


def test_rounds_take_turns() -> None:
    """Every round times each subject once, and what has to be prepared is prepared each time."""
    prepared: list[str] = []
    subjects = [
        Subject(name, "pass", {}, prepare=lambda name=name: prepared.append(name))
        for name in ("first", "second")
    ]
    found = timings(subjects, Settings(rounds=3, quick=True))
    assert {name: len(each) for name, each in found.items()} == {"first": 3, "second": 3}
    assert prepared == ["first", "second", "second", "first", "first", "second"]


def test_a_ratio_is_that_of_the_medians() -> None:
    """One disturbed round changes neither the medians nor, much, the quartiles."""
    figures = {"ours_counter": [1.0, 1.0, 9.0], "sdk_counter": [40.0, 40.0, 40.0]}
    row = next(each for each in ROWS if each.peer == "sdk_counter")
    rows = results({**figures_of(1.0), **figures})
    result = next(each for each in rows if each.row is row)
    assert result.ratio == 40.0
    assert result.ours == Spread(1.0, 1.0, 5.0)
    assert result.reached


@pytest.mark.parametrize(("ratio", "missed"), [(1.0, MISSED_AT_PAR), (100.0, 0)])
def test_the_document_says_what_is_not_reached(ratio: float, missed: int) -> None:
    """Each target that isn't reached is a sentence, and nothing else is."""
    found: list[Result] = results(figures_of(ratio))
    parts = {"part_dict": [120.0, 110.0, 130.0]}
    text = document(found, {"date": "2026-01-01"}, figures=parts, rounds=3, full=True)
    assert text.count(": not reached.") == missed
    assert "the caller makes the dictionary | 120 ns |" in text


def test_the_document_says_what_is_not_measured() -> None:
    """A row that was left out is named, so that its absence is no claim."""
    figures = {key: each for key, each in figures_of(1.0).items() if key != "ours_large"}
    text = document(results(figures), {}, figures=figures, rounds=3, full=False)
    assert "Not measured in this run: a sample of a scrape at 1,000,000 samples" in text


def test_the_costs_of_collectors_are_measured() -> None:
    """Rounds, callbacks, and scrapes before, while and after a source hangs."""
    command = [sys.executable, "-m", "benchmarks.collectors", "--rounds", "1", "--hang", "0.2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for what in ("round of", "callback", "scrape with", "one source hangs", "after it came back"):
        assert what in done.stdout
