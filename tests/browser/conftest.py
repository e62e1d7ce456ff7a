"""Fixtures: a real Chromium, a page in it that may reach nothing but the node it shows, and nodes.

Without the browser the tests skip, and say what to install; where `CI` is true, or
`BUTTERFLY_OTEL_REQUIRE_SERVERS` is 1, they fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from butterfly_otel.runtime.lifecycle import Runtime

    from .watched import Watched

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "browser.py"
_ADVICE = "run `make browser` and `pip install playwright`"


def _missing(what: str) -> None:
    wanted = os.environ.get("BUTTERFLY_OTEL_REQUIRE_SERVERS") == "1"
    problem = f"{what} is not here; {_ADVICE}"
    if wanted or os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(problem, pytrace=False)
    pytest.skip(problem)


def _path(program: str) -> Path:
    command = [sys.executable, str(_SCRIPT), "path", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        _missing(program)
    return Path(answer.stdout.strip())


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return _path("axe").read_text("utf-8")


# Of a module: while Playwright runs, asyncio has a loop in this thread, which other tests mind.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may not be there
    except ImportError:
        _missing("playwright")
    chromium = _path("chromium")
    with sync_playwright() as playwright:
        # The sandbox needs rights that a container rarely gives; what is shown is ours.
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens an address in a fresh context and watches what it does."""
    from .watched import Watched  # noqa: PLC0415 - it needs Playwright

    with ExitStack() as stack:

        def opened(url: str, **settings: Any) -> Watched:
            return stack.enter_context(Watched(browser, url, **settings))

        yield opened


@pytest.fixture
def node() -> Callable[..., Runtime]:
    """Return a function that configures a node, which serves its page on a free port."""

    def configured(**settings: Any) -> Runtime:
        defaults: dict[str, Any] = {
            "node_id": "coordinator-1",
            "node_role": "coordinator",
            "service_version": "2.7",
            "prometheus_port": 0,
            "registry": CollectorRegistry(),
            "handle_signals": False,
        }
        return butterfly_otel.configure(**{**defaults, **settings})

    return configured
