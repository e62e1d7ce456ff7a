"""Families of real processes for tests: each test is a program of its own, and so its own root."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import butterfly_otel
from butterfly_otel.exporters.prometheus.serving.server import serve
from tests.unit.sharing.totals import Totals, joined, total

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from butterfly_otel import Runtime
    from butterfly_otel.exporters.prometheus.serving.server import Server
    from butterfly_otel.settings.config import NodeRole

_ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
_workers: list[Worker] = []
_START = (
    "import importlib, sys; from pathlib import Path;"
    " scenario = getattr(importlib.import_module(sys.argv[1]), sys.argv[2]).scenario;"
    " from tests.unit.sharing.workers import ended; ended(scenario, Path(sys.argv[3]))"
)


def apart(scenario: Callable[..., None]) -> Callable[..., None]:
    """Make a test of a function that is to run in a process of its own; it gets a directory."""

    def test(tmp_path: Path) -> None:
        run(scenario.__module__, scenario.__name__, tmp_path)

    test.__doc__, test.__name__ = scenario.__doc__, scenario.__name__
    test.__module__ = scenario.__module__
    test.scenario = scenario  # type: ignore[attr-defined]
    return test


def ended(scenario: Callable[[Path], None], base: Path) -> None:
    """Run a scenario, and leave no process of it behind, however it goes."""
    try:
        scenario(base)
    finally:
        for worker in _workers:
            worker.end()


def run(module: str, name: str, base: Path, *, first: str = "") -> None:
    """Run what :func:`apart` was given in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", first + _START, module, name, base],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def configured(base: Path, node_role: NodeRole) -> tuple[Runtime, int]:
    """Return a runtime of `configure()` that shares its node, and the port that it serves."""
    runtime = butterfly_otel.configure(
        node_id="node-1",
        node_role=node_role,
        exporter="prometheus",
        prometheus_host="127.0.0.1",
        prometheus_port=0,
        collectors="none",
        processes="shared",
        processes_directory=str(base),
    )
    return runtime, int((runtime.prometheus_url or "").split(":")[2].split("/")[0])


def until(what: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return found


class Member:
    """A member in this process, which serves the totals where it leads."""

    def __init__(self, base: Path, *, port: int | None = None, name: str = "") -> None:
        self.totals = Totals()
        self.server: Server | None = None
        self.port = port
        address = None if port is None else ("127.0.0.1", port)
        self.group = joined(
            base,
            self.totals,
            name=name,
            address=address,
            on_lead=self._lead,
            on_yield=self._yield,
        )
        self.group.start()

    def _lead(self, listeners: list[socket.socket] | None) -> None:
        if listeners is not None:
            self.server = serve(self, "127.0.0.1", 0, listeners=listeners)

    def _yield(self) -> None:
        if self.server is not None:
            self.server.close()

    def render(
        self,
        accept: str | None = None,  # noqa: ARG002
        names: Collection[str] | None = None,  # noqa: ARG002
        *,
        timeout: float,
    ) -> tuple[str, bytes]:
        """Be what the server asks."""
        return "text/plain", json.dumps(self.ask(min(timeout, 5))).encode()

    def ask(self, timeout: float = PATIENCE) -> list[int]:
        """Return the count and the gauge of all, and how many are late."""
        gathered = self.group.gather(time.monotonic() + timeout)
        return [*total(gathered), len(gathered.late)]

    def obey(self, command: str, number: float) -> Any:
        """Do what a worker was told."""
        done: dict[str, Callable[[], Any]] = {
            "add": lambda: self.totals.add(int(number)),
            "ask": lambda: self.ask(number),
            "store": self.group.store_now,
            "leave": self.group.leave,
            "slot": lambda: self.group.slot,
            "leading": lambda: self.group.leading,
            "listening": lambda: bool(self.group.listeners),
            "exit": lambda: os._exit(int(number)),
        }
        return done[command]()


class Worker:
    """A forked process that is a member, and does what it is told.

    Args:
        base: Where the group's directory is.
        inherited: The member of this process, where the child goes on with it.
        options: Arguments of its own :class:`Member`.
    """

    def __init__(self, base: Path, inherited: Member | None = None, **options: Any) -> None:
        ours, theirs = socket.socketpair()
        self._ended = False
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                ours.close()
                _work(theirs, base, inherited, options)
                status = 0
            finally:
                os._exit(status)
        _workers.append(self)
        theirs.close()
        ours.settimeout(PATIENCE)
        self._file = ours.makefile("rw")
        ours.close()
        assert json.loads(self._file.readline()) == "ready"

    def tell(self, command: str, number: float = 0) -> Any:
        """Have a command done, and return what came of it."""
        self._file.write(json.dumps([command, number]) + "\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def add(self, count: int) -> None:
        """Have it count."""
        self.tell("add", count)

    def ask(self, timeout: float = PATIENCE) -> list[int]:
        """Return what it tells of all."""
        return list(self.tell("ask", timeout))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal; wait for its end, where it is one that ends it."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            # All of its threads have stopped by then.
            os.waitpid(self.pid, os.WUNTRACED)
        elif number != signal.SIGCONT:
            self.wait()

    def exit(self) -> None:
        """Have it end without a last word."""
        with contextlib.suppress(ValueError):
            self.tell("exit")
        self.wait()

    def leave(self) -> None:
        """Have it leave its group, and end."""
        self.tell("leave")
        self.exit()

    def end(self) -> None:
        """Kill it, if it is still there, be it stopped."""
        if not self._ended:
            self.kill()

    def wait(self) -> None:
        """Wait for its end; once."""
        if not self._ended:
            self._ended = True
            os.waitpid(self.pid, 0)
            with contextlib.suppress(OSError):
                self._file.close()


def _work(
    theirs: socket.socket, base: Path, inherited: Member | None, options: dict[str, Any]
) -> None:
    if inherited is None:
        member = Member(base, **options)
    else:
        member = inherited
        member.totals.__init__()  # type: ignore[misc]
        member.server = None
    file = theirs.makefile("rw")
    file.write('"ready"\n')
    file.flush()
    for line in file:
        answer = member.obey(*json.loads(line))
        file.write(json.dumps(answer) + "\n")
        file.flush()


def group_files(base: Path) -> list[str]:
    """Return the files of the only group there is."""
    (home,) = base.glob("butterfly-otel-*")
    (directory,) = home.iterdir()
    return sorted(each.name for each in directory.iterdir())


def groups(base: Path) -> list[Path]:
    """Return the directories of all groups."""
    return sorted(base.glob("butterfly-otel-*/*"))


def threads() -> int:
    """Return how many threads Python knows of here."""
    return threading.active_count()


def module(name: str) -> Any:
    """Return a module, for what replaces parts of it."""
    return importlib.import_module(name)
