"""Reading the contract's metrics of a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog import resources
from butterfly_otel.collectors.nvml.codes import GpmId
from butterfly_otel.collectors.nvml.device import Probe
from butterfly_otel.collectors.source import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from butterfly_otel.collectors.nvml.device import Device

_UTILIZATION = resources.GPU_UTILIZATION_RATIO.name
MEMORY_NAME = resources.GPU_MEMORY_BYTES.name
_TEMPERATURE = resources.GPU_TEMPERATURE_CELSIUS.name
_UNITS = resources.GPU_COMPUTE_UNIT_ACTIVE.name
METRICS = (_UTILIZATION, MEMORY_NAME, _TEMPERATURE, _UNITS)

#: What GPM is asked for.
GPM_IDS = (GpmId.GRAPHICS_UTIL, GpmId.SM_UTIL, GpmId.ANY_TENSOR_UTIL)
_SLACK = 1.0


def share(percent: float, *, slack: float = 0.0) -> float | None:
    """Return a percentage as a ratio, None for what can be no share.

    Args:
        percent: As the driver gave it.
        slack: By how much it may exceed 100 and still be taken for 100.
    """
    return min(percent / 100, 1.0) if 0 <= percent <= 100 + slack else None


def average(averages: Mapping[int, float], metric: GpmId) -> float | None:
    """Return an average of GPM as a ratio; rounding there may exceed 100 a little."""
    percent = averages.get(metric)
    return None if percent is None else share(percent, slack=_SLACK)


def _utilization(device: Device) -> Iterator[Reading]:
    ratio = share(device.rates().gpu)
    if ratio is not None:
        yield Reading(_UTILIZATION, ratio, device.labels)


def _memory(device: Device) -> Iterator[Reading]:
    memory = device.memory()
    yield Reading(MEMORY_NAME, memory.used, {**device.labels, "state": "used"})
    yield Reading(MEMORY_NAME, memory.free, {**device.labels, "state": "free"})


def _temperature(device: Device) -> Iterator[Reading]:
    yield Reading(_TEMPERATURE, device.nvml.temperature(device.handle), device.labels)


def _counters(device: Device) -> Iterator[Reading]:
    if device.gpm is None:
        return
    device.averages = device.gpm.read(device.found.board)
    # The driver's own utilisation covers every GPU but those in MIG mode.
    if device.is_instance or device.lacks(UTILIZATION.what):
        ratio = average(device.averages, GpmId.GRAPHICS_UTIL)
        if ratio is not None:
            yield Reading(_UTILIZATION, ratio, device.labels)
    units = (
        ("sm", GpmId.SM_UTIL, device.units.sms),
        ("tensor_core", GpmId.ANY_TENSOR_UTIL, device.units.tensor_cores),
    )
    for unit_type, metric, there in units:
        ratio = average(device.averages, metric)
        if ratio is not None and there is not None:
            yield Reading(_UNITS, ratio * there, {**device.labels, "unit_type": unit_type})


UTILIZATION = Probe("utilization", _utilization)
MEMORY = Probe("memory", _memory)
TEMPERATURE = Probe("temperature", _temperature)
#: After `UTILIZATION`, for which it steps in; before all that reads ``device.averages``.
COUNTERS = Probe("performance counters", _counters)

OF_A_GPU: tuple[Probe, ...] = (UTILIZATION, MEMORY, TEMPERATURE, COUNTERS)
#: In MIG mode memory and cores are the instances', so that nothing is counted twice; the
#: sensor is still one for the whole GPU.
OF_A_GPU_IN_MIG_MODE: tuple[Probe, ...] = (TEMPERATURE,)
OF_AN_INSTANCE: tuple[Probe, ...] = (MEMORY, COUNTERS)
