"""Real servers of others, which the group `test` installs: without one, its tests are skipped.

Where `CI` is true or `BUTTERFLY_OTEL_REQUIRE_SERVERS` is 1, they fail instead.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.serving.receiver import Receiver


@pytest.fixture
def needed() -> Callable[[str], None]:
    """Return what skips a test, or fails it in CI, where a package is not installed."""
    ci = os.environ.get("CI", "").lower() in {"1", "true"}
    required = ci or os.environ.get("BUTTERFLY_OTEL_REQUIRE_SERVERS") == "1"

    def need(*packages: str) -> None:
        if sys.platform == "win32":
            pytest.skip("its workers are forked")
        for package in packages:
            if importlib.util.find_spec(package) is None:
                problem = f"{package} is not installed; pip install --group test"
                if required:
                    pytest.fail(problem, pytrace=False)
                pytest.skip(problem)

    return need


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a receiver of OTLP on loopback."""
    with Receiver() as each:
        yield each
