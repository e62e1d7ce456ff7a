"""The types of the public API, as two type checkers see them."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "typing"
ROOT = FOLDER.parents[1]


def mypy(file: Path) -> set[int]:
    """Return the lines in which mypy finds an error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not output.stderr, output.stderr
    found = re.findall(rf"{file.name}:(\d+): error", output.stdout)
    assert found or not output.returncode, output.stdout
    return set(map(int, found))


def basedpyright(file: Path) -> set[int]:
    """Return the lines in which basedpyright finds an error."""
    command = [sys.executable, "-m", "basedpyright", "--outputjson", str(file)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    diagnostics = json.loads(output.stdout)["generalDiagnostics"]
    return {
        each["range"]["start"]["line"] + 1 for each in diagnostics if each["severity"] == "error"
    }


checkers = pytest.mark.parametrize(
    "checker",
    [
        pytest.param(
            checker,
            id=checker.__name__,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(checker.__name__) is None,
                reason=f"{checker.__name__} is not installed: pip install --group lint",
            ),
        )
        for checker in (mypy, basedpyright)
    ],
)


@checkers
def test_right_calls_are_accepted(checker: Callable[[Path], set[int]]) -> None:
    """Nothing is found where the contract is kept; decorated functions keep their types."""
    assert checker(FOLDER / "right.py") == set()


@checkers
def test_wrong_calls_are_found(checker: Callable[[Path], set[int]]) -> None:
    """Each line marked wrong is an error, and no other line is."""
    file = FOLDER / "wrong.py"
    lines = file.read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if "# wrong" in line}
    assert len(marked) > 20
    assert checker(file) == marked
