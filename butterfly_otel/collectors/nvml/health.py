"""Reading what tells that a GPU is failing: errors of its memory and links, held clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from butterfly_otel.catalog import gpus
from butterfly_otel.collectors.nvml.codes import NVLINK_WAYS
from butterfly_otel.collectors.nvml.device import Probe
from butterfly_otel.collectors.source import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.collectors.nvml.codes import Way
    from butterfly_otel.collectors.nvml.device import Device

_MEMORY_ERRORS: Final = gpus.GPU_MEMORY_ERRORS_TOTAL.name
_REMAPPING: Final = gpus.GPU_ROW_REMAPPING.name
_THROTTLED: Final = gpus.GPU_THROTTLED.name
_LINK_ERRORS: Final = gpus.GPU_LINK_ERRORS_TOTAL.name
METRICS: Final = (_MEMORY_ERRORS, _REMAPPING, _THROTTLED, _LINK_ERRORS)

#: Bits of the clock event reasons that are one reason to people. The hardware's own slowdown
#: (0x8) is told beside heat and power brake where it is one of these.
_THERMAL: Final = 0x20 | 0x40
_POWER_BRAKE: Final = 0x80
_POWER_CAP: Final = 0x4
_HARDWARE: Final = 0x8


def _memory_errors(device: Device) -> Iterator[Reading]:
    for kind in ("corrected", "uncorrected"):
        count = device.nvml.ecc_errors(device.handle, corrected=kind == "corrected")
        yield Reading(_MEMORY_ERRORS, count, {**device.labels, "kind": kind})


def _remapping(device: Device) -> Iterator[Reading]:
    rows = device.nvml.remapped_rows(device.handle)
    yield Reading(_REMAPPING, float(rows.pending), {**device.labels, "state": "pending"})
    yield Reading(_REMAPPING, float(rows.failed), {**device.labels, "state": "failed"})


def _throttled(device: Device) -> Iterator[Reading]:
    bits = device.nvml.clock_event_reasons(device.handle)
    told = bits & (_THERMAL | _POWER_BRAKE)
    held = {
        "thermal": bool(bits & _THERMAL),
        "power_brake": bool(bits & _POWER_BRAKE),
        "power_cap": bool(bits & _POWER_CAP),
        "hardware": bool(bits & _HARDWARE) and not told,
    }
    for reason, now in held.items():
        yield Reading(_THROTTLED, float(now), {**device.labels, "reason": reason})


def _pcie_replays(device: Device) -> Iterator[Reading]:
    count = device.nvml.pcie_replays(device.handle)
    yield Reading(_LINK_ERRORS, count, {**device.labels, "link": "pcie", "error": "replay"})


def _nvlink_errors(device: Device) -> Iterator[Reading]:
    if device.ways is None:
        device.ways = tuple(_working(device))
    for way, value in _ask(device, device.ways):
        labels = {**device.labels, "link": "nvlink", "error": way.error}
        yield Reading(_LINK_ERRORS, value, labels)


def _working(device: Device) -> Iterator[Way]:
    """Return the ways in which this GPU answers, one for each kind of error."""
    found: set[str] = set()
    for way, _value in _ask(device, NVLINK_WAYS):
        if way.error not in found:
            found.add(way.error)
            yield way


def _ask(device: Device, ways: Sequence[Way]) -> Iterator[tuple[Way, float]]:
    """Return the sum of what there is of each way, and leave out those of which there is none."""
    wanted = [each for way in ways for each in way.wanted]
    if not wanted:
        return
    # In the order in which they were asked for.
    answers = iter(device.nvml.fields(device.handle, wanted))
    for way in ways:
        values = [next(answers)[1] for _ in way.wanted]
        known = [value for value in values if value is not None]
        if known:
            yield way, sum(known)


OF_A_GPU: Final = (
    Probe("memory errors", _memory_errors),
    Probe("row remapping", _remapping),
    Probe("throttling", _throttled),
    Probe("PCIe replays", _pcie_replays),
    Probe("NVLink errors", _nvlink_errors),
)
