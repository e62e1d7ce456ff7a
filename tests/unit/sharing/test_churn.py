"""Many that come, go and are killed: totals exact, nothing that grows."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.unit.sharing.workers import Member, apart, group_files, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


def passing(boss: Member, number: int) -> int:
    """Fork a member that counts and ends in one of four ways; return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        boss.totals.__init__()  # type: ignore[misc]
        boss.totals.add(1)
        if number % 4 == 0:
            boss.group.leave()
        elif number % 4 == 1:
            boss.group.store_now()
        elif number % 4 == 2:
            boss.ask()
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            boss.group.store_now()
            os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(0)


@apart
def test_three_hundred_that_come_and_go_leave_nothing(base: Path) -> None:
    """Their counts are all there; files and descriptors are as many as after the first ones."""
    boss = Member(base)
    files = open_ones = 0
    for begin in range(0, 300, 10):
        children = [passing(boss, begin + number) for number in range(10)]
        for child in children:
            os.waitpid(child, 0)
        assert boss.ask() == [begin + 10, 1, 0]
        if begin == 50:
            files, open_ones = len(group_files(base)), descriptors()
    # Up to eleven at once, each with a lock and a socket.
    assert len(group_files(base)) <= files + 6
    assert descriptors() <= open_ones + 1
    assert [name for name in group_files(base) if name.endswith(".data")] == ["0.data"]


def counting(boss: Member, shown: int) -> int:
    """Fork a member that counts without end and writes down each count before it is one."""
    pid = os.fork()
    if pid:
        return pid
    try:
        boss.totals.__init__()  # type: ignore[misc]
        while True:
            boss.totals.add(1)
            os.pwrite(shown, boss.totals.count.to_bytes(8, "big"), 0)
            time.sleep(0.0005)
    finally:
        os._exit(1)


@apart
def test_killed_at_any_moment_no_total_falls(base: Path) -> None:
    """While they store, answer, fold and join: what was shown stays, and nothing is twice there."""
    boss = Member(base)
    chance = random.Random(7)  # noqa: S311 - it is to be the same again
    told: list[int] = []
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(0.002):
            told.append(boss.ask()[0])

    scraping = threading.Thread(target=scrape)
    scraping.start()
    measured = 0
    for number in range(60):
        path = base / f"count-{number}"
        shown = os.open(path, os.O_RDWR | os.O_CREAT)
        child = counting(boss, shown)
        time.sleep(chance.random() * 0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        measured += int.from_bytes(os.pread(shown, 8, 0), "big")
        os.close(shown)
    stop.set()
    scraping.join()
    told.append(boss.ask()[0])
    assert told == sorted(told)
    # The one that a process was killed at may be counted and not written down.
    assert told[-1] <= measured + 60
    assert boss.ask()[1:] == [1, 0]


@apart
def test_many_join_and_leave_at_once(base: Path) -> None:
    """Sixty processes at the same moment, all with slots of their own; all counts are there."""
    boss = Member(base)
    read, write = os.pipe()
    children = []
    for number in range(60):
        pid = os.fork()
        if pid == 0:
            try:
                boss.totals.__init__()  # type: ignore[misc]
                boss.totals.add(number)
                until(lambda: boss.group.slot is not None)
                os.write(write, b"x")
                signal.pause()
            finally:
                os._exit(1)
        children.append(pid)
    for _ in children:
        os.read(read, 1)
    assert boss.ask() == [sum(range(60)), 61, 0]
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    assert boss.ask() == [sum(range(60)), 1, 0]
