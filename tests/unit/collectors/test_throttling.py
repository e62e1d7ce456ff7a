"""Throttling: each event once, from whatever the machine counts, and nothing invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from butterfly_otel.collectors import UnavailableError
from butterfly_otel.collectors.throttling import (
    Tally,
    ThrottlingSource,
    quota_counters,
    thermal_counters,
)
from tests.unit.collectors.support import plant, write

CPUS = "sys/devices/system/cpu"


def total(source: ThrottlingSource) -> float:
    """Return the one value the source reads."""
    [reading] = source.read()
    assert reading.metric == "butterfly_cpu_throttle_events_total"
    assert reading.labels == {}
    return reading.value


def opened(root: Path) -> ThrottlingSource:
    """Return an open source below ``root``."""
    source = ThrottlingSource(root=root)
    source.open()
    return source


def test_threads_of_a_core_and_cores_of_a_package_count_once(tmp_path: Path) -> None:
    """Two packages, one with a core of two threads: three cores, two packages."""
    root = plant(tmp_path, "throttling/intel-two-packages.txt")
    assert thermal_counters(root) == {
        "core 0-0": 10,
        "core 0-1": 20,
        "core 1-0": 30,
        "package 0": 100,
        "package 1": 200,
    }


@pytest.mark.parametrize(
    ("fixture", "counts"),
    [
        ("v2-container", {"sys/fs/cgroup": 7}),
        ("v1-container", {"sys/fs/cgroup/cpu,cpuacct": 41}),
        (
            "v2-slice-with-quota",
            {"sys/fs/cgroup/app.slice/node.service": 2, "sys/fs/cgroup/app.slice": 3},
        ),
        ("v2-without-controller", {}),
        ("amd", {}),
    ],
)
def test_quotas_of_the_own_cgroup_and_those_around_it_count(
    tmp_path: Path, fixture: str, counts: dict[str, int]
) -> None:
    """Either version is read; a hierarchy without the controller counts nothing."""
    root = plant(tmp_path, f"throttling/{fixture}.txt")
    assert quota_counters(root) == {
        f"cgroup {root / path}": count for path, count in counts.items()
    }


def test_events_are_counted_from_the_first_reading_on(tmp_path: Path) -> None:
    """What the kernel counted before was before our time; heat and quota add up."""
    root = plant(
        plant(tmp_path, "throttling/intel-two-packages.txt"), "throttling/v2-container.txt"
    )
    source = opened(root)
    assert total(source) == 0
    write(root, f"{CPUS}/cpu0/thermal_throttle/core_throttle_count", 14)
    write(root, "sys/fs/cgroup/cpu.stat", "nr_periods 60\nnr_throttled 9\nthrottled_usec 100")
    assert total(source) == 6


def test_a_core_that_goes_offline_and_returns_is_counted_once(tmp_path: Path) -> None:
    """The sum of the files falls and rises again; the total does neither."""
    root = plant(tmp_path, "throttling/intel-two-packages.txt")
    source = opened(root)
    folder = root / CPUS / "cpu1/thermal_throttle"
    folder.rename(tmp_path / "away")
    assert total(source) == 0
    (tmp_path / "away").rename(folder)
    assert total(source) == 0
    write(root, f"{CPUS}/cpu1/thermal_throttle/core_throttle_count", 21)
    assert total(source) == 1


def test_a_thread_that_speaks_for_its_sibling_counts_nothing_twice(tmp_path: Path) -> None:
    """Siblings' counters differ a little; the lower one's turn must not be counted as events."""
    root = plant(tmp_path, "throttling/intel-two-packages.txt")
    source = opened(root)
    folder = root / CPUS / "cpu2/thermal_throttle"
    folder.rename(tmp_path / "away")  # cpu10, of the same core, says 29
    assert total(source) == 0
    (tmp_path / "away").rename(folder)
    assert total(source) == 0


def test_the_total_outlives_closing(tmp_path: Path) -> None:
    """A counter must not fall because its source was opened again."""
    root = plant(tmp_path, "throttling/v2-container.txt")
    source = opened(root)
    write(root, "sys/fs/cgroup/cpu.stat", "nr_throttled 9")
    source.close()
    source.open()
    assert total(source) == 2


@pytest.mark.parametrize("fixture", ["amd", "v2-without-controller"])
def test_where_nothing_is_counted_there_is_no_series(tmp_path: Path, fixture: str) -> None:
    """A zero would say that it is counted and has not happened."""
    root = plant(tmp_path, f"throttling/{fixture}.txt")
    with pytest.raises(UnavailableError, match="neither thermal throttling nor"):
        ThrottlingSource(root=root).open()


def test_files_that_make_no_sense_are_no_counters(tmp_path: Path) -> None:
    """A count that is no number is left out, and so is one that can't be read."""
    root = plant(tmp_path, "throttling/intel-two-packages.txt")
    for cpu in ("cpu0", "cpu4"):
        write(root, f"{CPUS}/{cpu}/thermal_throttle/core_throttle_count", "many")
    (root / CPUS / "cpu1/thermal_throttle/core_throttle_count").unlink()
    assert set(thermal_counters(root)) == {"core 1-0", "package 0", "package 1"}


def test_a_tally_takes_new_counters_as_they_are() -> None:
    """Only what a counter gains while it is seen is counted."""
    tally = Tally()
    assert tally.add({"a": 5}) == 0
    assert tally.add({"a": 6, "b": 100}) == 1
    assert tally.add({"b": 103}) == 4
