"""Reading the metrics beyond the contract; see `extension_metrics` for what they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from butterfly_otel.collectors.nvml import extension_metrics as metrics
from butterfly_otel.collectors.nvml.answers import NvmlError
from butterfly_otel.collectors.nvml.codes import (
    ALL_LINKS,
    CLOCK_EVENT_REASONS,
    FieldId,
    GpmId,
)
from butterfly_otel.collectors.nvml.contract import COUNTERS, average, share
from butterfly_otel.collectors.nvml.device import Probe
from butterfly_otel.collectors.source import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from butterfly_otel.collectors.nvml.device import Device

_MIB = 1024 * 1024
_DIRECTION = "network.io.direction"
_INTERCONNECT = "hw.gpu.interconnect"

#: What GPM is asked for besides the contract's.
GPM_IDS = (
    GpmId.DRAM_BW_UTIL,
    GpmId.PCIE_TX_PER_SEC,
    GpmId.PCIE_RX_PER_SEC,
    GpmId.NVLINK_TOTAL_TX_PER_SEC,
    GpmId.NVLINK_TOTAL_RX_PER_SEC,
)
_RATES = {
    GpmId.PCIE_TX_PER_SEC: ("pcie", "transmit"),
    GpmId.PCIE_RX_PER_SEC: ("pcie", "receive"),
    GpmId.NVLINK_TOTAL_TX_PER_SEC: ("nvlink", "transmit"),
    GpmId.NVLINK_TOTAL_RX_PER_SEC: ("nvlink", "receive"),
}
#: Interconnect, direction, scope to ask for and bytes in one unit of the field.
_BYTES = {
    FieldId.PCIE_TX_BYTES: ("pcie", "transmit", 0, 1),
    FieldId.PCIE_RX_BYTES: ("pcie", "receive", 0, 1),
    FieldId.NVLINK_DATA_TX_KIB: ("nvlink", "transmit", ALL_LINKS, 1024),
    FieldId.NVLINK_DATA_RX_KIB: ("nvlink", "receive", ALL_LINKS, 1024),
}
#: Seconds between two readings of PCIe throughput that take 40 ms a GPU.
PCIE_INTERVAL = 30.0


def _power(device: Device) -> Iterator[Reading]:
    yield Reading(metrics.POWER.name, device.nvml.power(device.handle), device.attributes)


def _energy(device: Device) -> Iterator[Reading]:
    yield Reading(metrics.ENERGY.name, device.nvml.energy(device.handle), device.attributes)


def _errors(device: Device) -> Iterator[Reading]:
    for kind in ("corrected", "uncorrected"):
        count = device.nvml.ecc_errors(device.handle, corrected=kind == "corrected")
        yield Reading(metrics.ERRORS.name, count, {**device.attributes, "error.type": kind})


def _clock_events(device: Device) -> Iterator[Reading]:
    bits = device.nvml.clock_event_reasons(device.handle)
    for reason, bit in CLOCK_EVENT_REASONS:
        attributes = {**device.attributes, "hw.gpu.clock_event.reason": reason}
        yield Reading(metrics.CLOCK_EVENT.name, 1 if bits & bit else 0, attributes)


def _memory_limit(device: Device) -> Iterator[Reading]:
    total = device.memory().total
    yield Reading(metrics.MEMORY_LIMIT.name, total, device.attributes)


def _dram_active(device: Device) -> Iterator[Reading]:
    ratio = share(device.rates().memory)
    if ratio is not None:
        yield Reading(metrics.DRAM_ACTIVE.name, ratio, device.attributes)


def _dram_utilization(device: Device) -> Iterator[Reading]:
    ratio = average(device.averages, GpmId.DRAM_BW_UTIL)
    if ratio is not None:
        yield Reading(metrics.DRAM_UTILIZATION.name, ratio, device.attributes)


def _moved(device: Device, interconnect: str, direction: str) -> dict[str, str]:
    return {**device.attributes, _INTERCONNECT: interconnect, _DIRECTION: direction}


def _io(device: Device) -> Iterator[Reading]:
    wanted = [(field, _BYTES[FieldId(field)][2]) for field in device.fields]
    if not wanted:
        return
    lacking: set[int] = set()
    for field, value in device.nvml.fields(device.handle, wanted):
        interconnect, direction, _scope, unit = _BYTES[FieldId(field)]
        if value is None:
            lacking.add(field)
        else:
            attributes = _moved(device, interconnect, direction)
            yield Reading(metrics.IO.name, value * unit, attributes)
    device.fields = tuple(field for field in device.fields if field not in lacking)


def _throughput(device: Device, clock: Callable[[], float]) -> Iterator[Reading]:
    for metric, (interconnect, direction) in _RATES.items():
        rate = device.averages.get(metric)
        if rate is not None and rate >= 0:
            attributes = _moved(device, interconnect, direction)
            yield Reading(metrics.THROUGHPUT.name, rate * _MIB, attributes)
    if device.gpm is None or device.lacks(COUNTERS.what):
        now = clock()
        if now >= device.pcie_due:
            device.pcie = ()
            device.pcie_due = now + PCIE_INTERVAL
            device.pcie = tuple(_slow_pcie(device))
        yield from device.pcie


def _slow_pcie(device: Device) -> Iterator[Reading]:
    for direction in ("transmit", "receive"):
        rate = device.nvml.pcie_throughput(device.handle, receive=direction == "receive")
        yield Reading(metrics.THROUGHPUT.name, rate, _moved(device, "pcie", direction))


def _processes(device: Device, most: int) -> Iterator[Reading]:
    used: dict[int, int] = {}
    for handle in device.found.handles:
        for process in device.nvml.processes(handle):
            if process.used is not None:
                used[process.pid] = used.get(process.pid, 0) + process.used
    for pid, size in sorted(used.items(), key=lambda each: (-each[1], each[0]))[:most]:
        attributes = {**device.attributes, "process.pid": str(pid)}
        yield Reading(metrics.PROCESS_MEMORY.name, size, attributes)


def _info(device: Device) -> Iterator[Reading]:
    if device.facts is None:
        found = device.found
        facts = {**device.attributes, "hw.vendor": "NVIDIA", "hw.gpu.uuid": found.uuid}
        if found.parent is not None:
            facts["hw.parent"] = found.parent
        asked: tuple[tuple[str, Callable[[], str]], ...] = (
            ("hw.model", partial(device.nvml.model, device.handle)),
            ("hw.driver_version", device.nvml.driver_version),
            ("hw.gpu.pci_address", partial(device.nvml.pci_address, found.board)),
        )
        for key, ask in asked:
            try:
                facts[key] = ask()
            except NvmlError:  # noqa: PERF203 - each of the facts can be had without the others
                continue
        device.facts = facts
    yield Reading(metrics.INFO.name, 1, {**device.facts, "hw.name": f"GPU {device.found.name}"})


_POWER = Probe("power", _power)
_ENERGY = Probe("energy", _energy)
_ERRORS = Probe("ECC errors", _errors)
_CLOCK_EVENTS = Probe("clock event reasons", _clock_events)
_MEMORY_LIMIT = Probe("memory size", _memory_limit)
_DRAM_ACTIVE = Probe("memory activity", _dram_active)
_DRAM_UTILIZATION = Probe("memory bandwidth", _dram_utilization)
_IO = Probe("bytes moved", _io)
_INFO = Probe("description", _info, proves_life=False)


def _of_processes(most: int) -> tuple[Probe, ...]:
    return (Probe("processes", partial(_processes, most=most)),) if most else ()


def of_a_gpu(processes: int, clock: Callable[[], float]) -> tuple[Probe, ...]:
    """Return what is read of a GPU that is not in MIG mode."""
    own = (_MEMORY_LIMIT, _DRAM_ACTIVE, _DRAM_UTILIZATION)
    return (*of_a_gpu_in_mig_mode(clock), *own, *_of_processes(processes))


def of_a_gpu_in_mig_mode(clock: Callable[[], float]) -> tuple[Probe, ...]:
    """Return what is read of a GPU whose memory and cores are its instances'."""
    throughput = Probe("throughput", partial(_throughput, clock=clock), proves_life=False)
    return (_POWER, _ENERGY, _ERRORS, _CLOCK_EVENTS, _IO, throughput, _INFO)


def of_an_instance(processes: int) -> tuple[Probe, ...]:
    """Return what is read of a GPU instance; what has only one meter is the whole GPU's."""
    return (_INFO, _MEMORY_LIMIT, _DRAM_UTILIZATION, *_of_processes(processes))
