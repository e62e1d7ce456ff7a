"""The examples in docstrings, run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from types import SimpleNamespace

import pytest

from butterfly_otel import decorators

MODULES = [
    f"{decorators.__name__}.{each.name}" for each in pkgutil.iter_modules(decorators.__path__)
]
CASES = [
    textwrap.dedent(block)
    for block in re.findall(r"(?:^    .*\n|^\n)+", f"{decorators.__doc__}\n", flags=re.MULTILINE)
    if block.strip()
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_functions_show_what_happens(module: str) -> None:
    """Each prompt in each docstring prints what stands below it."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_every_public_function_is_documented_by_an_example() -> None:
    """None is left to guess how it is used."""
    without = {
        name
        for name in decorators.__all__
        if inspect.isfunction(getattr(decorators, name))
        and ">>>" not in (inspect.getdoc(getattr(decorators, name)) or "")
    }
    assert without == set()


def test_the_twelve_cases_of_the_package_can_be_decorated() -> None:
    """Every block of its docstring is Python that runs, given the names an application has."""
    assert len(CASES) == 13
    names: dict[str, object] = {
        "InvalidProof": type("InvalidProof", (Exception,), {}),
        "SigningError": type("SigningError", (Exception,), {}),
        "reply": SimpleNamespace(truncated=True),
    }
    for case in CASES:
        exec("from __future__ import annotations\n" + case, names)  # noqa: S102 - our own text
    assert {"infer", "stream", "Checkpoints", "dispatch", "verify"} <= names.keys()
