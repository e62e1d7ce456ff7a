"""Groups of processes under gevent, where threads are greenlets that a child has copies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.sharing.workers import Member, Worker, apart, run, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
