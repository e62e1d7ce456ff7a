"""What the dead leave behind is added once, wherever a process is killed meanwhile."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.sharing.directory import Directory
from butterfly_otel.sharing.folding import fold_dead, read_ended
from butterfly_otel.sharing.records import CorruptError, Ended, Record
from tests.unit.sharing.totals import Totals
from tests.unit.sharing.workers import Member, Worker, apart, group_files, groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    """Return a directory in which two members have died."""
    made = Directory(tmp_path)
    for slot, count in ((0, b"[1, 1]"), (1, b"[10, 1]")):
        made.write(f"{slot}.data", Record(1, count).packed())
        made.write(f"{slot}.lock", b"1 1\n")
    yield made
    made.close()


@apart
def test_killed_between_writing_and_removing_nothing_counts_twice(base: Path) -> None:
    """Whether it was folding another one, or itself while it left."""
    boss = Member(base)
    boss.totals.add(1)
    for number in range(2):
        worker = Worker(base, boss)
        worker.add(10)
        assert boss.ask() == [11 + number * 10, 2, 0]
        if number:
            worker.kill()
        folding = os.fork()
        if folding == 0:
            # Nothing is removed by it from here on: it is killed instead.
            Directory.remove = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
            boss.totals.__init__()  # type: ignore[misc]
            boss.ask()
            boss.group.leave()
            os._exit(1)
        assert os.waitpid(folding, 0)[1] == signal.SIGKILL
        if not number:
            worker.kill()
        assert boss.ask() == [11 + number * 10, 1, 0]
        assert boss.ask() == [11 + number * 10, 1, 0]
    assert [name for name in group_files(base) if name.endswith(".data")] == ["0.data"]


def test_a_second_fold_adds_nothing(directory: Directory) -> None:
    """Also where the files of the first are still there, as after a kill."""
    kept = {name: directory.read(name) for name in directory.names()}
    assert fold_dead(directory, Totals(), None).body == b"[11, 0]"
    assert directory.names().count("0.data") == 0
    for name, content in kept.items():
        directory.write(name, content or b"")
    assert fold_dead(directory, Totals(), None).body == b"[11, 0]"
    # The next one in the same slot is another one.
    directory.write("0.data", Record(2, b"[100, 1]").packed())
    assert fold_dead(directory, Totals(), None).body == b"[111, 0]"
    assert dict(read_ended(directory).folded) == {0: 2, 1: 1}


@pytest.mark.parametrize("damage", [b"", b"bfly", b"x" * 100, None])
def test_what_is_damaged_costs_itself_alone(
    directory: Directory, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told and removed; the others are added."""
    packed = Record(1, b"[5, 1]").packed()
    directory.write("0.data", packed[:-1] + b"}" if damage is None else damage)
    caplog.set_level(logging.WARNING)
    assert fold_dead(directory, Totals(), None).body == b"[10, 0]"
    assert not directory.has("0.data")


def test_what_can_not_be_written_stays(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it can: nothing is lost."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "write", full)
        assert fold_dead(directory, Totals(), None).body is None
        assert directory.has("0.data")
    assert fold_dead(directory, Totals(), None).body == b"[11, 0]"


def test_what_can_not_be_read_now_is_not_overwritten(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without a free descriptor: an empty start would lose all that was there."""
    fold_dead(directory, Totals(), None)
    directory.write("0.data", Record(2, b"[100, 1]").packed())

    def out(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "read", out)
        with pytest.raises(OSError, match="Too many"):
            fold_dead(directory, Totals(), None)
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "open", out)
        with pytest.raises(OSError, match="Too many"):
            fold_dead(directory, Totals(), None)
    assert fold_dead(directory, Totals(), None).body == b"[111, 0]"


class _Picky(Totals):
    """Can't add 10."""

    def fold(self, ended: bytes | None, dead: Sequence[bytes]) -> bytes:
        if b"[10, 1]" in dead:
            raise ValueError("not that one")
        return super().fold(ended, dead)


def test_one_that_can_not_be_added_costs_itself_alone(directory: Directory) -> None:
    """Else its slot would never be free again, nor anything added."""
    assert fold_dead(directory, _Picky(), None).body == b"[1, 0]"
    assert not {"0.data", "1.data"} & set(directory.names())


def test_records_survive_the_way_and_nothing_else_does() -> None:
    """A cut or a changed byte is noticed."""
    record = Record(7, b"body")
    assert Record.unpacked(record.packed()) == record
    for ended in (Ended(), Ended(3, {0: 4, 12: 1}, b"body"), Ended(1, {}, b"")):
        assert Ended.unpacked(ended.packed()) == ended
    packed = Ended(3, {0: 4}, b"body").packed()
    for wrong in (packed[:-1], packed + b"x", b"", packed.replace(b"[[0, 4]]", b"[[0, 5]]")):
        with pytest.raises(CorruptError):
            Ended.unpacked(wrong)


@apart
def test_a_cleaner_that_takes_the_lock_does_not_bury_the_living(base: Path) -> None:
    """One that removes old files may remove the lock and leave the snapshot."""
    boss = Member(base)
    worker = Worker(base, boss)
    worker.add(10)
    assert boss.ask() == [10, 2, 0]
    worker.kill(signal.SIGSTOP)
    (groups(base)[0] / "1.lock").unlink()
    assert boss.ask(0.2) == [10, 2, 1]
    worker.kill(signal.SIGCONT)
    worker.add(5)
    assert worker.ask() == [15, 2, 0]
    assert boss.ask() == [15, 2, 0]
