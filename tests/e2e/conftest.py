"""Fixtures: the programs of the real servers, and their logs where a test fails.

A program that is not built skips the test. Where `CI` is true, or
`BUTTERFLY_OTEL_REQUIRE_SERVERS` is 1, it fails it; Prometheus 2 and node_exporter, which are
Debian's, only where there is apt.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from .servers import find_program, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def _required() -> bool:
    wanted = os.environ.get("BUTTERFLY_OTEL_REQUIRE_SERVERS") == "1"
    return wanted or os.environ.get("CI", "").lower() in {"1", "true"}


def _program(name: str, *, optional: bool = False) -> Path:
    path = find_program(name)
    if path is None:
        problem = f"{name} is not built here; run `make servers`"
        if _required() and not optional:
            pytest.fail(problem, pytrace=False)
        pytest.skip(problem)
    return path


@pytest.fixture(scope="session")
def prometheus3() -> Path:
    """The `prometheus` executable, version 3."""
    return _program("prometheus3")


@pytest.fixture(scope="session")
def promtool3() -> Path:
    """The `promtool` executable, version 3."""
    return _program("promtool3")


@pytest.fixture(scope="session")
def prometheus2() -> Path:
    """The `prometheus` executable, version 2; optional where there is no apt."""
    return _program("prometheus2", optional=shutil.which("apt-get") is None)


@pytest.fixture(scope="session")
def promtool2() -> Path:
    """The `promtool` executable, version 2; optional where there is no apt."""
    return _program("promtool2", optional=shutil.which("apt-get") is None)


@pytest.fixture(scope="session")
def node_exporter() -> Path:
    """node_exporter's executable; optional where there is no apt."""
    return _program("node_exporter", optional=shutil.which("apt-get") is None)


@pytest.fixture(scope="session")
def alertmanager() -> Path:
    """The `alertmanager` executable."""
    return _program("alertmanager")


@pytest.fixture(scope="session")
def amtool() -> Path:
    """The `amtool` executable, of the same version."""
    return _program("amtool")


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The OpenTelemetry Collector's executable."""
    return _program("otelcol")


@pytest.fixture(scope="session")
def helm() -> Path:
    """Helm's executable."""
    return _program("helm")


@pytest.fixture(scope="session")
def kubetypes() -> Path:
    """What decodes manifests strictly into Kubernetes' Go types."""
    return _program("kubetypes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the servers that still run to the report of a failed test."""
    report = yield
    if report.failed:
        for server in running():
            report.sections.append((f"{server.name} in {server.folder}", server.log_tail()))
    return report
