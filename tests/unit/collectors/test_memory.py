"""The collector of memory: pools that add up, their peak, fragmentation and the limit."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel import memory, metrics
from butterfly_otel.collectors.memory import MemorySource, allocated_by_pool, fragmentation
from butterfly_otel.collectors.source import Reading, UnavailableError
from butterfly_otel.handles.handles import ObservableHandle
from butterfly_otel.memory.books import Pools
from butterfly_otel.memory.parts import Part, TorchMemory

MIB = 1024**2
ALLOCATED = "butterfly_memory_allocated_bytes"
PEAK = "butterfly_memory_peak_bytes"
FRAGMENTATION = "butterfly_memory_fragmentation_ratio"
LIMIT = "butterfly_otel_memory_limit_bytes"
USED = "butterfly_otel_memory_used_bytes"

CUDA = TorchMemory(
    host_model=10,
    torch_model=100,
    device_model=1000,
    allocated=400,
    unfragmented=450,
    reserved=500,
    peak=420,
    expires=inf,
)
CPU_ONLY = CUDA._replace(torch_model=0, device_model=0, allocated=None, reserved=0, peak=0)


@pytest.fixture
def books() -> Pools:
    """Return books of their own, empty."""
    return Pools()


def linux(root: Path, *, resident: int = 1000, peak: int = 2000, total: int = 16000) -> Path:
    """Write the files of a machine, in KiB."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    status = f"Name:\tpython\nVmHWM:\t{peak} kB\nVmRSS:\t{resident} kB\n"
    (root / "proc/self/status").write_text(status)
    (root / "proc/meminfo").write_text(f"MemTotal: {total} kB\nMemAvailable: {total // 2} kB\n")
    return root


def by_series(readings: Sequence[Reading]) -> dict[tuple[str, str], float]:
    """Return values by metric and pool."""
    return {(metric, labels.get("pool", "")): value for metric, value, labels in readings}


@pytest.mark.parametrize(
    ("parts", "torch", "resident", "expected"),
    [
        ([], None, None, {}),
        ([], None, 500, {"system": 500}),
        (
            [Part("buffer", "host", 100, None), Part("buffer", "host", 50, None)],
            None,
            500,
            {"buffer": 150, "system": 350},
        ),
        # A GPU's memory is no part of the resident memory.
        ([Part("buffer", "device", 900, None)], None, 500, {"buffer": 900, "system": 500}),
        # Reserved but never touched memory is not resident.
        ([Part("model", "host", 900, None)], None, 500, {"model": 900, "system": 0}),
        ([], CUDA, 500, {"model": 1110, "tensor": 300, "system": 490}),
        # What PyTorch handed out to a pool is no longer in the rest.
        (
            [Part("buffer", "torch", 50, None), Part("tensor", "torch", 20, None)],
            CUDA,
            500,
            {"buffer": 50, "model": 1110, "tensor": 250, "system": 490},
        ),
        # What came from elsewhere was never in it.
        (
            [Part("buffer", "device", 50, None)],
            CUDA,
            500,
            {"buffer": 50, "model": 1110, "tensor": 300, "system": 490},
        ),
        # A tensor pool on the host is beside that on the GPU.
        (
            [Part("tensor", "host", 7, None)],
            CUDA,
            500,
            {"model": 1110, "tensor": 307, "system": 483},
        ),
        (
            [Part("buffer", "torch", 9999, None)],
            CUDA,
            None,
            {"buffer": 9999, "model": 1110, "tensor": 0},
        ),
        ([], CPU_ONLY, 500, {"model": 10, "system": 490}),
        # Without books, what they are taken from is unknown too.
        ([Part("buffer", "host", nan, None)], CUDA, 500, {"model": 1110, "tensor": 300}),
        ([Part("buffer", "torch", nan, None)], CUDA, 500, {"model": 1110, "system": 490}),
        ([Part("buffer", "device", nan, None)], None, 500, {"system": 500}),
    ],
)
def test_pools_are_disjoint(
    parts: list[Part], torch: TorchMemory | None, resident: int | None, expected: dict[str, int]
) -> None:
    """Each byte is in one pool; system and tensor are what remains; unknown is left out."""
    assert allocated_by_pool(parts, torch, resident) == expected


@pytest.mark.parametrize(
    ("parts", "torch", "expected"),
    [
        ([], None, None),
        ([Part("buffer", "host", 10, None)], None, None),
        ([Part("buffer", "host", 0, 0)], None, None),
        ([Part("buffer", "host", 10, 40)], None, 0.25),
        # Sums over sums, not a mean of ratios.
        ([Part("buffer", "host", 10, 40), Part("model", "host", 60, 60)], None, 0.7),
        # An allocator can't use more than it has: its two figures are of two moments.
        ([Part("buffer", "host", 50, 40)], None, 1.0),
        ([], CUDA, 0.9),
        ([Part("buffer", "host", 0, 500)], CUDA, 0.45),
        ([], CPU_ONLY, None),
        ([Part("buffer", "host", nan, 40)], None, None),
        ([Part("buffer", "host", 10, nan)], CUDA, None),
    ],
)
def test_fragmentation_is_used_over_reserved(
    parts: list[Part], torch: TorchMemory | None, expected: float | None
) -> None:
    """The ratio is at most 1 and is there only where allocators tell both."""
    assert fragmentation(parts, torch) == (None if expected is None else pytest.approx(expected))


def test_one_round_reads_everything(tmp_path: Path, books: Pools) -> None:
    """A round has the pools, the peak, the ratio, the limit and what is used of it."""
    books.open("buffer", "host").observe(lambda: 100, reserved=lambda: 200)
    source = MemorySource(root=linux(tmp_path), pools=books)
    source.open()
    readings = source.read()
    assert by_series(readings) == {
        (ALLOCATED, "buffer"): 100,
        (ALLOCATED, "system"): 1000 * 1024 - 100,
        (PEAK, ""): 2000 * 1024,
        (FRAGMENTATION, ""): 0.5,
        (LIMIT, ""): 16000 * 1024,
        (USED, ""): 8000 * 1024,
    }
    assert {reading.metric for reading in readings} == set(source.metrics)
    source.close()
    source.close()
    source.open()
    assert source.read()


def test_the_peak_is_a_running_maximum(tmp_path: Path, books: Pools) -> None:
    """It is the most of the kernel's mark, of tracked pools, of a GPU and of all pools now."""
    source = MemorySource(root=linux(tmp_path), pools=books)

    def peak() -> float:
        return by_series(source.read())[PEAK, ""]

    assert peak() == 2000 * 1024
    device = books.open("buffer", "device")
    device.add(1500 * 1024)  # with 1000 KiB that are resident
    assert peak() == 2500 * 1024
    with device.hold(4000 * 1024):
        pass
    assert peak() == 5500 * 1024
    books.torch = CUDA._replace(peak=6000 * 1024)
    assert peak() == 6000 * 1024
    device.close()
    books.torch = None
    linux(tmp_path, peak=100)
    source.close()
    assert peak() == 6000 * 1024


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_peak_of_its_own(tmp_path: Path, books: Pools) -> None:
    """What the parent once had, the child never had."""
    source = MemorySource(root=linux(tmp_path, peak=9000), pools=books)
    source.read()
    linux(tmp_path, peak=3000)
    source._process_id = -1  # as a child finds it
    assert by_series(source.read())[PEAK, ""] == 3000 * 1024


def test_a_stale_reading_of_pytorch_makes_unknown(tmp_path: Path, books: Pools) -> None:
    """When PyTorch's collector hangs, nothing is reported that needs it; the rest is."""
    books.torch = CUDA._replace(expires=time.monotonic() - 1)
    books.open("buffer", "torch").add(5)
    source = MemorySource(root=linux(tmp_path), pools=books)
    series = by_series(source.read())
    assert [pool for metric, pool in series if metric == ALLOCATED] == ["buffer"]
    assert (FRAGMENTATION, "") not in series
    assert (LIMIT, "") in series
    books.torch = CPU_ONLY._replace(expires=time.monotonic() - 1)
    assert (ALLOCATED, "tensor") not in by_series(source.read())


def test_pools_are_reported_without_proc_and_psutil(
    tmp_path: Path, books: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system doesn't tell is left out; nothing at all is unavailable, with advice."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr("butterfly_otel.collectors.host_memory.rusage_peak", lambda: None)
    source = MemorySource(root=tmp_path, pools=books)
    source.open()
    with pytest.raises(UnavailableError, match=r"pip install 'butterfly-otel\[psutil\]'"):
        source.read()
    books.open("buffer", "host").add(5)
    assert by_series(source.read()) == {(ALLOCATED, "buffer"): 5, (PEAK, ""): 5}


def test_readings_reach_the_exporter(start: Callable[..., Any]) -> None:
    """From a pool of the application over this machine's /proc to what the SDK exports."""
    source = MemorySource()
    source.open()
    measured = start()
    with memory.pool("buffer") as pool:
        pool.add(3 * MIB)
        pool.set_reserved(4 * MIB)
        readings = source.read()
    handles = (
        metrics.memory_allocated_bytes,
        metrics.memory_peak_bytes,
        metrics.memory_fragmentation_ratio,
    )
    registrations = [handle.observe(observer(handle, readings)) for handle in handles]
    try:
        assert measured.value(ALLOCATED, node_id="coordinator-1", pool="buffer") == 3 * MIB
        system = measured.value(ALLOCATED, node_id="coordinator-1", pool="system")
        assert system is not None
        assert system > MIB
        assert len(measured.values(ALLOCATED)) == 2
        assert measured.value(FRAGMENTATION, node_id="coordinator-1") == 0.75
        peak = measured.value(PEAK, node_id="coordinator-1")
        assert peak is not None
        assert peak >= system + 3 * MIB
    finally:
        for registration in registrations:
            registration.unregister()


def observer(handle: ObservableHandle, readings: Sequence[Reading]) -> Callable[[], list[Any]]:
    """Return a callback that observes a snapshot, as the sampler's do."""
    build: Any = handle
    name = handle.metric.name
    return lambda: [
        build.observation(value, **labels) for metric, value, labels in readings if metric == name
    ]
