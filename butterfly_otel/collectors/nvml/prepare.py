"""Making a device of what discovery has found: what it has, and what to read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from butterfly_otel.collectors.nvml import contract, extended, health
from butterfly_otel.collectors.nvml.answers import NvmlError
from butterfly_otel.collectors.nvml.cores import per_sm, sm_count
from butterfly_otel.collectors.nvml.device import Device, Units
from butterfly_otel.collectors.nvml.gpm import Gpm

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.collectors.host_memory import Capacity
    from butterfly_otel.collectors.nvml.api import Nvml
    from butterfly_otel.collectors.nvml.device import Found, Probe
    from butterfly_otel.collectors.nvml.problems import Problems

#: The slow readings of GPUs are spread over this many turns.
_TURNS = 8


class Wanted(NamedTuple):
    """What to read of each device.

    Attributes:
        extensions: Whether to read the metrics beyond the contract.
        processes: Of how many processes a device to tell the memory.
        clock: Seconds, monotonic.
        host: Reads the machine's memory.
    """

    extensions: bool
    processes: int
    clock: Callable[[], float]
    host: Callable[[], Capacity | None]


def prepare(nvml: Nvml, found: Found, wanted: Wanted, problems: Problems) -> Device:
    """Find out what a device can do.

    Raises:
        UnavailableError: When NVML as a whole no longer answers.
        DeviceLostError: When the device is lost.
    """
    gpm, units, settled = None, Units(), True
    try:
        if not found.in_mig_mode:
            gpm = _gpm(nvml, found, wanted)
        if gpm is not None:
            units = _units(nvml, found)
    except NvmlError as error:
        settled = problems.sort(error, found.gpu_id, contract.COUNTERS.what, mig=False)
    turn = found.gpu_index % _TURNS * extended.PCIE_INTERVAL / _TURNS
    return Device(
        nvml,
        found,
        units,
        gpm,
        _probes(found, wanted),
        settled=settled,
        pcie_due=wanted.clock() + turn,
        host=wanted.host,
    )


def _probes(found: Found, wanted: Wanted) -> tuple[Probe, ...]:
    if found.gpu_instance is not None:
        ours, more = contract.OF_AN_INSTANCE, extended.of_an_instance(wanted.processes)
    elif found.in_mig_mode:
        ours = (*contract.OF_A_GPU_IN_MIG_MODE, *health.OF_A_GPU)
        more = extended.of_a_gpu_in_mig_mode(wanted.clock)
    else:
        ours = (*contract.OF_A_GPU, *health.OF_A_GPU)
        more = extended.of_a_gpu(wanted.processes, wanted.clock)
    return (*ours, *more) if wanted.extensions else ours


def _gpm(nvml: Nvml, found: Found, wanted: Wanted) -> Gpm | None:
    if not nvml.gpm_supported(found.board):
        return None
    ids = (*contract.GPM_IDS, *extended.GPM_IDS) if wanted.extensions else contract.GPM_IDS
    return Gpm(nvml, found.gpu_instance, ids, wanted.clock)


def _units(nvml: Nvml, found: Found) -> Units:
    capability = nvml.compute_capability(found.board)
    if found.gpu_instance is None:
        sms = sm_count(nvml.cores(found.board), capability)
    else:
        sms = sum(nvml.mig_sm_count(handle) for handle in found.handles)
    each = per_sm(capability)
    tensor_cores = sms * each.tensor_cores if sms and each and each.tensor_cores else None
    return Units(sms or None, tensor_cores)
