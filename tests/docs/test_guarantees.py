"""What is guaranteed is held by tests, and the page that says so names them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.docs.blocks import DOCS, ROOT, pages

GUARANTEES = DOCS / "explanation" / "guarantees.md"
_NAMED = re.compile(r"`(?:tests/)?([\w/]+\.py)::(\w+)`")
_HEADING = "## The tests that hold it\n"


@cache
def _tests_of(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_test_that_a_page_names_exists() -> None:
    """A promise whose test was renamed or removed is found."""
    named = [
        (page, path, name)
        for page in pages()
        for path, name in _NAMED.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(named) > 50
    lacking = [
        f"{page.relative_to(ROOT)}: {path}::{name}"
        for page, path, name in named
        if name not in _tests_of(ROOT / "tests" / path)
    ]
    assert lacking == []


def test_every_promise_names_its_tests() -> None:
    """Each line of the list of promises is held by one test or more."""
    listed = GUARANTEES.read_text(encoding="utf-8").partition(_HEADING)[2]
    promises = re.split(r"^- ", listed, flags=re.MULTILINE)[1:]
    assert len(promises) > 20
    assert [each for each in promises if not _NAMED.search(each)] == []
