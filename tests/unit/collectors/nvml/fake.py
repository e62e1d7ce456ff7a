"""A machine whose NVML is the fake library, and how the tests steer it."""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pynvml

from butterfly_otel.collectors.nvml import NvmlSource
from butterfly_otel.collectors.source import Reading

GIB = 1024**3

#: An H100 as the fake has it, unless a test says otherwise.
H100 = {
    "utilization": 40,
    "memory_utilization": 30,
    "cores": 16896,
    "major": 9,
    "minor": 0,
    "power": 350_500,
    "energy": 123_456_500,
    "temperature": 60,
    "gpm": 1,
    "total": 80 * GIB,
    "reserved": 1 * GIB,
    "used": 20 * GIB,
    "pcie_tx": 2_000,
    "pcie_rx": 3_000,
}
A100 = {**H100, "cores": 6912, "major": 8, "gpm": 0}


class Machine:
    """The fake's state, its clock, and the sources that read it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._sources: list[NvmlSource] = []
        self.now = 1000.0
        library.fake_set.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_longlong]
        library.fake_set_mig.argtypes = [
            *[ctypes.c_int] * 4,
            *[ctypes.c_ulonglong] * 2,
            ctypes.c_int,
        ]
        library.fake_add_process.argtypes = [*[ctypes.c_int] * 2, ctypes.c_uint, ctypes.c_ulonglong]
        library.fake_set_gpm.argtypes = [ctypes.c_int, ctypes.c_double, ctypes.c_int]
        library.fake_set_field.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
        library.fake_set_link_field.argtypes = [*[ctypes.c_int] * 2, ctypes.c_ulonglong]
        library.fake_xid.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
        library.fake_advance.argtypes = [ctypes.c_longlong]
        library.fake_violation.restype = ctypes.c_char_p
        library.fake_reset()

    def gpus(self, count: int, values: dict[str, int] = H100) -> None:
        """Have that many GPUs, all with these values."""
        for board in range(count):
            self.set(board, **values)
        self._library.fake_set_count(count)

    def count(self, count: int) -> None:
        """Have NVML list that many GPUs."""
        self._library.fake_set_count(count)

    def order(self, *boards: int) -> None:
        """Have NVML list these GPUs in this order."""
        for index, board in enumerate(boards):
            self._library.fake_set_order(index, board)
        self._library.fake_set_count(len(boards))

    def set(self, board: int, **values: int) -> None:
        for what, value in values.items():
            self._library.fake_set(board, what.encode(), value)

    def mig(
        self,
        board: int,
        slot: int,
        *,
        gpu_instance: int,
        sms: int = 16,
        total: int = 10 * GIB,
        used: int = 1 * GIB,
        serial: int = 1,
    ) -> None:
        """Have a MIG device in a slot; ``serial`` tells it from those there before."""
        self.set(board, mig_mode=1)
        self._library.fake_set_mig(board, slot, gpu_instance, sms, total, used, serial)

    def remove_mig(self, board: int, slot: int) -> None:
        self._library.fake_remove_mig(board, slot)

    def process(self, board: int, pid: int, used: int, *, slot: int = -1) -> None:
        self._library.fake_add_process(board, slot, pid, used)

    def gpm(self, averages: dict[int, float], *, code: int = 0) -> None:
        """Have the performance counters give these averages, with this return value each."""
        for metric, value in averages.items():
            self._library.fake_set_gpm(metric, value, code)

    def fields(self, values: dict[int, int]) -> None:
        for field, value in values.items():
            self._library.fake_set_field(field, value)

    def link_fields(self, field: int, values: dict[int, int]) -> None:
        """Have a counter of each of some links."""
        for link, value in values.items():
            self._library.fake_set_link_field(field, link, value)

    def xid(self, board: int, xid: int) -> None:
        """Have a GPU meet an XID error."""
        self._library.fake_xid(board, xid)

    def fail(self, function: str, code: int, *, board: int = -1) -> None:
        """Have a function fail; code 0 ends that."""
        self._library.fake_fail(function.encode(), board, code)

    def calls(self, function: str) -> int:
        return int(self._library.fake_calls(function.encode()))

    def hang(self, function: str) -> None:
        self._library.fake_hang(function.encode())

    def await_hang(self) -> None:
        self._library.fake_await_hang()

    def release(self) -> None:
        self._library.fake_release()

    def clock(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._library.fake_advance(round(seconds * 1000))

    def source(self, **settings: Any) -> NvmlSource:
        """Return a source with this machine's clock, which is closed at the end."""
        source = NvmlSource(**settings, clock=self.clock)
        self._sources.append(source)
        return source

    def opened(self, **settings: Any) -> NvmlSource:
        source = self.source(**settings)
        source.open()
        return source

    @property
    def users(self) -> int:
        """How often NVML is initialised."""
        return int(self._library.fake_initialized())

    @property
    def live_samples(self) -> int:
        """How many buffers of GPM are allocated."""
        return int(self._library.fake_live_samples())

    def end(self) -> None:
        """Close everything, and show that NVML's rules were kept."""
        self.release()
        for source in self._sources:
            source.close()
        assert self._library.fake_violations() == 0, self._library.fake_violation().decode()
        assert (self.users, self.live_samples) == (0, 0)


@contextmanager
def machine(library: Path) -> Iterator[Machine]:
    """Run with a library in the place of NVML, and leave no trace of it in the process.

    pynvml finds it by its soname, because it is loaded already.
    """
    loaded = ctypes.CDLL(str(library))
    fake = Machine(loaded)
    try:
        yield fake
        fake.end()
    finally:
        used, pynvml.nvmlLib = pynvml.nvmlLib, None
        pynvml._nvmlGetFunctionPointer_cache.clear()
        if used is not None:
            assert used._handle == loaded._handle, "pynvml found another libnvidia-ml.so.1"
            _ctypes.dlclose(used._handle)
        _ctypes.dlclose(loaded._handle)


#: What can fail on a GPU that answers nothing, though it is there.
EVERY_READING = (
    *("UtilizationRates", "MemoryInfo_v2", "TemperatureV", "Temperature", "TotalEccErrors"),
    *("RemappedRows", "CurrentClocksEventReasons", "CurrentClocksThrottleReasons"),
    *("PcieReplayCounter", "FieldValues"),
)
Values = dict[tuple[str, ...], float]


def table(readings: Iterable[Reading]) -> Values:
    """Return values by metric and label values, and show that no series is there twice."""
    values: Values = {}
    for metric, value, labels in readings:
        key = (metric.removeprefix("butterfly_"), *labels.values())
        assert key not in values, f"{key} twice"
        values[key] = value
    return values


def besides_health(readings: Iterable[Reading]) -> list[Reading]:
    """Return all but what tells that a GPU is failing."""
    return [each for each in readings if not each.metric.startswith("butterfly_otel_gpu_")]


def only(readings: Iterable[Reading], metric: str) -> Values:
    """Return one metric's values by label values."""
    values = table(readings)
    return {key[1:]: value for key, value in values.items() if key[0] == metric}


def up(readings: Iterable[Reading]) -> dict[str, float]:
    """Return `butterfly_otel_device_up` by device."""
    return {key[-1]: value for key, value in only(readings, "otel_device_up").items()}
