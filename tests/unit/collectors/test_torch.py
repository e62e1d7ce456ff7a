"""The collector of PyTorch: read only, and never the one to initialise CUDA."""

from __future__ import annotations

import subprocess
import sys
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from butterfly_otel.collectors.memory import MemorySource
from butterfly_otel.collectors.source import UnavailableError
from butterfly_otel.collectors.torch import TorchSource, expandable_in, model_bytes
from butterfly_otel.memory.books import Pools
from butterfly_otel.memory.parts import TorchMemory
from tests.unit.collectors.fake_torch import (
    DistributedTensor,
    InitializedError,
    Module,
    Storage,
    Tensor,
    Torch,
)


@pytest.fixture
def books() -> Pools:
    """Return books of their own, empty."""
    return Pools()


@pytest.fixture
def torch() -> Torch:
    """Return a fake PyTorch."""
    return Torch()


@pytest.fixture
def source(books: Pools, torch: Torch) -> TorchSource:
    """Return a source in a process that has imported the fake."""
    return TorchSource(pools=books, loaded={"torch": torch}, environ={})


def read(source: TorchSource, books: Pools) -> TorchMemory:
    """Read once and return what is in the books."""
    assert source.read() == ()
    assert books.torch is not None
    return books.torch


def test_without_pytorch_there_is_nothing_to_read(books: Pools) -> None:
    """It is unavailable, and not imported, until the application imports it."""
    loaded: dict[str, Any] = {}
    source = TorchSource(pools=books, loaded=loaded, environ={})
    with pytest.raises(UnavailableError, match="has not imported torch"):
        source.open()
    with pytest.raises(UnavailableError):
        source.read()
    loaded["torch"] = Torch()
    source.open()
    source.read()


def test_the_real_modules_are_looked_at_by_default() -> None:
    """In a process without PyTorch the collector does not import it."""
    script = """
import sys
from butterfly_otel.collectors.source import UnavailableError
from butterfly_otel.collectors.torch import TorchSource
try:
    TorchSource().open()
except UnavailableError:
    sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_cuda_is_never_initialised(books: Pools, torch: Torch, source: TorchSource) -> None:
    """Before the application initialises CUDA nothing is asked that would; models are read."""
    module = Module(Tensor(Storage(100, 1)))
    books.track(module)
    source.open()
    reading = read(source, books)
    assert (reading.host_model, reading.allocated, reading.reserved) == (100, None, 0)
    assert not torch.cuda.initialized
    with pytest.raises(InitializedError):
        torch.cuda.current_device()


@pytest.mark.parametrize("half", [SimpleNamespace(), SimpleNamespace(cuda=SimpleNamespace())])
def test_a_half_imported_pytorch_is_harmless(books: Pools, half: Any) -> None:
    """While another thread imports it, its names may not be there yet."""
    source = TorchSource(pools=books, loaded={"torch": half}, environ={})
    assert read(source, books).allocated is None


def test_several_gpus_are_summed(books: Pools, torch: Torch, source: TorchSource) -> None:
    """Sums over all GPUs, of which the peak is the highest of any one."""
    torch.cuda.initialized = True
    torch.cuda.gpus = [(300, 400, 40, 390), (100, 600, 60, 500), (0, 0, 0, 0)]
    reading = read(source, books)
    assert (reading.allocated, reading.reserved, reading.unfragmented) == (400, 1000, 900)
    assert reading.peak == 500


@pytest.mark.parametrize(
    ("environ", "backend", "given", "unfragmented"),
    [
        ({}, "native", None, 900),
        ({"PYTORCH_ALLOC_CONF": "expandable_segments:True"}, "native", None, 300),
        ({}, "native", True, 300),
        ({"PYTORCH_ALLOC_CONF": "expandable_segments:True"}, "native", False, 900),
        ({}, "cudaMallocAsync", None, 300),
    ],
)
def test_fragments_are_counted_where_the_allocator_has_them(
    books: Pools,
    torch: Torch,
    *,
    environ: dict[str, str],
    backend: str,
    given: bool | None,
    unfragmented: int,
) -> None:
    """Expandable segments and CUDA's allocator split nothing: what is allocated counts there."""
    torch.cuda.initialized = True
    torch.cuda.backend = backend
    torch.cuda.gpus = [(300, 1000, 100, 300)]
    source = TorchSource(
        pools=books, loaded={"torch": torch}, environ=environ, expandable_segments=given
    )
    assert read(source, books).unfragmented == unfragmented


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}, True),
        ({"PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:64, expandable_segments : True"}, True),
        ({"PYTORCH_ALLOC_CONF": "expandable_segments:False"}, False),
        (
            {
                "PYTORCH_ALLOC_CONF": "expandable_segments:False",
                "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            },
            False,
        ),
        ({"PYTORCH_ALLOC_CONF": "roundup_power2_divisions:[256:1,512:2]"}, False),
    ],
)
def test_the_allocators_settings_are_read(environ: dict[str, str], *, expected: bool) -> None:
    """Both names of the variable are known, the newer one first."""
    assert expandable_in(environ) is expected


def test_an_allocator_without_statistics_is_left_out(
    books: Pools, torch: Torch, source: TorchSource
) -> None:
    """An allocator plugged in by the application keeps none."""
    torch.cuda.initialized = True
    torch.cuda.backend = "pluggable"
    torch.cuda.gpus = [(1, 2, 0, 1)]
    torch.cuda.error = RuntimeError("does not yet support getDeviceStats")
    assert read(source, books).allocated is None


def test_shared_storage_counts_once() -> None:
    """Tied weights, views and buffers of one storage are one allocation, on each device."""
    shared = Storage(1000, 16)
    model = Module(
        Tensor(shared),
        Tensor(shared),
        Tensor(Storage(50, 16), "cuda", 0),
        Tensor(Storage(7, 16), "cuda", 1),
        Tensor(Storage(10**12, 64), "meta"),
        Tensor(Storage(999, 0)),  # freed by sharding
        Tensor(Storage(3, 32), "xpu", 0),
        DistributedTensor(Tensor(Storage(600, 48), "cuda", 0)),
        buffers=[Tensor(Storage(20, 32))],
    )
    other = Module(Tensor(shared))
    assert model_bytes([model, other]) == (1020, 657, 3)


def test_a_model_that_changes_meanwhile_is_read_again(
    books: Pools, source: TorchSource, caplog: pytest.LogCaptureFixture
) -> None:
    """Layers may be replaced while they are looked at; what stays unreadable is unknown."""
    model = Module(Tensor(Storage(100, 1)))
    books.track(model)
    model.changing = [RuntimeError("dictionary changed size during iteration")] * 2
    assert read(source, books).host_model == 100
    assert not caplog.records
    for _ in range(2):
        model.changing = [RuntimeError("dictionary changed size during iteration")] * 3
        assert isnan(read(source, books).host_model)
    assert len(caplog.records) == 1


def test_together_with_the_collector_of_memory(
    tmp_path: Path, books: Pools, torch: Torch, source: TorchSource
) -> None:
    """A model on a GPU, a cache in PyTorch's memory and the rest: three pools that add up."""
    torch.cuda.initialized = True
    torch.cuda.gpus = [(1000, 2000, 500, 1200)]
    model = Module(Tensor(Storage(600, 8), "cuda", 0), Tensor(Storage(30, 8)))
    books.track(model)
    books.open("buffer", "torch").add(300)
    memory = MemorySource(root=tmp_path, pools=books)
    source.read()
    values = {(r.metric, r.labels.get("pool")): r.value for r in memory.read()}
    assert values["butterfly_memory_allocated_bytes", "model"] == 630
    assert values["butterfly_memory_allocated_bytes", "buffer"] == 300
    assert values["butterfly_memory_allocated_bytes", "tensor"] == 100
    assert values["butterfly_memory_fragmentation_ratio", None] == 0.75
    source.close()
    assert books.torch is None
    after = {r.labels.get("pool") for r in memory.read()}
    assert {"model", "tensor"}.isdisjoint(after)


def test_after_a_failed_round_what_pytorch_has_is_unknown(
    books: Pools, torch: Torch, source: TorchSource
) -> None:
    """The sampler closes a source that failed; its bytes must not turn into the system's."""
    torch.cuda.initialized = True
    torch.cuda.gpus = [(1000, 2000, 500, 1200)]
    good = read(source, books)
    torch.cuda.error = RuntimeError("CUDA error")
    with pytest.raises(RuntimeError):
        source.read()
    source.close()
    assert books.torch is not None
    assert books.torch.expires < good.expires
    assert books.torch.expires == float("-inf")
    source.close()
    assert books.torch is None


@pytest.mark.parametrize(("interval", "expected"), [(None, 5.0), (60.0, 60.0)])
def test_a_reading_is_stale_after_three_intervals(
    books: Pools, torch: Torch, monkeypatch: pytest.MonkeyPatch, interval: float, expected: float
) -> None:
    """The interval is as configured, and says how long a reading holds."""
    monkeypatch.setattr("butterfly_otel.process.timing.monotonic", lambda: 1000.0)
    source = TorchSource(pools=books, loaded={"torch": torch}, environ={}, interval=interval)
    assert source.interval == expected
    assert read(source, books).expires == 1000 + 3 * expected
