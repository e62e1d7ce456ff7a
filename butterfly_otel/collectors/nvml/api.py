"""Every call of `pynvml`, with types, and the only module that knows it.

`pynvml` (nvidia-ml-py) has no types, imports nothing of ours and loads the driver's library
when it is initialised; here its calls get types, its errors become `NvmlError`, and calls that
an older driver or an older `nvidia-ml-py` lacks fall back on their predecessors.
"""

from __future__ import annotations

import ctypes
import importlib
import math
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.collectors.nvml.answers import (
    Event,
    EventSet,
    Handle,
    Memory,
    NotToldError,
    NvmlError,
    Process,
    Rates,
    Remapped,
    Sample,
)
from butterfly_otel.collectors.nvml.codes import TOO_OLD, XID_CRITICAL_ERROR, Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

#: Members of the union in `nvmlFieldValue_t`, by `valueType`.
_FIELD_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
_MEMORY_V2 = 0x02000028
#: NVML_VALUE_NOT_AVAILABLE, which stands for a number that cannot be told: -1, as wide as that is.
_NOT_AVAILABLE = frozenset({-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})
_SENSOR_GPU = 0


class Nvml:
    """NVML, initialised. Use it from one thread.

    Raises:
        ImportError: From the constructor, when `nvidia-ml-py` is not installed.
        NvmlError: From the constructor and every method, as NVML says.
    """

    def __init__(self) -> None:
        self._pynvml: ModuleType = importlib.import_module("pynvml")
        self._older: set[str] = set()
        # 19 kB, so one for all queries of all devices.
        self._gpm_query: Any = None
        self._call("nvmlInitWithFlags", 0)

    def shutdown(self) -> None:
        """Give the library back; every handle and sample is invalid from now on."""
        self._call("nvmlShutdown")

    def _call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - pynvml has no types
        function = getattr(self._pynvml, name, None)
        if function is None:
            text = "nvidia-ml-py is older than this function"
            raise NvmlError(Code.FUNCTION_NOT_FOUND, name, text)
        try:
            return function(*arguments)
        except self._pynvml.NVMLError as error:
            # `.value`, because the exception itself is unhashable and compares with nothing else.
            raise NvmlError(int(error.value), name, str(error)) from None
        except UnicodeDecodeError:
            raise NvmlError(Code.UNKNOWN, name, "the answer is no text") from None

    def _number(self, name: str, *arguments: object) -> int:
        return _told(name, self._call(name, *arguments))

    def _newest(self, key: str, new: tuple[object, ...], old: tuple[object, ...]) -> Any:  # noqa: ANN401 - as above
        """Make the call ``new``, or ``old`` where the driver lacks it, which is then remembered."""
        if key not in self._older:
            try:
                return self._call(str(new[0]), *new[1:])
            except NvmlError as error:
                if error.code not in TOO_OLD:
                    raise
                self._older.add(key)
        return self._call(str(old[0]), *old[1:])

    # Devices

    def driver_version(self) -> str:
        """Return the version of the driver, such as ``570.86.15``."""
        return _text(self._call("nvmlSystemGetDriverVersion"))

    def count(self) -> int:
        """Return how many GPUs there are, among them those that may not be opened."""
        return int(self._call("nvmlDeviceGetCount"))

    def device(self, index: int) -> Handle:
        """Return the handle of a GPU, which attaches to it if nobody has yet."""
        return Handle(self._call("nvmlDeviceGetHandleByIndex", index))

    def uuid(self, handle: Handle) -> str:
        """Return ``GPU-…`` of a GPU, ``MIG-…`` of a MIG device."""
        return _text(self._call("nvmlDeviceGetUUID", handle))

    def pci_address(self, handle: Handle) -> str:
        """Return the PCI address, such as ``00000000:3B:00.0``."""
        return _text(self._call("nvmlDeviceGetPciInfo", handle).busId)

    def model(self, handle: Handle) -> str:
        """Return the product's name."""
        return _text(self._call("nvmlDeviceGetName", handle))

    def compute_capability(self, handle: Handle) -> tuple[int, int]:
        """Return the CUDA compute capability."""
        major, minor = self._call("nvmlDeviceGetCudaComputeCapability", handle)
        return int(major), int(minor)

    def cores(self, handle: Handle) -> int:
        """Return how many CUDA cores a GPU has."""
        return int(self._call("nvmlDeviceGetNumGpuCores", handle))

    # MIG

    def mig_enabled(self, handle: Handle) -> bool:
        """Return whether a GPU is now in MIG mode."""
        current, _pending = self._call("nvmlDeviceGetMigMode", handle)
        return bool(current)

    def mig_slots(self, handle: Handle) -> int:
        """Return how many MIG devices there can be; any of the slots may be empty."""
        return int(self._call("nvmlDeviceGetMaxMigDeviceCount", handle))

    def mig_device(self, handle: Handle, slot: int) -> Handle:
        """Return the handle of the MIG device in a slot."""
        return Handle(self._call("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot))

    def gpu_instance(self, mig: Handle) -> int:
        """Return the id of the GPU instance that a MIG device is part of."""
        return int(self._call("nvmlDeviceGetGpuInstanceId", mig))

    def mig_sm_count(self, mig: Handle) -> int:
        """Return how many multiprocessors a MIG device has."""
        return int(self._call("nvmlDeviceGetAttributes_v2", mig).multiprocessorCount)

    # Readings

    def rates(self, handle: Handle) -> Rates:
        """Return the utilisation of a GPU and of its memory; MIG does not tell it."""
        rates = self._call("nvmlDeviceGetUtilizationRates", handle)
        return Rates(int(rates.gpu), int(rates.memory))

    def memory(self, handle: Handle) -> Memory:
        """Return the memory; before driver 510 ``used`` includes what the driver reserves."""
        call = "nvmlDeviceGetMemoryInfo"
        memory = self._newest("memory", (call, handle, _MEMORY_V2), (call, handle))
        used, free, total = (_told(call, each) for each in (memory.used, memory.free, memory.total))
        return Memory(used, free, total)

    def temperature(self, handle: Handle) -> int:
        """Return the temperature of the GPU's core in degrees Celsius."""
        call = "nvmlDeviceGetTemperature"
        new, old = (f"{call}V", handle, _SENSOR_GPU), (call, handle, _SENSOR_GPU)
        return _told(call, self._newest("temperature", new, old))

    def power(self, handle: Handle) -> float:
        """Return the power a GPU draws, in watts."""
        return self._number("nvmlDeviceGetPowerUsage", handle) / 1000

    def energy(self, handle: Handle) -> float:
        """Return the energy a GPU has used since the driver was loaded, in joules."""
        return self._number("nvmlDeviceGetTotalEnergyConsumption", handle) / 1000

    def ecc_errors(self, handle: Handle, *, corrected: bool) -> int:
        """Return the ECC errors of a GPU's whole life."""
        kind = 0 if corrected else 1
        aggregate = 1
        return self._number("nvmlDeviceGetTotalEccErrors", handle, kind, aggregate)

    def clock_event_reasons(self, handle: Handle) -> int:
        """Return the bits of `CLOCK_EVENT_REASONS` that now hold the clocks."""
        call = "nvmlDeviceGetCurrentClocks"
        new, old = (f"{call}EventReasons", handle), (f"{call}ThrottleReasons", handle)
        return _told(call, self._newest("clock event reasons", new, old))

    def pcie_throughput(self, handle: Handle, *, receive: bool) -> int:
        """Return bytes a second over PCIe. The driver measures for 20 ms before it answers."""
        return self._number("nvmlDeviceGetPcieThroughput", handle, int(receive)) * 1000

    def remapped_rows(self, handle: Handle) -> Remapped:
        """Return what becomes of broken rows of the memory; Ampere and newer."""
        _corrected, _uncorrected, pending, failed = self._call("nvmlDeviceGetRemappedRows", handle)
        return Remapped(bool(pending), bool(failed))

    def pcie_replays(self, handle: Handle) -> int:
        """Return how often data was sent over PCIe once more, since the driver was loaded."""
        return self._number("nvmlDeviceGetPcieReplayCounter", handle)

    # Events

    def events(self) -> EventSet:
        """Return a set that collects events, to be freed before NVML is shut down."""
        return EventSet(self._call("nvmlEventSetCreate"))

    def free_events(self, events: EventSet) -> None:
        """Free a set of events."""
        self._call("nvmlEventSetFree", events)

    def watch_xids(self, handle: Handle, events: EventSet) -> None:
        """Have a GPU's XID errors put into a set from now on."""
        self._call("nvmlDeviceRegisterEvents", handle, XID_CRITICAL_ERROR, events)

    def next_xid(self, events: EventSet) -> Event | None:
        """Take an XID error out of a set, without waiting; None when there is none."""
        try:
            found = self._call("nvmlEventSetWait_v2", events, 0)
        except NvmlError as error:
            if error.code == Code.TIMEOUT:
                return None
            raise
        return Event(self.key(Handle(found.device)), int(found.eventData))

    def key(self, handle: Handle) -> int:
        """Return what is equal for equal handles."""
        return ctypes.cast(cast("Any", handle), ctypes.c_void_p).value or 0

    def fields(
        self, handle: Handle, fields: Sequence[tuple[int, int]]
    ) -> list[tuple[int, float | None]]:
        """Return the field id and the value of each ``(field id, scope)`` that was asked for.

        None stands for what this GPU or driver does not have.
        """
        values: list[tuple[int, float | None]] = []
        for each in self._call("nvmlDeviceGetFieldValues", handle, list(fields)):
            kind = int(each.valueType)
            known = each.nvmlReturn == 0 and kind < len(_FIELD_MEMBERS)
            value = getattr(each.value, _FIELD_MEMBERS[kind]) if known else -1
            told = None if value in _NOT_AVAILABLE else float(value)
            values.append((int(each.fieldId), told))
        return values

    def processes(self, handle: Handle) -> list[Process]:
        """Return the processes that compute on a device, by the host's process ids."""
        # Without a version pynvml raises something that is no NVMLError where it is missing.
        call = "nvmlDeviceGetComputeRunningProcesses"
        found = self._newest("processes", (f"{call}_v3", handle), (f"{call}_v2", handle))
        return [Process(int(each.pid), each.usedGpuMemory) for each in found]

    # GPM

    def gpm_supported(self, handle: Handle) -> bool:
        """Return whether a GPU has performance counters that can be read: Hopper and newer."""
        return bool(self._call("nvmlGpmQueryDeviceSupport", handle).isSupportedDevice)

    def gpm_allocate(self) -> Sample:
        """Return a buffer for one sample, to be freed before NVML is shut down."""
        return Sample(self._call("nvmlGpmSampleAlloc"))

    def gpm_free(self, sample: Sample) -> None:
        """Free a buffer."""
        self._call("nvmlGpmSampleFree", sample)

    def gpm_sample(self, handle: Handle, gpu_instance: int | None, into: Sample) -> None:
        """Take a sample of a GPU, or of one GPU instance of it."""
        if gpu_instance is None:
            self._call("nvmlGpmSampleGet", handle, into)
        else:
            self._call("nvmlGpmMigSampleGet", handle, gpu_instance, into)

    def gpm_metrics(self, older: Sample, newer: Sample, ids: Sequence[int]) -> Mapping[int, float]:
        """Return averages over the time between two samples, without those NVML cannot tell."""
        if self._gpm_query is None:
            self._gpm_query = self._pynvml.c_nvmlGpmMetricsGet_t()
        query = self._gpm_query
        query.version = 1
        query.numMetrics = len(ids)
        query.sample1 = older
        query.sample2 = newer
        for place, metric in enumerate(ids):
            query.metrics[place].metricId = metric
        self._call("nvmlGpmMetricsGet", query)
        told = [(ids[place], query.metrics[place]) for place in range(len(ids))]
        return {
            metric: float(each.value)
            for metric, each in told
            if each.nvmlReturn == 0 and math.isfinite(each.value)
        }


def _told(call: str, value: int) -> int:
    if value in _NOT_AVAILABLE:
        raise NotToldError(Code.NOT_SUPPORTED, call, f"the driver cannot tell and answers {value}")
    return int(value)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
