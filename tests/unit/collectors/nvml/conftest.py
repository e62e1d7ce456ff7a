"""Fixtures: the fake NVML, compiled once a run, as a new driver and as an old one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.collectors.nvml.fake import Machine, machine

SOURCE = Path(__file__).with_name("fake_nvml.c")


def _skip(problem: str) -> None:
    ci = os.environ.get("CI", "").lower() in {"1", "true"}
    if ci or os.environ.get("BUTTERFLY_OTEL_REQUIRE_SERVERS") == "1":
        pytest.fail(problem, pytrace=False)
    pytest.skip(problem)


def compiled(source: Path, library: Path, *options: str) -> Path:
    """Compile a library, or skip where that is not possible; in CI fail."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the fake library is found as on Linux")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        _skip("a fake library needs a C compiler; install gcc or clang")
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *options]
    soname = f"-Wl,-soname,{library.name}"
    subprocess.run([str(compiler), *flags, soname, "-o", library, source, "-pthread"], check=True)
    return library


def _compile(folder: Path, *options: str) -> Path:
    return compiled(SOURCE, folder / "libnvidia-ml.so.1", *options)


@pytest.fixture(scope="session")
def new_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake library."""
    return _compile(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake library without the functions that a driver of 2019 lacked."""
    return _compile(tmp_path_factory.mktemp("nvml-old"), "-DOLD_DRIVER")


@pytest.fixture
def gpus(new_driver: Path) -> Iterator[Machine]:
    """A machine with the fake driver, and no GPU yet."""
    with machine(new_driver) as fake:
        yield fake


@pytest.fixture
def old_gpus(old_driver: Path) -> Iterator[Machine]:
    """A machine with the old fake driver, and no GPU yet."""
    with machine(old_driver) as fake:
        yield fake
