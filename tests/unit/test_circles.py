"""The script that finds modules which import each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "circles.py"


def _check(folder: Path, **modules: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the script, for a package of these modules."""
    package = folder / "house"
    for name, text in {"__init__": "", **modules}.items():
        path = (package / name.replace("__of__", "/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, SCRIPT, package], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_modules_in_floors_pass(tmp_path: Path) -> None:
    """A module that two import, and a package's own that passes on names, are no circle."""
    code, lines = _check(
        tmp_path,
        __init__="from house.roof import tiles",
        cellar="",
        ground="from house.cellar import coal",
        roof="import os\nfrom house import cellar\nfrom house.ground import door",
    )
    assert (code, lines) == (0, ["no two of 4 modules import each other"])


def test_two_modules_that_import_each_other_are_found(tmp_path: Path) -> None:
    """The line names both, and what each has of the other."""
    code, lines = _check(
        tmp_path,
        cellar="from house.roof import rain, tiles",
        roof="import house.cellar",
        other="from house import cellar, roof",
    )
    assert (code, lines) == (1, ["cellar -> roof (rain, tiles) -> cellar (cellar)"])


def test_a_circle_of_three_is_found(tmp_path: Path) -> None:
    """Nobody imports back at once, and still none of the three can be read alone."""
    code, lines = _check(
        tmp_path,
        cellar="from house.ground import door",
        ground="from . import roof",
        roof="from .cellar import coal",
    )
    assert (code, lines) == (1, ["cellar -> ground (door) -> roof (roof) -> cellar (coal)"])


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_a_circle_for_type_checkers_alone_is_found(tmp_path: Path, condition: str) -> None:
    """The code would run, but who reads it goes in a circle."""
    code, lines = _check(
        tmp_path,
        cellar="from house.roof import Roof",
        roof=f"if {condition}:\n    from house.cellar import Cellar\nclass Roof: ...",
    )
    assert (code, lines) == (1, ["cellar -> roof (Roof) -> cellar (Cellar)"])


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    """Putting an import off hides a circle from the interpreter alone."""
    code, lines = _check(
        tmp_path,
        cellar="def later():\n    from house.roof import Roof",
        roof="from house.cellar import later",
    )
    assert (code, lines) == (1, ["cellar -> roof (Roof) -> cellar (later)"])


def test_a_package_and_its_own_module_may_be_a_circle(tmp_path: Path) -> None:
    """A package that imports its module, which imports it back, relatively from within."""
    code, lines = _check(
        tmp_path,
        rooms__of____init__="from .bed import sleep\nwidth = 1",
        rooms__of__bed="from . import width\nfrom ..cellar import coal",
        cellar="",
    )
    assert (code, lines) == (1, ["rooms -> rooms.bed (sleep) -> rooms (width)"])


def test_each_of_several_circles_has_a_line(tmp_path: Path) -> None:
    """Two circles that share a module are both told."""
    code, lines = _check(
        tmp_path,
        cellar="from house.roof import a\nfrom house.ground import b",
        ground="from house.cellar import c",
        roof="from house.cellar import d",
    )
    assert code == 1
    assert sorted(lines) == [
        "cellar -> ground (b) -> cellar (c)",
        "cellar -> roof (a) -> cellar (d)",
    ]


def test_a_folder_without_modules_is_a_clear_error(tmp_path: Path) -> None:
    """A misspelt folder must not pass as one without circles."""
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "there are no modules in" in done.stderr
