"""An example as a process: started, scraped over HTTP, checked, and ended by SIGTERM."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.cli import main as butterfly_otel_command
from tests.e2e.processes import ServerError, fetch, wait_until
from tests.foreground import FOREGROUND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60.0


def series_of(exposition: str) -> dict[str, float]:
    """Return the value of each series by its name and labels as they are written."""
    lines = (line for line in exposition.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


class Program:
    """A running example; a context manager that ends it, and sees that it ends well.

    Args:
        example: Its path below `examples/`.
        environ: Variables it has beside this process' own.
        warnings: What becomes of Python's warnings: `error`, or `default`, where others' code
            has some.
    """

    def __init__(
        self, example: str, environ: Mapping[str, str] | None = None, *, warnings: str = "error"
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", warnings, EXAMPLES / example],
            env={
                **os.environ,
                "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
                # Else a line and its end are written apart, and children's lines may meet.
                "PYTHONUNBUFFERED": "",
                **(environ or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its children can be ended with it
            **FOREGROUND,
        )
        #: All it has printed, once it has ended.
        self.output = ""

    def line(self) -> str:
        """Return the next line it prints."""
        assert self.process.stdout is not None
        text: str = self.process.stdout.readline()
        self.output += text
        return text

    def url(self) -> str:
        """Return where it says its metrics are."""
        [found] = re.findall(r"http://\S+/metrics", self.line())
        return str(found)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see that it does so without a complaint."""
        self.process.send_signal(by)
        rest, complaints = self.process.communicate(timeout=SECONDS)
        self.output += rest
        assert complaints == "", complaints
        assert self.process.returncode == 0, self.output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.stop()
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its children at once; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def scraped(url: str, expected: Mapping[str, float], *check: str) -> dict[str, float]:
    """Return all series once those expected have their values, and the contract is kept.

    Args:
        url: What to scrape.
        expected: Values by series.
        check: Options of `butterfly-otel check`.
    """
    found: dict[str, float] = {}

    def there() -> bool:
        found.clear()
        found.update(series_of(fetch(url)))
        return expected.items() <= found.items()

    try:
        wait_until(there, SECONDS, "what is expected")
    except ServerError:
        assert {name: found.get(name) for name in expected} == dict(expected)
        raise
    assert butterfly_otel_command(["check", "--strict", *check, url]) == 0
    return found
