"""CPU usage: the right share of time, whatever kernel, container or core is asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from butterfly_otel.collectors import Reading, UnavailableError
from butterfly_otel.collectors.cpu import (
    CpuSource,
    CpuTime,
    parse_stat,
    times_of,
    usage_between,
)
from tests.unit.collectors.support import CPU, FIXTURES, PATIENCE

STAT = FIXTURES / "stat"


def stat(name: str) -> dict[str, CpuTime]:
    """Return the parsed times of a fixture."""
    return parse_stat((STAT / name).read_text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root whose ``/proc/stat`` is the first of the fixtures."""
    (tmp_path / "proc").mkdir()
    show(tmp_path, "linux-6.8-before")
    return tmp_path


def show(root: Path, name: str) -> None:
    """Let ``/proc/stat`` say what a fixture says."""
    (root / "proc/stat").write_bytes((STAT / name).read_bytes())


def test_guests_are_counted_once_and_waiting_is_idle() -> None:
    """Time of guests is in user and nice already; iowait is no work."""
    assert stat("linux-6.8-before")["0"] == CpuTime(1180, 5880)


def test_usage_is_the_busy_share_of_the_time_between() -> None:
    """Whole and cores are each measured by their own counters."""
    usage = usage_between(stat("linux-6.8-before"), stat("linux-6.8-after"))
    assert usage == pytest.approx({"": 146 / 356, "0": 106 / 156, "1": 0.0, "2": 0.4})


def test_cores_keep_their_numbers_when_others_are_offline() -> None:
    """With cpu1 offline there is no core 1, and core 2 stays core 2."""
    usage = usage_between(stat("linux-6.8-after"), stat("linux-6.8-offline"))
    assert usage == pytest.approx({"": 40 / 170, "0": 25 / 90, "2": 15 / 80})


def test_a_core_that_came_online_is_left_out_at_first() -> None:
    """Its counters are from before it went offline, so a difference would mean nothing."""
    assert "1" not in usage_between(stat("linux-6.8-offline"), stat("linux-6.8-after"))


@pytest.mark.parametrize(
    ("name", "whole"), [("linux-2.6.18", CpuTime(512, 2112)), ("lxcfs", CpuTime(7300, 10000))]
)
def test_other_kernels_and_containers_are_read(name: str, whole: CpuTime) -> None:
    """Old kernels have fewer columns; lxcfs shows a container zeros in most."""
    times = stat(name)
    assert set(times) == {"", "0"}
    assert times[""] == whole


@pytest.mark.parametrize(
    ("after", "usage"),
    [
        (CpuTime(130, 220), {"0": 1.0}),
        (CpuTime(90, 210), {"0": 0.0}),
        (CpuTime(100, 200), {}),
        (CpuTime(110, 190), {}),
    ],
    ids=["idle-stepped-back", "busy-stepped-back", "no-time", "time-stepped-back"],
)
def test_usage_stays_between_0_and_1(after: CpuTime, usage: dict[str, float]) -> None:
    """Counters that step back never give an impossible share, nor one of no time at all."""
    assert usage_between({"0": CpuTime(100, 200)}, {"0": after}) == usage


def test_the_first_reading_has_nothing_to_compare_with(root: Path) -> None:
    """Since the start of the machine is no sampling interval."""
    source = CpuSource(root=root)
    source.open()
    assert source.read() == []
    show(root, "linux-6.8-after")
    assert source.read() == [Reading(CPU, pytest.approx(146 / 356), {})]  # type: ignore[arg-type]


def test_usage_per_core_leaves_the_whole_out(root: Path) -> None:
    """The whole would be counted twice in any average over cores."""
    source = CpuSource(per_core=True, root=root)
    source.open()
    source.read()
    show(root, "linux-6.8-after")
    assert [reading.labels for reading in source.read()] == [
        {"core": "0"},
        {"core": "1"},
        {"core": "2"},
    ]


def test_opening_again_starts_anew(root: Path) -> None:
    """What was read before a failure is no baseline after it."""
    source = CpuSource(root=root)
    source.open()
    source.read()
    source.close()
    show(root, "linux-6.8-after")
    source.open()
    assert source.read() == []


def test_a_file_that_goes_away_is_unavailable(root: Path) -> None:
    """It says which file, and what is the matter with it."""
    source = CpuSource(root=root)
    source.open()
    (root / "proc/stat").unlink()
    with pytest.raises(UnavailableError, match=r"proc/stat can't be read: No such file"):
        source.read()


def test_other_systems_without_psutil_are_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(UnavailableError, match=r"pip install 'butterfly-otel\[psutil\]'"):
        CpuSource(root=tmp_path).open()


def test_psutil_is_read_where_there_is_no_proc(tmp_path: Path) -> None:
    """The real psutil, on this machine, gives each core's share."""
    source = CpuSource(per_core=True, root=tmp_path)
    source.open()
    seen: dict[str, float] = {}
    end = time.monotonic() + PATIENCE
    while len(seen) < psutil.cpu_count() and time.monotonic() < end:
        time.sleep(0.01)
        seen |= {reading.labels["core"]: reading.value for reading in source.read()}
    assert set(seen) == {str(core) for core in range(psutil.cpu_count())}
    assert all(0 <= value <= 1 for value in seen.values())


class MacTimes(NamedTuple):
    """What psutil has on macOS."""

    user: float
    nice: float
    system: float
    idle: float


def test_the_whole_is_the_sum_of_psutil_s_cores() -> None:
    """Both shapes of usage come from one call."""
    cores = [MacTimes(10, 0, 5, 85), MacTimes(20, 1, 4, 75)]
    assert times_of(cores) == {
        "": CpuTime(40, 200),
        "0": CpuTime(15, 100),
        "1": CpuTime(25, 100),
    }


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_this_machine_has_the_cores_it_says_it_has() -> None:
    """The real ``/proc/stat`` names the online cores, and its total is the sum of theirs."""
    times = parse_stat(Path("/proc/stat").read_text())
    cores = [each for core, each in times.items() if core]
    assert len(cores) == len(psutil.cpu_times(percpu=True))
    # Each line is rounded by itself, and cores that are offline are only in the sum.
    assert times[""].total >= sum(each.total for each in cores) * 0.99
