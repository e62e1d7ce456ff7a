"""The real servers that the end-to-end tests talk to, and where their programs are.

`scripts/servers.py` builds the programs. `Prometheus`, `Alertmanager` and `Collector` are
context managers that start one on free ports of loopback and stop it again; their configuration
is written as JSON, which is YAML.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .alertmanager import Alertmanager, Receiver
from .collector import Collector
from .processes import HOST, Server, ServerError, fetch, free_port, running, wait_until
from .prometheus import EXACT_NAMES, OPENMETRICS, PROTOBUF, TEXT, Prometheus, Sample, Scrape

__all__ = [
    "EXACT_NAMES",
    "HOST",
    "OPENMETRICS",
    "PROTOBUF",
    "TEXT",
    "Alertmanager",
    "Collector",
    "Prometheus",
    "Receiver",
    "Sample",
    "Scrape",
    "Server",
    "ServerError",
    "fetch",
    "find_program",
    "free_port",
    "running",
    "wait_until",
]

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "servers.py"


def find_program(name: str) -> Path | None:
    """Where `scripts/servers.py` built the program `name`, or None where it did not.

    Raises:
        ServerError: The script knows no such program.
    """
    command = [sys.executable, str(SCRIPT), "path", name]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode > 1:
        raise ServerError(answer.stderr)
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None
