"""Errors of the disk are counted once each, and a write is timed until it is on the disk."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from butterfly_otel import disk
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing

ERRORS = "butterfly_disk_io_errors_total"
SECONDS = "butterfly_disk_write_duration_seconds"
FULL = Path("/dev/full")

Start = Callable[..., Any]

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowFile:
    """An open file whose flushing takes a second, and that says what is done to it."""

    def __init__(self, clock: Clock, real: int) -> None:
        self._clock = clock
        self._real = real
        self.done: list[str] = []

    def flush(self) -> None:
        self.done.append("flush")
        self._clock.now += 1

    def fileno(self) -> int:
        return self._real


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock by which blocks are timed."""
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)
    return clock


def errors(measured: Any) -> dict[str, float]:
    """Return what was counted, by operation."""
    return {dict(key)["operation"]: value for key, value in measured.values(ERRORS).items()}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_errors_of_the_disk_are_counted(start: Start, number: int) -> None:
    """Each of the four is counted and reaches the caller unchanged."""
    measured = start()
    error = OSError(number, "broken")
    with pytest.raises(OSError, match="broken") as caught, disk.count_io_errors("read"):
        raise error
    assert caught.value is error
    assert errors(measured) == {"read": 1}


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), PermissionError(errno.EACCES, "x"), KeyError()]
)
def test_other_errors_are_not_the_disks(start: Start, error: Exception) -> None:
    """A file that is not there says nothing about the disk."""
    measured = start()
    with pytest.raises(type(error)), disk.count_io_errors("write"):
        raise error
    assert errors(measured) == {}


def test_an_error_is_counted_once(start: Start) -> None:
    """The innermost helper that an exception passes counts it; the next one is counted anew."""
    measured = start()
    for _ in range(2):
        with (
            pytest.raises(OSError, match="full"),
            disk.timed_write("log_append"),
            disk.count_io_errors("write"),
            disk.count_io_errors("read"),
        ):
            raise OSError(errno.ENOSPC, "full")
    assert errors(measured) == {"read": 2}


def test_functions_and_coroutines_are_decorated(start: Start) -> None:
    """A decorated function counts the errors of its calls, a coroutine those of its run."""
    measured = start()

    @disk.count_io_errors("read")
    def load(path: str) -> str:
        raise OSError(errno.EIO, path)

    @disk.count_io_errors("read")
    async def load_slowly(path: str) -> str:
        await asyncio.sleep(0)
        raise OSError(errno.EIO, path)

    with pytest.raises(OSError, match="first"):
        load("first")
    with pytest.raises(OSError, match="second"):
        asyncio.run(load_slowly("second"))
    assert load.__name__ == "load"
    assert errors(measured) == {"read": 2}


def test_threads_count_every_error(start: Start) -> None:
    """One counter used by several threads at once misses nothing."""
    measured = start()
    counter = disk.count_io_errors("write")

    def fail() -> None:
        for _ in range(200):
            with suppress(OSError), counter:
                raise OSError(errno.EIO, "x")

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors(measured) == {"write": 800}


def test_the_time_of_a_write_includes_its_sync(
    start: Start, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The block, the flush and the fsync of every file are in one duration, in that order."""
    measured = start()
    with (tmp_path / "log").open("wb") as real:
        file = SlowFile(clock, real.fileno())

        def slow_fsync(descriptor: int) -> None:
            file.done.append(f"fsync {descriptor == real.fileno()}")
            clock.now += 10

        monkeypatch.setattr(os, "fsync", slow_fsync)
        with disk.timed_write("log_append", file, real.fileno()):
            clock.now += 0.5
            assert file.done == []
    assert file.done == ["flush", "fsync True", "fsync True"]
    [point] = measured.points(SECONDS)
    assert (point.count, point.sum) == (1, 21.5)
    assert point.attributes["operation"] == "log_append"


def test_a_block_that_raises_has_no_duration_and_no_sync(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is not whole is not on the disk."""
    measured = start()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with (
        (tmp_path / "log").open("wb") as file,
        pytest.raises(KeyError),
        disk.timed_write("log_append", file),
    ):
        raise KeyError
    assert synced == []
    assert measured.points(SECONDS) == []


def test_a_failing_sync_is_counted_and_raised(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An fsync that reports a broken disk is an error in writing, and there is no duration."""
    measured = start()

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with (
        (tmp_path / "log").open("wb") as file,
        pytest.raises(OSError, match="broken"),
        disk.timed_write("checkpoint_write", file),
    ):
        file.write(b"x")
    assert errors(measured) == {"write": 1}
    assert measured.points(SECONDS) == []


@needs_full
def test_a_real_full_disk_in_a_block(start: Start) -> None:
    """The kernel's own "no space left" is counted, when the buffer is flushed."""
    measured = start()
    with (
        FULL.open("wb", buffering=0) as file,
        pytest.raises(OSError, match="No space left"),
        disk.timed_write("log_append", file),
    ):
        file.write(b"x")
    assert errors(measured) == {"write": 1}
    assert measured.points(SECONDS) == []


def test_files_and_directories_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sync() leaves nothing in the buffer; both reach fsync with the right descriptor."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append("directory" if S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with (tmp_path / "file").open("wb") as file:
        file.write(b"data")
        disk.sync(file)
        assert (tmp_path / "file").read_bytes() == b"data"
        disk.sync(file.fileno())
    disk.sync_directory(tmp_path)
    assert synced == ["file", "file", "directory"]
    with pytest.raises(FileNotFoundError):
        disk.sync_directory(tmp_path / "gone")


def test_before_configure_nothing_is_measured_and_all_is_synced(tmp_path: Path) -> None:
    """A library may use the helpers without deciding for its application."""
    with disk.open_durable(tmp_path / "file", operation="log_append") as file:
        file.write(b"data")
    with pytest.raises(OSError, match="x"), disk.count_io_errors("read"):
        raise OSError(errno.EIO, "x")
    assert (tmp_path / "file").read_bytes() == b"data"


def test_errors_within_a_generator_are_counted(start: Start) -> None:
    """A function that yields what it reads has read nothing when it is called."""
    measured = start()

    @disk.count_io_errors("read")
    def chunks() -> Generator[bytes, bytes, str]:
        answer = yield b"first"
        assert answer == b"more"
        raise OSError(errno.EIO, "broken")

    reading = chunks()
    assert next(reading) == b"first"
    with pytest.raises(OSError, match="broken"):
        reading.send(b"more")
    assert errors(measured) == {"read": 1}


def test_what_would_measure_nothing_is_no_decorator() -> None:
    """Of these, calling is not running, so a decorator would measure nothing in silence."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"first"

    with pytest.raises(ConfigurationError, match=r"asynchronous generator .*chunks; use it within"):
        disk.count_io_errors("read")(chunks)
    with pytest.raises(TypeError, match="not callable"):
        disk.timed_write("log_append")(chunks)  # type: ignore[operator]
