"""Which interpreters and releases the matrix runs on."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    return import_module("matrix")


def test_ci_runs_the_oldest_the_newest_and_the_one_without_a_gil(matrix: Any) -> None:
    """The oldest interpreter has the oldest SDK, the newest the newest; those between are left."""
    versions = [
        ((3, 10), False),
        ((3, 11), False),
        ((3, 13), False),
        ((3, 99), False),
        ((3, 99), True),
    ]
    found = [matrix.Interpreter(*each, Path()) for each in versions]
    assert matrix.chosen(found, few=False) == [
        each for each in found if each.version != sys.version_info[:2] or each.sdk
    ]
    few = matrix.chosen(found, few=True)
    assert [(each.name, each.sdk) for each in few] == [
        ("3.10", 39),
        ("3.99", None),
        ("3.99t", None),
    ]


def test_a_release_is_pinned_with_its_betas(matrix: Any) -> None:
    """Else pip takes the newest of what has no stable release, which wants another SDK."""
    pins = matrix.release(41)
    assert "opentelemetry-sdk==1.41.*" in pins
    assert "opentelemetry-exporter-prometheus>=0.62b0,<0.63b0" in pins
    assert not any(each.startswith("prometheus-client") for each in pins)
    assert "prometheus-client==0.23.*" in matrix.release(39)


def test_the_pins_allow_what_the_matrix_installs(matrix: Any) -> None:
    """What pyproject.toml asks for begins where the oldest row of the matrix is."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    oldest = min(matrix.RELEASES.values())
    assert f'"opentelemetry-sdk>=1.{oldest},<2"' in text
    assert f'"opentelemetry-exporter-prometheus>=0.{oldest + 21}b0,<1"' in text
    assert f"opentelemetry-sdk>=1.{oldest},<2" in matrix.WITHOUT_GRPC
