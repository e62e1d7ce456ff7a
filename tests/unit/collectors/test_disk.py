"""The collector of disk space: what du says of the directories of checkpoints."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from butterfly_otel import metrics
from butterfly_otel.collectors.disk import DiskSource, disk_bytes
from butterfly_otel.collectors.source import UnavailableError
from butterfly_otel.errors import ConfigurationError

CHECKPOINTS = "butterfly_disk_checkpoint_bytes"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a directory with nested, linked, sparse and empty files."""
    top = tmp_path / "checkpoints"
    (top / "step-1" / "shards").mkdir(parents=True)
    (top / "step-2").mkdir()
    (top / "step-1" / "model").write_bytes(b"x" * 100_000)
    (top / "step-1" / "shards" / "0").write_bytes(b"x" * 5_000)
    (top / "step-1" / "empty").touch()
    # What did not change between two checkpoints is often a hard link.
    (top / "step-2" / "model").hardlink_to(top / "step-1" / "model")
    with (top / "step-2" / "sparse").open("wb") as sparse:
        sparse.truncate(10**9)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "big").write_bytes(b"x" * 300_000)
    (top / "latest").symlink_to(top / "step-2")
    (top / "outside").symlink_to(elsewhere)
    (top / "loop").symlink_to(top)
    (top / "broken").symlink_to(top / "gone")
    return top


def du(*directories: Path) -> int:
    """Return what du says of directories together."""
    command = ["du", "--summarize", "--total", "--block-size=1", *map(str, directories)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def read(*directories: str | Path) -> float:
    """Return what a source reads of directories."""
    source = DiskSource(directories)
    source.open()
    [reading] = source.read()
    assert (reading.metric, reading.labels) == (CHECKPOINTS, {})
    source.close()
    return reading.value


@pytest.mark.skipif(shutil.which("du") is None, reason="no du here")
def test_the_sum_is_what_du_says(tree: Path) -> None:
    """Blocks in use, hard links once, symbolic links not followed."""
    assert 105_000 < read(tree) == du(tree) < 300_000


@pytest.mark.skipif(shutil.which("du") is None, reason="no du here")
def test_several_directories_are_one_sum(tree: Path, tmp_path: Path) -> None:
    """Directories that overlap, are given twice or by a link are counted once."""
    elsewhere = tmp_path / "elsewhere"
    assert read(tree, elsewhere) == du(tree, elsewhere)
    assert read(tree / "step-1", tree, tree, str(tree / "loop")) == du(tree)
    assert read(tree / "outside") == du(elsewhere)


def test_files_that_vanish_do_not_matter(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that is deleted during the walk takes no space and breaks nothing."""
    before = read(tree)
    vanishing = tree / "step-3"
    vanishing.mkdir()
    (vanishing / "model").write_bytes(b"x" * 100_000)
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path) == str(vanishing):
            shutil.rmtree(vanishing)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    # Its own entry was there when it was met.
    assert before <= read(tree) < before + 100_000
    assert read(tree) == before
    real_lstat = os.lstat

    def lstat(path: Any) -> os.stat_result:
        if str(path).endswith("model"):
            raise FileNotFoundError(errno.ENOENT, "gone", path)
        return real_lstat(path)

    monkeypatch.setattr(os, "lstat", lstat)
    assert read(tree) < before - 90_000


def test_without_a_directory_it_is_unavailable(tmp_path: Path) -> None:
    """Neither a missing setting nor a missing directory is a 0."""
    with pytest.raises(UnavailableError, match="checkpoint_dir"):
        DiskSource([]).open()
    source = DiskSource([tmp_path / "gone"])
    with pytest.raises(UnavailableError, match="gone"):
        source.open()
    (tmp_path / "gone").mkdir()
    source.open()
    (tmp_path / "gone").rmdir()
    with pytest.raises(UnavailableError, match="gone"):
        source.read()


def test_one_missing_directory_is_empty_and_told_of(
    tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as another is there, one that is not has no checkpoints; it is logged once."""
    source = DiskSource([tree, tmp_path / "gone"])
    source.open()
    assert source.read() == source.read()
    assert source.read()[0].value == read(tree)
    assert [record.getMessage() for record in caplog.records] == [
        f"the checkpoint_dir {tmp_path / 'gone'} is not there; it counts as empty"
    ]


def test_what_may_not_be_read_makes_the_sum_unknown(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of a sum would look like the whole of it."""
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("shards"):
            raise PermissionError(errno.EACCES, "denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UnavailableError, match="shards' may not be read"):
        DiskSource([tree]).read()


def test_a_broken_disk_is_an_error_in_reading(
    start: Callable[..., Any], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk counts the disk's errors as any reader does, and the round fails."""
    measured = start()

    def broken(_path: Any) -> Any:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "lstat", broken)
    with pytest.raises(OSError, match="broken"):
        DiskSource([tree]).read()
    labels = {"node_id": "coordinator-1", "operation": "read"}
    assert measured.value("butterfly_disk_io_errors_total", **labels) == 1


def test_systems_without_blocks_have_lengths(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no st_blocks; there the length of files is what is known."""
    real = os.lstat

    def lstat(path: Any) -> Any:
        status = real(path)
        names = ("st_mode", "st_nlink", "st_dev", "st_ino", "st_size")
        return SimpleNamespace(**{name: getattr(status, name) for name in names})

    monkeypatch.setattr(os, "lstat", lstat)
    shards = tree / "step-1" / "shards"
    assert disk_bytes([str(shards)]) == real(shards).st_size + 5_000


@pytest.mark.parametrize("interval", [0, 29.9, float("nan")])
def test_it_does_not_walk_all_the_time(interval: float) -> None:
    """Less than 30 s between two walks is a wrong setting, and no other setting makes it so."""
    with pytest.raises(ConfigurationError, match="must be 30 seconds or more"):
        DiskSource(["x"], interval=interval)
    source = DiskSource(["x"])
    assert source.interval >= source.minimum_interval == 30


def test_the_reading_reaches_the_exporter(start: Callable[..., Any], tree: Path) -> None:
    """From the walk, through the typed handle, to what the SDK exports."""
    measured = start()
    source = DiskSource([tree])
    source.open()
    [reading] = source.read()
    handle = metrics.disk_checkpoint_bytes
    with handle.observe(lambda: [handle.observation(reading.value)]):
        assert measured.value(CHECKPOINTS, node_id="coordinator-1") == reading.value
