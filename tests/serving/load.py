"""A server as a process, the load on it, and how many requests it answered until it ended."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Self

import butterfly_otel
from tests.foreground import FOREGROUND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 30.0
#: Requests that are under way at once.
_CLIENTS = 6


def our_code() -> str:
    """Return a PYTHONPATH of the process' folder and this checkout, whichever is installed."""
    return os.pathsep.join((".", str(Path(butterfly_otel.__file__).parents[1])))


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class Service:
    """A server that is asked all the time until it ends; a context manager.

    Args:
        command: Starts it; it serves on `port`, and has the folder as its own.
        folder: Where its files are.
        port: Where it listens.
        environ: Variables that it has beside this process' own.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, port: int, environ: Mapping[str, str]
    ) -> None:
        self.log = folder / "log"
        self._port = port
        self._answered: list[float] = []  # when each was, on the monotonic clock
        self._lock = threading.Lock()
        self._over = threading.Event()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": our_code(), **environ},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **FOREGROUND,
            )
        self._clients = [threading.Thread(target=self._ask) for _ in range(_CLIENTS)]
        for client in self._clients:
            client.start()

    def _ask(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
            try:
                connection.request("GET", "/", headers={"Connection": "close"})
                response = connection.getresponse()
                if response.read() == b"ok":
                    with self._lock:
                        self._answered.append(time.monotonic())
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # not there yet, or not any more
            finally:
                connection.close()

    def wait_for(self, answers: int) -> None:
        """Wait until so many requests were answered."""
        deadline = time.monotonic() + SECONDS
        while len(self._answered) < answers:
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    @property
    def answered(self) -> int:
        """How many requests it has answered in all."""
        return len(self._answered)

    def answered_between(self, begin: float, end: float) -> int:
        """Return how many requests it has answered between two times of the monotonic clock."""
        with self._lock:
            return sum(begin <= each <= end for each in self._answered)

    def rest(self) -> int:
        """Ask it no more; return how many requests it has answered in all."""
        self._over.set()
        for client in self._clients:
            client.join(SECONDS)
        return self.answered

    def stop(self) -> int:
        """End it by SIGTERM under load; return how many requests it has answered in all."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)
        return self.rest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)
