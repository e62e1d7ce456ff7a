"""Whoever is asked tells the totals of all, however the others end."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.sharing import asking, membership
from tests.unit.sharing.workers import (
    PATIENCE,
    Member,
    Worker,
    apart,
    group_files,
    groups,
    run,
    until,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@apart
def test_any_member_tells_the_totals_of_all(base: Path) -> None:
    """Members that joined by themselves, whether this process is one or not."""
    workers = [Worker(base) for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.add(10**number)
        # At once: a scrape that begins after a measurement has it.
        assert workers[0].ask()[0] == workers[-1].ask()[0] == sum(10**n for n in range(number + 1))
    assert [worker.tell("slot") for worker in workers] == [0, 1, 2, 3]
    assert workers[2].ask() == [1111, 4, 0]


@apart
def test_members_are_known_by_their_processes(base: Path) -> None:
    """Who was asked last: its number, whether it leads, and whether it was late."""
    boss = Member(base)
    assert boss.group.roster() == ()
    workers = [Worker(base, boss) for _ in range(2)]
    boss.ask()
    pids = [os.getpid(), *(worker.pid for worker in workers)]
    found = sorted(boss.group.roster())
    assert [each.slot for each in found] == [0, 1, 2]
    assert {each.pid for each in found} == set(pids)
    assert [each.leads for each in found] == [True, False, False]
    assert not any(each.late for each in found)
    # Looking at the others' files has cost nobody its place.
    assert boss.ask()[1:] == [3, 0]
    workers[0].kill(signal.SIGSTOP)
    boss.ask(0.5)
    assert [each.pid for each in boss.group.roster() if each.late] == [workers[0].pid]
    workers[0].kill(signal.SIGCONT)


@apart
def test_a_forked_child_joins_by_itself(base: Path) -> None:
    """It has the group in memory, and is a member of its own, its own children too."""
    boss = Member(base)
    boss.totals.add(5)
    workers = [Worker(base, boss) for _ in range(3)]
    for worker in workers:
        worker.add(100)
    assert boss.ask() == [305, 4, 0]
    assert workers[1].ask() == [305, 4, 0]
    assert boss.group.slot == 0
    assert sorted(worker.tell("slot") for worker in workers) == [1, 2, 3]
    # The parent's locks are still its own.
    assert boss.group.leading
    assert not any(worker.tell("leading") for worker in workers)


@apart
def test_a_member_that_is_leaving_is_told_of_as_it_is(base: Path) -> None:
    """Also when it answers no more and is not among those that have ended yet."""
    boss = Member(base)
    silent, tell_silent = os.pipe()
    asked, tell_asked = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tell_asked)  # so that it ends with its parent, should that fail
        close = membership.Doorbell.close

        def closing(self: Any, timeout: float) -> None:
            close(self, timeout)
            os.write(tell_silent, b"x")
            os.read(asked, 1)

        membership.Doorbell.close = closing  # type: ignore[method-assign]
        boss.totals.add(3)
        boss.group.leave()
        os._exit(0)
    os.read(silent, 1)
    assert boss.ask()[0] == 3
    os.write(tell_asked, b"x")
    os.waitpid(child, 0)
    assert boss.ask() == [3, 1, 0]


def _spawned(base: Path, connection: Any) -> None:
    member = Member(base)
    member.totals.add(7)
    connection.send("ready")
    connection.recv()
    member.group.leave()


def _spawning(base: Path, connection: Any) -> None:
    """Be a child that has a child, and is no member itself."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_spawned, args=(base, theirs))
    child.start()
    connection.send(ours.recv())
    ours.send(connection.recv())
    child.join()


def test_children_of_multiprocessing_are_of_the_family(tmp_path: Path) -> None:
    """Forked, spawned, from a fork server, and the spawned child of a spawned child."""
    run(__name__, "by_multiprocessing", tmp_path)


@apart
def by_multiprocessing(base: Path) -> None:
    """Run by the test above."""
    children = []
    for method, target in [
        ("fork", _spawned),
        ("spawn", _spawned),
        ("forkserver", _spawned),
        ("spawn", _spawning),
    ]:
        context: Any = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        child = context.Process(target=target, args=(base, theirs))
        child.start()
        assert ours.poll(PATIENCE)
        ours.recv()
        children.append((child, ours))
    # Not before: the forked one would be a member at once, and could not join by itself.
    boss = Member(base)
    assert boss.ask() == [28, 5, 0]
    for child, connection in children:
        connection.send("end")
        child.join(PATIENCE)
    assert boss.ask() == [28, 1, 0]


@apart
def test_a_program_that_was_started_is_another_family(base: Path) -> None:
    """By exec, though by the same parent, with the same settings, in the same directory."""
    boss = Member(base)
    boss.totals.add(3)
    program = (
        "from pathlib import Path; from tests.unit.sharing.workers import Member; import sys;"
        "member = Member(Path(sys.argv[1])); member.totals.add(4); print(member.ask())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, base], capture_output=True, check=True, timeout=PATIENCE
    ).stdout
    assert json.loads(told) == [4, 1, 0]
    assert boss.ask() == [3, 1, 0]


@apart
def test_what_has_ended_keeps_its_count_and_loses_its_gauge(base: Path) -> None:
    """However it ended: by leaving, at once after its measurements were stored, or killed."""
    workers = [Worker(base) for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.add(10**number)
    workers[1].leave()
    assert workers[0].ask() == [1111, 3, 0]
    assert workers[2].tell("store")
    workers[2].exit()
    assert workers[0].ask() == [1111, 2, 0]
    # What a scrape has shown survives.
    workers[3].kill()
    assert workers[0].ask() == [1111, 1, 0]
    assert [name for name in group_files(base) if name.endswith(".data")] == ["0.data"]
    # Slots are used again, and who has one now is not taken for who had it.
    again = Worker(base)
    assert again.tell("slot") == 1
    again.add(50_000)
    assert workers[0].ask() == again.ask() == [51111, 2, 0]


@apart
def test_a_killed_process_loses_what_is_not_stored_yet(base: Path) -> None:
    """What nobody has asked for is stored within a second; so that much survives."""
    asking, worker = Worker(base), Worker(base)
    worker.add(8)
    until(lambda: "1.data" in group_files(base))
    before = time.monotonic()
    until(lambda: b"[8," in (groups(base)[0] / "1.data").read_bytes())
    assert time.monotonic() - before < PATIENCE
    worker.kill()
    assert asking.ask() == [8, 1, 0]


@apart
def test_a_stopped_process_is_late_and_not_dead(base: Path) -> None:
    """What it stored last is told instead, and it is counted; afterwards it goes on."""
    asking, worker = Worker(base), Worker(base)
    worker.add(8)
    assert asking.ask() == [8, 2, 0]
    worker.kill(signal.SIGSTOP)
    try:
        asking.add(1)
        assert asking.ask(0.3) == [9, 2, 1]
        assert asking.ask(0.3) == [9, 2, 1]
    finally:
        worker.kill(signal.SIGCONT)
    worker.add(100)
    assert asking.ask() == [109, 2, 0]


@apart
def test_a_stopped_process_that_has_the_lock_holds_up_nobody(base: Path) -> None:
    """It was stopped inside the group's lock: others scrape, join and leave all the same."""
    boss = Member(base)
    workers = [Worker(base, boss) for _ in range(2)]
    for worker in workers:
        worker.add(10)
    assert boss.ask() == [20, 3, 0]
    stopped = os.fork()
    if stopped == 0:
        life = boss.group._life
        assert life is not None
        with life.membership._lock.held(time.monotonic() + PATIENCE) as held:
            assert held
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(stopped, os.WUNTRACED)
    try:
        workers[1].kill()
        assert boss.ask(1)[0] == 20
        workers[0].leave()
        told = boss.ask(1)
        assert told[0] == 20, (told, group_files(base))
    finally:
        os.kill(stopped, signal.SIGKILL)
        os.waitpid(stopped, 0)
    assert boss.ask() == [20, 1, 0]
    assert [name for name in group_files(base) if name.endswith(".data")] == ["0.data"]


@apart
def test_the_last_of_a_family_removes_the_directory(base: Path) -> None:
    """Not before: between two workers, the totals wait there for the next one."""
    first = Worker(base)
    first.add(2)
    first.leave()
    second = Worker(base)
    assert second.ask() == [2, 1, 0]
    second.leave()
    boss = Member(base)
    assert boss.ask() == [2, 1, 0]
    boss.group.leave()
    assert groups(base) == []
    boss.group.leave()


@apart
def test_scrapes_at_the_same_time_agree(base: Path) -> None:
    """Many threads of many members ask at once, while others come and go."""
    workers = [Worker(base) for _ in range(3)]
    for worker in workers:
        worker.add(100)
    boss = Member(base)
    told: list[list[int]] = []
    stop = threading.Event()

    def scrape() -> None:
        while not stop.is_set():
            told.append(boss.ask())

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        passing = Worker(base, boss)
        passing.kill() if _ % 2 else passing.leave()
    stop.set()
    for thread in threads:
        thread.join()
    assert {count for count, _, _ in told} == {300}


@apart
def test_who_answers_and_ends_in_the_same_scrape_counts_once(base: Path) -> None:
    """And so does who takes its slot meanwhile: the totals of the ended are read last."""
    workers = [Worker(base) for _ in range(2)]
    workers[1].add(10)
    boss = Member(base)
    boss.totals.add(1)

    def ask(*arguments: Any) -> Any:
        answers = asking.ask(*arguments)
        workers[1].leave()
        workers[1] = Worker(base, boss)
        workers[1].add(500)
        return answers

    membership.ask = ask  # type: ignore[assignment]
    assert boss.ask()[0] == 11
    membership.ask = asking.ask
    assert boss.ask() == [511, 3, 0]


@apart
def test_files_that_are_removed_are_made_again(base: Path) -> None:
    """By a cleaner of temporary files, say: nothing fails, and no total of the ended is lost."""
    boss = Member(base)
    worker, ended = Worker(base, boss), Worker(base, boss)
    ended.add(1000)
    worker.add(10)
    boss.totals.add(1)
    ended.leave()
    assert boss.ask() == [1011, 2, 0]
    for each in tuple(groups(base)[0].iterdir()):
        each.unlink()
    assert boss.ask() == [1011, 2, 0]
    for each in tuple(groups(base)[0].iterdir()):
        each.unlink()
    groups(base)[0].rmdir()
    assert boss.ask() == [1011, 2, 0]
    until(lambda: worker.ask() == [1011, 2, 0])


@apart
def test_a_name_takes_the_place_of_the_root(base: Path) -> None:
    """Who has the same is of the group, wherever he comes from."""
    boss = Member(base, name="mine")
    boss.totals.add(3)
    program = (
        "from pathlib import Path; from tests.unit.sharing.workers import Member; import sys;"
        "member = Member(Path(sys.argv[1]), name='mine'); member.totals.add(4);"
        "print(member.ask()); member.group.leave()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, base], capture_output=True, check=True, timeout=PATIENCE
    ).stdout
    assert json.loads(told) == [7, 2, 0]
    assert boss.ask() == [7, 1, 0]
