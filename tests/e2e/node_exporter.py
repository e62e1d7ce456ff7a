"""A real node_exporter, secured by a web configuration file."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from .processes import HOST, Server

if TYPE_CHECKING:
    from pathlib import Path


class NodeExporter(Server):
    """A node_exporter that reads one thing alone.

    Args:
        program: The `node_exporter` executable.
        folder: An existing folder for its log.
        web_config: The web configuration file; None for none.
        collector: What it reads.
    """

    name = "node_exporter"

    def __init__(
        self, program: Path, folder: Path, web_config: Path | None, collector: str = "time"
    ) -> None:
        super().__init__(program, folder)
        self.web_config = web_config
        self.collector = collector

    @property
    def address(self) -> str:
        """Its `host:port`."""
        return f"{HOST}:{self.ports[0]}"

    def command(self) -> list[str]:
        """Give the command line."""
        collectors = ["--collector.disable-defaults", f"--collector.{self.collector}"]
        listens = f"--web.listen-address={self.address}"
        web = [] if self.web_config is None else [f"--web.config.file={self.web_config}"]
        return [str(self.program), listens, *web, *collectors]

    def _ended_or_ready(self) -> bool:
        if self._ended():
            return True
        try:
            socket.create_connection((HOST, self.ports[0]), 2.0).close()
        except OSError:
            return False
        return True
