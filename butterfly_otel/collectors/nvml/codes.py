"""NVML's numbers: what its errors mean to us, and what its counters are called.

The numbers are part of NVML's ABI (nvml.h) and are written here so that `pynvml` is imported
only when a GPU is to be read.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """The return values of NVML that decide something here."""

    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    DRIVER_NOT_LOADED = 9
    TIMEOUT = 10
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    LIB_RM_VERSION_MISMATCH = 18
    VGPU_ECC_NOT_SUPPORTED = 22
    ARGUMENT_VERSION_MISMATCH = 25
    DEPRECATED = 26
    GPU_NOT_FOUND = 28
    UNKNOWN = 999


#: NVML as a whole no longer answers: the source is closed and opened again.
LIBRARY_GONE = frozenset(
    {
        Code.UNINITIALIZED,
        Code.DRIVER_NOT_LOADED,
        Code.LIBRARY_NOT_FOUND,
        Code.LIB_RM_VERSION_MISMATCH,
    }
)
#: The device is lost until somebody resets or replaces it.
DEVICE_LOST = frozenset({Code.GPU_IS_LOST, Code.RESET_REQUIRED, Code.GPU_NOT_FOUND})
#: The device or the driver cannot do this, and asking again at once is of no use.
UNSUPPORTED = frozenset(
    {
        Code.NOT_SUPPORTED,
        Code.FUNCTION_NOT_FOUND,
        Code.VGPU_ECC_NOT_SUPPORTED,
        Code.ARGUMENT_VERSION_MISMATCH,
        Code.DEPRECATED,
    }
)
#: The installed driver is older than the call, or than the call's structure.
TOO_OLD = frozenset({Code.FUNCTION_NOT_FOUND, Code.ARGUMENT_VERSION_MISMATCH})
#: What a MIG handle answers once its instance was destroyed.
HANDLE_DEAD = frozenset({Code.INVALID_ARGUMENT, Code.NOT_FOUND})


class GpmId(IntEnum):
    """Metrics of GPM; the first group in percent, the second in MiB/s."""

    GRAPHICS_UTIL = 1
    SM_UTIL = 2
    ANY_TENSOR_UTIL = 5
    DRAM_BW_UTIL = 10

    PCIE_TX_PER_SEC = 20
    PCIE_RX_PER_SEC = 21
    NVLINK_TOTAL_RX_PER_SEC = 60
    NVLINK_TOTAL_TX_PER_SEC = 61


class FieldId(IntEnum):
    """Counters read by `nvmlDeviceGetFieldValues`."""

    NVLINK_DATA_TX_KIB = 138
    NVLINK_DATA_RX_KIB = 139
    PCIE_TX_BYTES = 197
    PCIE_RX_BYTES = 198


class LinkField(IntEnum):
    """Counters of NVLink's errors, likewise; newer GPUs have them a link."""

    CRC_FLIT_TOTAL = 38
    CRC_DATA_TOTAL = 45
    REPLAY_TOTAL = 52
    RECOVERY_TOTAL = 59
    REPLAY_OF_A_LINK = 161
    RECOVERY_OF_A_LINK = 162
    CRC_OF_A_LINK = 163
    RECOVERY_EVENTS_OF_A_LINK = 215


#: Links that a GPU may have.
LINKS = range(18)


class Way(NamedTuple):
    """A way in which GPUs count one kind of error of NVLink.

    Attributes:
        error: The kind.
        fields: Fields whose sum it is.
        each: Whether they are asked for once a link, or once for all links.
    """

    error: str
    fields: tuple[LinkField, ...]
    each: bool

    @property
    def wanted(self) -> list[tuple[int, int]]:
        """Fields and scopes to ask for."""
        return [
            (int(field), link) for field in self.fields for link in (LINKS if self.each else (0,))
        ]


#: Of each kind of error, the first way in which a GPU answers is kept.
NVLINK_WAYS: tuple[Way, ...] = (
    Way("replay", (LinkField.REPLAY_TOTAL,), each=False),
    Way("replay", (LinkField.REPLAY_OF_A_LINK,), each=True),
    Way("recovery", (LinkField.RECOVERY_TOTAL,), each=False),
    Way("recovery", (LinkField.RECOVERY_OF_A_LINK,), each=True),
    Way("recovery", (LinkField.RECOVERY_EVENTS_OF_A_LINK,), each=True),
    Way("crc", (LinkField.CRC_FLIT_TOTAL, LinkField.CRC_DATA_TOTAL), each=False),
    Way("crc", (LinkField.CRC_OF_A_LINK,), each=True),
)
#: The event that tells of an XID error.
XID_CRITICAL_ERROR = 0x8


#: The scope of an NVLink field that means all links together.
ALL_LINKS = 0xFFFFFFFF

#: Bits of `nvmlDeviceGetCurrentClocksEventReasons`, of which several can be set.
CLOCK_EVENT_REASONS: tuple[tuple[str, int], ...] = (
    ("gpu_idle", 0x1),
    ("applications_clocks_setting", 0x2),
    ("sw_power_cap", 0x4),
    ("hw_slowdown", 0x8),
    ("sync_boost", 0x10),
    ("sw_thermal_slowdown", 0x20),
    ("hw_thermal_slowdown", 0x40),
    ("hw_power_brake_slowdown", 0x80),
    ("display_clock_setting", 0x100),
)
