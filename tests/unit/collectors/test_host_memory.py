"""Memory of the process and its limit, from the files of many kernels and from psutil."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from butterfly_otel.collectors import host_memory
from butterfly_otel.collectors.host_memory import (
    BareHost,
    Capacity,
    ProcessMemory,
    ProcHost,
    PsutilHost,
    find_host,
    machine_capacity,
    parse_fields,
    parse_stat,
    rusage_peak,
)

FIXTURES = Path(__file__).parent / "fixtures"
KIB, MIB, GIB = 1024, 1024**2, 1024**3

Machine = Callable[[str], Path]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a function that makes a root with a fixture's files."""

    def make(fixture: str) -> Path:
        text = (FIXTURES / f"memory_{fixture}.txt").read_text(encoding="utf-8")
        for section in text.split("=== ")[1:]:
            path, _, content = section.partition("\n")
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
        return tmp_path

    return make


MACHINE = Capacity(65886388 * KIB, (65886388 - 40108112) * KIB)


@pytest.mark.parametrize(
    ("fixture", "capacity"),
    [
        ("v2_container", Capacity(8 * GIB, 5 * GIB)),
        ("v2_nested", Capacity(4 * GIB, 3_000_000_000)),
        ("v2_unlimited", MACHINE),
        ("v1_container", Capacity(2 * GIB, GIB)),
        ("v1_unlimited", MACHINE),
        ("v1_parent_unseen", Capacity(3 * GIB, None)),
        ("v1_no_hierarchy", Capacity(4 * GIB, 1_000_000_000)),
        ("linux_2_6_32", Capacity(1922060 * KIB, 500_000 * KIB)),
        ("gvisor", Capacity(4 * GIB, 600_000 * KIB)),
    ],
)
def test_the_limit_is_the_tightest_that_holds(
    machine: Machine, fixture: str, capacity: Capacity
) -> None:
    """The cgroup's or an ancestor's limit, else the machine's memory, with the use of it."""
    assert ProcHost(machine(fixture)).capacity() == capacity


def test_a_limit_above_what_the_machine_has_does_not_hold(machine: Machine) -> None:
    """A cgroup may be allowed more than there is."""
    root = machine("v2_container")
    (root / "sys/fs/cgroup/memory.max").write_text(f"{1024 * GIB}\n")
    assert ProcHost(root).capacity() == MACHINE


@pytest.mark.parametrize("pages", [9223372036854771712, 9223372036854710272])
def test_no_limit_of_version_1_is_none_without_meminfo(machine: Machine, pages: int) -> None:
    """The greatest number of pages, of 4 or 64 KiB, is no limit even where no other is known."""
    root = machine("v1_unlimited")
    (root / "proc/meminfo").unlink()
    group = root / "sys/fs/cgroup/memory/user.slice"
    (group / "memory.limit_in_bytes").write_text(f"{pages}\n")
    (group / "memory.stat").write_text(f"hierarchical_memory_limit {pages}\n")
    assert ProcHost(root).capacity() is None


def test_limits_of_parents_hold_in_version_1_without_statistics(machine: Machine) -> None:
    """Where the kernel doesn't tell the effective limit, the tightest visible one is taken."""
    root = machine("v1_no_hierarchy")
    (root / "sys/fs/cgroup/memory/jobs/17/memory.stat").unlink()
    assert ProcHost(root).capacity() == Capacity(MIB, None)


def test_resident_memory_and_its_peak_are_read(machine: Machine) -> None:
    """VmRSS and VmHWM are KiB."""
    assert ProcHost(machine("v2_container")).process() == ProcessMemory(GIB, 2 * GIB)


def test_a_kernel_without_a_high_water_mark_has_rusage(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where VmHWM is missing the peak is getrusage's."""
    monkeypatch.setattr(host_memory, "rusage_peak", lambda: 77)
    assert ProcHost(machine("gvisor")).process() == ProcessMemory(40000 * KIB, 77)


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("linux", 1024)])
def test_units_of_rusage(monkeypatch: pytest.MonkeyPatch, platform: str, unit: int) -> None:
    """ru_maxrss is bytes on macOS and KiB elsewhere."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda _who: SimpleNamespace(ru_maxrss=5))
    assert rusage_peak() == 5 * unit


def test_windows_has_no_rusage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported there that is not there."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert rusage_peak() is None


def test_this_machine(tmp_path: Path) -> None:
    """The real files of this machine give figures that fit together, and fit psutil's."""
    block = bytearray(64 * MIB)  # touched, so resident
    host = find_host()
    assert isinstance(host, ProcHost)
    process, capacity = host.process(), host.capacity()
    assert process.now is not None
    assert process.peak is not None
    assert len(block) <= process.now <= process.peak
    assert capacity is not None
    assert capacity.limit <= psutil.virtual_memory().total
    assert capacity.used is not None
    assert 0 < capacity.used < capacity.limit
    assert ProcHost(tmp_path).process().now is None


def test_psutil_is_what_is_read_elsewhere(tmp_path: Path) -> None:
    """Without /proc, the real psutil tells the resident memory and the machine's."""
    host = find_host(tmp_path)
    assert isinstance(host, PsutilHost)
    process, capacity = host.process(), host.capacity()
    assert process.now is not None
    assert process.now > MIB
    assert process.peak == rusage_peak()
    assert capacity is not None
    assert capacity.limit == psutil.virtual_memory().total


class FakePsutil:
    """psutil as it is on Windows, or where it may not look."""

    class Error(Exception):
        """Base of what it raises."""

    def __init__(self, *, denied: bool = False) -> None:
        self.denied = denied

    def Process(self) -> Any:  # noqa: N802 - psutil's name
        return self

    def memory_info(self) -> Any:
        if self.denied:
            raise self.Error
        return SimpleNamespace(rss=5 * MIB, peak_wset=9 * MIB)

    def virtual_memory(self) -> Any:
        if self.denied:
            raise self.Error
        return SimpleNamespace(total=100, available=30)


def test_windows_tells_the_peak_itself() -> None:
    """The peak working set is the peak; used is what is not available."""
    host = PsutilHost(FakePsutil())
    assert host.process() == ProcessMemory(5 * MIB, 9 * MIB)
    assert host.capacity() == Capacity(100, 70)


def test_what_psutil_may_not_read_is_left_out() -> None:
    """A refusal is no exception and no 0."""
    host = PsutilHost(FakePsutil(denied=True))
    assert host.process() == ProcessMemory(None, rusage_peak())
    assert host.capacity() is None


def test_neither_proc_nor_psutil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the peak can be told then."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    host = find_host(tmp_path)
    assert isinstance(host, BareHost)
    assert host.process() == ProcessMemory(None, rusage_peak())
    assert host.capacity() is None


def test_parsers_ignore_what_they_do_not_know() -> None:
    """Lines without a size, torn lines and words are no fields."""
    assert parse_fields("A:\t 3 kB\nThreads:\t12\nB: x kB\nC\n\nD: 1 MB") == {"A": 3072}
    assert parse_stat("a 1\nb max\nc\n") == {"a": 1}
    assert machine_capacity({"MemTotal": 10, "MemFree": 2}) == Capacity(10, None)
    assert machine_capacity({}) is None
