"""The package's own names."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = ("consensus", "coordination", "decorators", "disk", "memory", "metrics")


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_is_an_attribute_of_the_package(name: str) -> None:
    """`import butterfly_otel` is enough for `butterfly_otel.decorators` and its like."""
    code = f"import butterfly_otel; print(butterfly_otel.{name}.__name__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == f"butterfly_otel.{name}"
