"""Start a server on loopback, wait until it is ready, keep its log, and stop it for certain."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
START_TRIES = 3
LOG_LINES = 60

T = TypeVar("T")

# No proxy of the environment may come between a test and a server on loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_RUNNING: list[Server] = []


class ServerError(Exception):
    """A server did not start, did not answer, or did not come to hold what was awaited."""


def free_port() -> int:
    """A TCP port of loopback that nothing listens on now; another process may still take it."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def running() -> tuple[Server, ...]:
    """The servers that run now, in the order of their start; for a failed test's report."""
    return tuple(_RUNNING)


def fetch(url: str, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> str:
    """The body that a GET of `url` answers.

    Raises:
        ServerError: No connection, no answer in time, or an HTTP status of 400 and above.
    """
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            body: bytes = answer.read()
            return body.decode()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        raise ServerError(f"{url} answered {error.code}: {text.strip()}") from error
    except OSError as error:
        raise ServerError(f"{url} did not answer: {error}") from error


def fetch_json(url: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
    """The JSON that a GET of `url` answers; raises `ServerError` as `fetch` does."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    return json.loads(fetch(url + query))


def wait_until(probe: Callable[[], T], timeout: float, what: str) -> T:
    """Call `probe` until what it returns is true, and return that.

    Raises:
        ServerError: It was not true within `timeout` seconds, or it kept raising one itself.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem: object = ""
        try:
            found = probe()
            if found:
                return found
        except ServerError as error:
            problem = error
        if time.monotonic() > deadline:
            raise ServerError(f"{what} did not come about within {timeout:g} s {problem}".strip())
        time.sleep(0.05)


class Server:
    """One server process on loopback; a context manager.

    It keeps its ports for its whole life, so that `stop()` and `start()` are an outage and a
    return. A subclass says which ports it needs, which command starts it, and which URL
    answers once it is ready.

    Args:
        program: The executable.
        folder: An existing folder; the server's files go into a new one below it.
    """

    name = "server"
    ports_needed = 1

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=folder))
        self.log_path = self.folder / "server.log"
        self.ports = self._free_ports()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Write the configuration for `self.ports` and give the command line."""
        raise NotImplementedError

    def ready_url(self) -> str:
        """The URL that answers 200 once the server takes work."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Variables that the server gets beside those of this process."""
        return {}

    def __enter__(self) -> Self:
        """Start the server, on other ports where another process took one meanwhile."""
        for _ in range(START_TRIES - 1):
            if self._started():
                return self
            self.ports = self._free_ports()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server; where the block failed, its log goes to standard error."""
        if error is not None:
            sys.stderr.write(f"{self.name} in {self.folder}:\n{self.log_tail()}\n")
        self.stop()

    def start(self) -> None:
        """Start the server and return when it is ready.

        Raises:
            ServerError: It ended, or was not ready in time; the message has its log's end.
        """
        if self._process is not None:
            raise ServerError(f"{self.name} already runs")
        command = self.command()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        _RUNNING.append(self)
        try:
            self._await_ready()
        except ServerError as error:
            self.stop()
            raise ServerError(f"{error}\n{self.log_tail()}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask the server to end, and kill it when it does not; harmless when it is stopped."""
        self._end(ask=True)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._end(ask=False)

    def log_tail(self, lines: int = LOG_LINES) -> str:
        """The last lines the server wrote, over all its starts."""
        with contextlib.suppress(FileNotFoundError), self.log_path.open(errors="replace") as log:
            return "".join(deque(log, lines)).rstrip()
        return ""

    def _end(self, *, ask: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _RUNNING.remove(self)
        with process:
            if ask:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            process.kill()

    def _started(self) -> bool:
        try:
            self.start()
        except ServerError as error:
            if "address already in use" in str(error):
                return False
            raise
        return True

    def _await_ready(self) -> None:
        wait_until(self._ended_or_ready, START_SECONDS, f"readiness of {self.name}")
        if self._ended():
            raise ServerError(f"{self.name} ended before it was ready")

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _ended_or_ready(self) -> bool:
        return self._ended() or bool(fetch(self.ready_url(), timeout=2.0))

    def _free_ports(self) -> list[int]:
        ports: list[int] = []
        while len(ports) < self.ports_needed:
            port = free_port()
            if port not in ports:
                ports.append(port)
        return ports
