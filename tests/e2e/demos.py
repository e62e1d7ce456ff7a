"""Simulated clusters in processes of their own, as `butterfly-otel demo` runs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import HOST, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The smallest cluster that can have every kind of fault.
SMALL = ("--compute", "4", "--layers", "4", "--models", "1", "--observers", "1")


class Demo(Server):
    """A `butterfly-otel demo` that serves its metrics; a context manager.

    Args:
        folder: An existing folder for its log.
        options: Of the command line, beside size, address and view.
    """

    name = "demo"

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        super().__init__(Path(sys.executable), folder)
        self.options = tuple(options)

    @property
    def target(self) -> str:
        """Its `host:port`, for a `Scrape`."""
        return f"{HOST}:{self.ports[0]}"

    def command(self) -> list[str]:
        """The command line."""
        main = "import sys; from butterfly_otel.cli import main; sys.exit(main())"
        serve = ["--plain", "--host", HOST, "--port", str(self.ports[0])]
        return [str(self.program), "-c", main, "demo", *SMALL, *serve, *self.options]

    def ready_url(self) -> str:
        """Its metrics."""
        return f"http://{self.target}/metrics"
