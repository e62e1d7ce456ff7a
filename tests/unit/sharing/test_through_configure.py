"""Whole processes that share a node: hundreds that come and go, and a disk that fails meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import time
import types
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.sharing import directory
from tests.unit.sharing.workers import PATIENCE, apart, configured, groups, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
COUNTER: Final = "butterfly_consensus_leader_changes_total"
_EACH: Final = 3
_BATCH: Final = 10


class Boss:
    """The process that others are forked from: configured, and scraped at its port."""

    def __init__(self, base: Path) -> None:
        self.runtime, self.port = configured(base, "coordinator")

    def counted(self) -> int:
        """Scrape, which has to succeed, and return what all have counted."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == HTTPStatus.OK, text
        values = [line.split()[1] for line in text.splitlines() if line.startswith(COUNTER)]
        return sum(int(float(each)) for each in values)

    def fork(self, work: Any) -> int:
        """Fork a process that does something and then waits; return its number."""
        parent, pid = os.getpid(), os.fork()
        if pid:
            return pid
        try:
            work()
            while os.getppid() == parent:
                time.sleep(0.05)
        finally:
            os._exit(1)


def _passing(boss: Boss, number: int) -> int:
    def work() -> None:
        metrics.consensus_leader_changes_total.add(_EACH)
        if number % 4 == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        elif number % 4 == 1:
            assert butterfly_otel.force_flush()
            os._exit(0)
        elif number % 4 == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            assert butterfly_otel.force_flush()
            os.kill(os.getpid(), signal.SIGKILL)

    return boss.fork(work)


def _usage(base: Path) -> tuple[int, int, int, int]:
    """Return files, bytes on disk, descriptors, and kilobytes of memory."""
    (group,) = groups(base)
    sizes: list[int] = []
    for each in group.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(each.stat().st_size)
    if not Path("/proc/self/statm").exists():
        return len(sizes), sum(sizes), 0, 0
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(sizes), sum(sizes), len(list(Path("/proc/self/fd").iterdir())), pages * 4


@apart
def test_five_hundred_that_come_and_go_leave_their_totals_alone(base: Path) -> None:
    """By SIGTERM, SIGKILL, or os._exit after a flush: disk, memory and descriptors stay level."""
    boss = Boss(base)
    before = (0, 0, 0, 0)
    kept = killed = told = 0
    for begin in range(0, 500, _BATCH):
        children = [_passing(boss, begin + number) for number in range(_BATCH)]
        for number, child in enumerate(children, begin):
            _, status = os.waitpid(child, 0)
            ending = (signal.SIGTERM, 0, signal.SIGKILL, signal.SIGKILL)[number % 4]
            assert os.waitstatus_to_exitcode(status) == -ending, number
            if number % 4 == 2:
                killed += _EACH
            else:
                kept += _EACH
        counted = boss.counted()
        assert kept <= counted <= kept + killed
        assert told <= counted
        told = counted
        if begin == 100:
            before = _usage(base)
    files, size, descriptors, memory = _usage(base)
    assert files <= before[0] + 2 * _BATCH
    assert size <= before[1] + 20_000
    assert descriptors <= before[2] + 3
    assert memory <= before[3] + 20_000
    boss.runtime.shutdown()


class _Disk(types.ModuleType):
    """The module ``os``, whose files can't be written to while there is a certain one."""

    def __init__(self, flag: Path) -> None:
        super().__init__("os")
        self._flag = flag

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _check(self) -> None:
        if self._flag.exists():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open(self, path: Any, flags: int, *args: Any, **how: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._check()
        return os.open(path, flags, *args, **how)

    def replace(self, *args: Any, **how: Any) -> None:
        self._check()
        os.replace(*args, **how)  # noqa: PTH105 - with whatever it is given

    def unlink(self, *args: Any, **how: Any) -> None:
        self._check()
        os.unlink(*args, **how)

    def utime(self, *args: Any, **how: Any) -> None:
        self._check()
        os.utime(*args, **how)


@apart
def test_a_disk_that_becomes_read_only_costs_no_scrape(base: Path) -> None:
    """The living go on telling; who comes meanwhile works, and is there when it can be written."""
    flag = base / "read-only"
    directory.os = _Disk(flag)  # type: ignore[attr-defined]
    boss = Boss(base)

    def work() -> None:
        for _ in range(2):
            metrics.consensus_leader_changes_total.add(1)
            until(flag.exists)
        metrics.consensus_leader_changes_total.add(10)

    children = [boss.fork(work) for _ in range(2)]
    until(lambda: boss.counted() == 2)
    flag.touch()
    until(lambda: boss.counted() == 24)
    metrics.consensus_leader_changes_total.add(100)
    assert boss.counted() == 124
    children.append(boss.fork(lambda: metrics.consensus_leader_changes_total.add(1000)))
    for _ in range(3):
        assert boss.counted() == 124
    assert not butterfly_otel.force_flush()
    flag.unlink()
    until(lambda: boss.counted() == 1124)
    until(butterfly_otel.force_flush)
    _kill(children)
    until(lambda: boss.counted() == 1124)
    boss.runtime.shutdown()


@apart
def test_a_full_disk_costs_no_scrape_and_no_total_of_the_living(base: Path) -> None:
    """Nothing more can be written, by anybody: no answer is an error, and none lacks a count."""
    import resource  # noqa: PLC0415 - not on every system

    boss = Boss(base)
    full = base / "full"

    def work() -> None:
        metrics.consensus_leader_changes_total.add(1)
        until(full.exists)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        metrics.consensus_leader_changes_total.add(10)

    children = [boss.fork(work) for _ in range(2)]
    until(lambda: boss.counted() == 2)
    full.touch()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    until(lambda: boss.counted() == 22)
    metrics.consensus_leader_changes_total.add(100)
    children.append(boss.fork(lambda: metrics.consensus_leader_changes_total.add(1000)))
    until(lambda: boss.counted() == 1122)
    time.sleep(1.2)  # in which each would have stored what it has
    assert boss.counted() == 1122
    assert not butterfly_otel.force_flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(butterfly_otel.force_flush)
    _kill(children)
    assert boss.counted() >= 102
    boss.runtime.shutdown()


def _kill(children: list[int]) -> None:
    for each in children:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)
