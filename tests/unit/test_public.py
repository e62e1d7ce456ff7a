"""The package's own names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("consensus", "coordination", "decorators", "disk", "memory", "metrics")


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_is_an_attribute_of_the_package(name: str) -> None:
    """`import butterfly_otel` is enough for `butterfly_otel.decorators` and its like."""
    code = f"import butterfly_otel; print(butterfly_otel.{name}.__name__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == f"butterfly_otel.{name}"


def test_the_source_distribution_has_what_its_tests_need() -> None:
    """Whatever a test imports or reads at the top of the tree is packed beside the tests."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"targets\.sdist\]\ninclude = \[(.*?)\n\]", project, re.DOTALL)
    assert listed is not None
    # hatchling always adds these two.
    packed = {"README.md", "pyproject.toml", *re.findall(r'"/([^"]+)"', listed[1])}
    needed: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        needed.update(re.findall(r'\bROOT / "([^"/]+)', text))
        needed.update(
            re.findall(r"^(?:from|import) (benchmarks|scripts|examples)\b", text, re.MULTILINE)
        )
    assert {"benchmarks", "scripts", "Makefile", "docs"} <= needed
    assert needed <= packed
