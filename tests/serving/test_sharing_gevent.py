"""Groups of processes under gevent, where threads are greenlets that a child has copies of."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from tests.serving.watching import total
from tests.unit.sharing.workers import Member, Worker, apart, configured, run, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OMISSIONS = "butterfly_otel_scrape_omissions_total"


def test_a_patched_process_is_a_member(tmp_path: Path, needed: Callable[[str], None]) -> None:
    """It asks, answers, forks and leaves as any other does."""
    needed("gevent")
    run(
        __name__,
        "under_gevent",
        tmp_path,
        first="from gevent import monkey; monkey.patch_all()\n",
    )


@apart
def under_gevent(base: Path) -> None:
    """Run by the test above."""
    boss = Member(base)
    boss.totals.add(1)
    workers = [Worker(base, boss) for _ in range(2)]
    for worker in workers:
        worker.add(10)
        until(lambda worker=worker: worker.tell("slot") is not None)
    assert boss.ask() == [21, 3, 0]
    assert workers[0].ask() == [21, 3, 0]
    workers[1].kill()
    assert workers[0].ask() == [21, 2, 0]
    boss.group.leave()
    until(lambda: workers[0].tell("leading"))
    assert workers[0].ask() == [21, 1, 0]
    workers[0].leave()


def test_processes_that_are_patched_later_go_on(
    tmp_path: Path, needed: Callable[[str], None]
) -> None:
    """As gunicorn's are with --preload: their threads answer, lead and serve, and leak nothing."""
    needed("gevent")
    run(
        __name__,
        "patched_later",
        tmp_path,
        first="import gevent.monkey, gevent.hub, gevent.selectors\n",
    )


@apart
def patched_later(base: Path) -> None:
    """Run by the test above."""
    runtime, port = configured(base, "compute")
    children: list[int] = []
    for turn in range(25):
        children = [_patched(turn) for _ in range(3)]
        before = total(port, OMISSIONS)
        until(lambda before=before: total(port, OMISSIONS) == before)
        if turn < 24:
            _end(children)
    runtime.shutdown()
    until(lambda: _answers(port))
    files = sum(map(_descriptors, children))
    for _ in range(50):
        total(port, OMISSIONS)
    until(lambda: sum(map(_descriptors, children)) <= files + 6)
    _end(children)


def _patched(turn: int) -> int:
    """Fork a process that is patched while its threads begin; return its number."""
    usual, parent = sys.getswitchinterval(), os.getpid()
    # How long a thread that begins waits for its first turn: until before, amid or after that.
    sys.setswitchinterval((usual, 0.001, 0.02, 0.1, 0.5)[turn % 5])
    pid = os.fork()
    if pid:
        sys.setswitchinterval(usual)
        return pid
    try:
        gevent: Any = importlib.import_module("gevent")
        importlib.import_module("gevent.monkey").patch_all()
        gevent.reinit()
        while os.getppid() == parent:
            gevent.sleep(0.01)
    finally:
        os._exit(1)


def _end(children: list[int]) -> None:
    for each in children:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)


def _answers(port: int) -> bool:
    try:
        return total(port, OMISSIONS) >= 0
    except OSError:
        return False


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - only how many
