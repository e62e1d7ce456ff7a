"""Files whose contents are on the disk once they are closed."""

from __future__ import annotations

import errno
import gc
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from butterfly_otel import disk
from butterfly_otel.disk import files
from butterfly_otel.process import timing

ERRORS = "butterfly_disk_io_errors_total"
SECONDS = "butterfly_disk_write_duration_seconds"
FULL = Path("/dev/full")

Start = Callable[..., Any]


class Syncs:
    """What was synced, before and while which the disk may break."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.error: OSError | None = None
        self.during: Callable[[], None] = lambda: None

    def __call__(self, descriptor: int) -> None:
        self.seen.append("directory" if S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        self.during()
        if self.error is not None:
            raise self.error


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    """Return what stands in for fsync."""
    syncs = Syncs()
    monkeypatch.setattr(os, "fsync", syncs)
    return syncs


def errors(measured: Any) -> dict[str, float]:
    """Return what was counted, by operation."""
    return {dict(key)["operation"]: value for key, value in measured.values(ERRORS).items()}


def counts(measured: Any) -> dict[str, int]:
    """Return the number of durations, by operation."""
    return {point.attributes["operation"]: point.count for point in measured.points(SECONDS)}


def test_a_new_file_is_synced_with_its_directory(
    start: Start, tmp_path: Path, syncs: Syncs
) -> None:
    """The entry of a new file has to be on the disk as well; an old one is there already."""
    measured = start()
    path = tmp_path / "state"
    with disk.open_durable(path, "wb", operation="checkpoint_write") as file:
        assert isinstance(file, io.BufferedWriter)
        pickle.dump({"step": 1}, file)
        syncs.during = lambda: syncs.seen.append(str(path.stat().st_size > 0))
        assert syncs.seen == []
    assert syncs.seen == ["file", "True", "directory", "True"]
    assert pickle.loads(path.read_bytes()) == {"step": 1}  # noqa: S301 - our own
    syncs.seen.clear()
    with disk.open_durable(path, "ab", operation="log_append") as file:
        file.write(b"more")
    assert syncs.seen == ["file", "True"]
    assert counts(measured) == {"checkpoint_write": 1, "log_append": 1}
    assert errors(measured) == {}


def test_only_the_files_own_work_is_timed(
    start: Start, tmp_path: Path, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program does between its writes is not the disk's; syncing is."""
    measured = start()
    now = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])

    def pass_time() -> None:
        now[0] += 2

    syncs.during = pass_time
    path = tmp_path / "state"
    path.touch()
    with disk.open_durable(path, "wb", operation="checkpoint_write") as file:
        now[0] += 100
        file.write(b"x" * 10**6)
        now[0] += 100
    [point] = measured.points(SECONDS)
    assert point.sum == 2


def test_text_files(start: Start, tmp_path: Path) -> None:
    """Text modes take what open() takes, and write what open() writes."""
    measured = start()
    path = tmp_path / "log"
    with disk.open_durable(
        path, "x", operation="log_append", encoding="utf-16", newline="\r\n"
    ) as file:
        file.write("grüße\n")
    assert path.read_bytes() == "grüße\r\n".encode("utf-16")
    assert counts(measured) == {"log_append": 1}
    with pytest.raises(FileExistsError):
        disk.open_durable(path, "x", operation="log_append")
    assert errors(measured) == {}


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_block_that_raises_is_not_recorded(
    start: Start, tmp_path: Path, syncs: Syncs, mode: Any
) -> None:
    """The file is closed with what it has, neither synced nor timed: it is not whole."""
    measured = start()
    path = tmp_path / "state"
    with (
        pytest.raises(KeyError),
        disk.open_durable(path, mode, operation="checkpoint_write") as file,
    ):
        file.write("x" if mode == "w" else b"x")
        raise KeyError
    assert file.closed
    assert path.read_bytes() == b"x"
    assert syncs.seen == []
    assert counts(measured) == {}


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(("mode", "size"), [("wb", 1), ("wb", 10**6), ("w", 1), ("w", 10**6)])
def test_a_real_full_disk(start: Start, mode: Any, size: int) -> None:
    """However late the kernel says "no space left", it is counted once and nothing is timed."""
    measured = start()
    with (
        pytest.raises(OSError, match="No space left") as caught,
        disk.open_durable(FULL, mode, operation="checkpoint_write") as file,
    ):
        file.write("x" * size if mode == "w" else b"x" * size)
        file.flush()
    assert caught.value.errno == errno.ENOSPC
    assert file.closed
    # Once, although the buffer keeps what it could not write and tries again at the end.
    assert errors(measured) == {"write": 1}
    assert counts(measured) == {}


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_at_the_end(start: Start) -> None:
    """What fails only when the buffer is emptied by close() is counted once and raised."""
    measured = start()
    file = disk.open_durable(FULL, "wb", operation="log_append")
    file.write(b"x")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed
    assert errors(measured) == {"write": 1}
    assert counts(measured) == {}
    file.close()
    assert errors(measured) == {"write": 1}


def test_a_disk_that_has_space_again(
    start: Start, tmp_path: Path, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that succeeds after all is durable and timed; each failure between is one error."""
    measured = start()
    full = [True]
    real = io.FileIO.write

    class Volume(io.FileIO):
        """A file on a disk that is full at times."""

        def write(self, data: Any, /) -> int:
            if full[0]:
                raise OSError(errno.ENOSPC, "full")
            return real(self, data)

    class DurableRaw(files._DurableRaw, Volume):
        """Ours, on that disk."""

    monkeypatch.setattr(files, "_DurableRaw", DurableRaw)
    file = disk.open_durable(tmp_path / "log", operation="log_append")
    for _ in range(2):
        full[0] = True
        file.write(b"x")
        for _ in range(3):
            with pytest.raises(OSError, match="full"):
                file.flush()
        full[0] = False
        file.flush()
    file.close()
    assert (tmp_path / "log").read_bytes() == b"xx"
    assert syncs.seen == ["file", "directory"]
    assert errors(measured) == {"write": 2}
    assert counts(measured) == {"log_append": 1}


def test_a_sync_that_fails(start: Start, tmp_path: Path, syncs: Syncs) -> None:
    """The file is closed, its error counted once, raised, and there is no duration."""
    measured = start()
    syncs.error = OSError(errno.EIO, "broken")
    file = disk.open_durable(tmp_path / "state", operation="checkpoint_write")
    descriptor = file.fileno()
    with pytest.raises(OSError, match="broken"):
        file.close()
    assert file.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert errors(measured) == {"write": 1}
    assert counts(measured) == {}


def test_opening_may_fail(start: Start, tmp_path: Path) -> None:
    """A missing directory is not the disk's fault; a read-only file system is."""
    measured = start()
    with pytest.raises(FileNotFoundError):
        disk.open_durable(tmp_path / "gone" / "x", operation="log_append")
    assert errors(measured) == {}

    class ReadOnly:
        """A path at which the file system refuses."""

        def __fspath__(self) -> str:
            raise OSError(errno.EROFS, "read-only")

    with pytest.raises(OSError, match="read-only"):
        disk.open_durable(ReadOnly(), operation="log_append")
    assert errors(measured) == {"write": 1}
    gc.collect()


def test_wrong_arguments_leave_nothing_open(tmp_path: Path, syncs: Syncs) -> None:
    """A mode that does not write, and an unknown encoding, are refused and leak no file."""
    with pytest.raises(ValueError, match="the mode is 'r'; open_durable"):
        disk.open_durable(tmp_path / "x", "r", operation="log_append")  # type: ignore[call-overload]
    with pytest.raises(LookupError, match="nonsense"):
        disk.open_durable(tmp_path / "x", "w", operation="log_append", encoding="nonsense")
    gc.collect()  # an open file would warn
    assert syncs.seen == []


def test_a_file_in_a_timed_block_is_measured_by_both(start: Start, tmp_path: Path) -> None:
    """Errors are counted once however the helpers are nested; durations are each its own."""
    measured = start()
    with disk.timed_write("checkpoint_write"):
        disk.open_durable(tmp_path / "log", operation="log_append").close()
    assert counts(measured) == {"checkpoint_write": 1, "log_append": 1}
