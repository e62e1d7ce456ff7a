"""What is left of groups that nobody will come back to is removed; nothing else is."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from butterfly_otel.sharing.family import Family, Process, find_family
from butterfly_otel.sharing.place import Place, find_place
from butterfly_otel.sharing.sweep import is_served_by_another, sweep
from tests.unit.sharing.workers import Member, Worker, apart, groups, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def left(
    base: Path, family: Family, *, idle: float = 0, address: tuple[str, int] | None = None
) -> Place:
    """Leave a group's directory, as its processes would have that were killed."""
    place = find_place(family, ("left",), address, base)
    made = place.open()
    # Where no other process looks for what is over, before all of it is there.
    made.path.rename(base / "made")
    made.write("meta", place.describe())
    for name in ("0.lock", "0.data", "0.sock", "group.lock", "ended", "ended.tmp"):
        made.write(name, b"x")
    for name in (".", "meta", "0.data"):
        os.utime(name, (time.time() - idle,) * 2, dir_fd=made.fd)
    made.close()
    (base / "made").rename(place.path)
    return place


@pytest.mark.parametrize(
    ("changes", "idle", "stays"),
    [
        ({}, 0, True),
        ({"root": Process(1 << 22, 5)}, 0, False),
        ({"root": Process(os.getpid(), 5)}, 0, False),
        ({"boot": "another"}, 0, True),
        ({"boot": "another"}, 100, False),
        ({"namespace": "another", "root": Process(1 << 22, 5)}, 100, True),
        ({"namespace": "another", "root": Process(1 << 22, 5)}, 4000, False),
        ({"root": None, "name": "mine"}, 100, True),
        ({"root": None, "name": "mine"}, 4000, False),
    ],
)
def test_what_is_over_goes(
    tmp_path: Path, changes: dict[str, object], idle: float, *, stays: bool
) -> None:
    """Of another boot, or of a root that has died; where that is unknown, after an hour."""
    family = replace(find_family(), **changes)  # type: ignore[arg-type]
    # The snapshot of one whose lock is there goes by the lock; see the slots.
    place = left(tmp_path, family, idle=idle)
    sweep(find_place(find_family(), ("own",), None, tmp_path))
    assert place.path.exists() == stays


def test_one_that_was_only_begun_goes_later(tmp_path: Path) -> None:
    """Somebody may be about to fill it; and one that is removed already is finished."""
    own = find_place(find_family(), ("own",), None, tmp_path)
    begun, going = own.home / "begun", own.home / "begun-12.gone"
    begun.mkdir()
    going.mkdir()
    (going / "meta").write_text("")
    (own.home / "a file").write_text("")
    sweep(own)
    assert begun.exists()
    assert not going.exists()
    os.utime(begun, (time.time() - 100,) * 2)
    sweep(own)
    assert not begun.exists()
    assert own.path.exists()


@apart
def test_the_living_stay(base: Path) -> None:
    """Whatever their directory says of them; and joining removes what is over."""
    worker = Worker(base, name="other")
    (theirs,) = groups(base)
    (theirs / "meta").write_text('{"boot": "another"}')
    os.utime(theirs / "meta", (1, 1))
    os.utime(theirs, (1, 1))
    over = left(base, replace(find_family(), root=Process(1 << 22, 5)))
    boss = Member(base)
    until(lambda: not over.path.exists())
    assert theirs.exists()
    assert worker.ask() == [0, 1, 0]
    boss.group.leave()
    worker.kill()


@apart
def test_a_port_is_served_by_who_lives(base: Path) -> None:
    """A group that says so and is dead is none; nor is one with another port."""
    own = find_place(find_family(), ("own",), ("localhost", 4), base)
    left(base, find_family(), address=("localhost", 4))
    assert not is_served_by_another(own)
    worker = Worker(base, port=0)
    assert not is_served_by_another(own)
    assert is_served_by_another(replace(own, address=("localhost", 0)))
    worker.kill()
    assert not is_served_by_another(replace(own, address=("localhost", 0)))
