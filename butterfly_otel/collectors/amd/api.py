"""Every call of `amdsmi`, with types, and the only module that knows it.

`amdsmi` comes with ROCm (or by pip, as a copy that others keep). It loads `libamd_smi.so` when it
is imported, and says on standard output where it does not find it.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NewType, cast

if TYPE_CHECKING:
    from types import ModuleType

_LIBRARY: Final = "libamd_smi.so"
#: A processor, for as long as AMD SMI is initialised.
Handle = NewType("Handle", object)


class Code(IntEnum):
    """The return values of AMD SMI that decide something here (amdsmi.h)."""

    NOT_SUPPORTED = 2
    NOT_YET_IMPLEMENTED = 3
    NO_PERMISSION = 10
    NOT_INITIALIZED = 32
    DRIVER_NOT_LOADED = 34
    NO_DATA = 40


#: AMD SMI as a whole no longer answers.
GONE = frozenset({Code.NOT_INITIALIZED, Code.DRIVER_NOT_LOADED})
#: The device can't tell this.
UNSUPPORTED = frozenset({Code.NOT_SUPPORTED, Code.NOT_YET_IMPLEMENTED, Code.NO_DATA})


class AmdError(Exception):
    """A call of AMD SMI failed.

    Attributes:
        code: What it returned; 0 where `amdsmi` itself raised.
        call: The function that failed.
    """

    def __init__(self, code: int, call: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.code = code
        self.call = call


class MemoryErrors(NamedTuple):
    """Errors of a GPU's memory since its driver was loaded."""

    corrected: int
    uncorrected: int


class AmdSmi:
    """AMD SMI, initialised. Use it from one thread.

    Raises:
        ImportError: From the constructor, when `amdsmi` or its library can't be loaded.
        AmdError: From the constructor and every method, as AMD SMI says.
    """

    def __init__(self) -> None:
        self._amdsmi = _loaded()
        self._call("amdsmi_init")

    def shutdown(self) -> None:
        """Give the library back; every handle is invalid from now on."""
        self._call("amdsmi_shut_down")

    def _call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - amdsmi has no types
        try:
            return getattr(self._amdsmi, name)(*arguments)
        except AttributeError:
            raise AmdError(Code.NOT_SUPPORTED, name, "amdsmi is older than this") from None
        except self._amdsmi.AmdSmiException as error:
            code = cast("object", getattr(error, "err_code", None))
            text = " ".join(str(error).split())
            raise AmdError(code if isinstance(code, int) else 0, name, text) from None
        except UnicodeDecodeError:
            raise AmdError(0, name, "the answer is not text") from None

    def _number(self, name: str, value: object) -> float:
        """Return a number; AMD SMI says ``N/A``, or the largest there is, for none."""
        if not isinstance(value, (int, float)) or value == 2**64 - 1:
            raise AmdError(Code.NO_DATA, name, f"the answer is {value!r}")
        return float(value)

    def devices(self) -> list[Handle]:
        """Return every GPU."""
        return [Handle(each) for each in self._call("amdsmi_get_processor_handles")]

    def uuid(self, handle: Handle) -> str:
        """Return the identity that stays with the GPU."""
        return str(self._call("amdsmi_get_gpu_device_uuid", handle))

    def pci_address(self, handle: Handle) -> str:
        """Return the PCI address, such as ``0000:c1:00.0``."""
        return str(self._call("amdsmi_get_gpu_device_bdf", handle))

    def utilization(self, handle: Handle) -> float:
        """Return the share of the time in which the GPU's engine worked, in percent."""
        name = "amdsmi_get_gpu_activity"
        return self._number(name, self._call(name, handle)["gfx_activity"])

    def memory(self, handle: Handle) -> tuple[float, float]:
        """Return used and free bytes of the GPU's own memory."""
        kind = self._amdsmi.AmdSmiMemoryType.VRAM
        total, used = (
            self._number(name, self._call(name, handle, kind))
            for name in ("amdsmi_get_gpu_memory_total", "amdsmi_get_gpu_memory_usage")
        )
        return used, max(0.0, total - used)

    def temperature(self, handle: Handle) -> float:
        """Return the temperature at the GPU's edge, or where that has no sensor the hottest spot.

        Accelerators of the Instinct series have none at the edge.
        """
        name, kinds = "amdsmi_get_temp_metric", self._amdsmi.AmdSmiTemperatureType
        now = self._amdsmi.AmdSmiTemperatureMetric.CURRENT
        try:
            return self._number(name, self._call(name, handle, kinds.EDGE, now))
        except AmdError as error:
            if error.code not in UNSUPPORTED:
                raise
        return self._number(name, self._call(name, handle, kinds.HOTSPOT, now))

    def memory_errors(self, handle: Handle) -> MemoryErrors:
        """Return the errors that ECC has met."""
        found = self._call("amdsmi_get_gpu_total_ecc_count", handle)
        return MemoryErrors(int(found["correctable_count"]), int(found["uncorrectable_count"]))

    def pcie_replays(self, handle: Handle) -> float:
        """Return how often data was sent over PCIe once more."""
        name = "amdsmi_get_gpu_pci_replay_counter"
        return self._number(name, self._call(name, handle))


def _loaded() -> ModuleType:
    """Import `amdsmi`, if its library is there: without it, it prints and raises a KeyError."""
    spec = find_spec("amdsmi")
    if spec is None or spec.origin is None:
        raise ImportError("No module named 'amdsmi'")
    for each in _libraries(Path(spec.origin).parent):
        try:
            ctypes.CDLL(each)
            break
        except OSError:
            continue
    else:
        raise ImportError(f"{_LIBRARY} was not found: there is no ROCm here")
    try:
        return import_module("amdsmi")
    except ImportError:
        raise
    except Exception as error:  # a library that is older lacks functions
        raise ImportError(f"{type(error).__name__}: {error}") from error


def _libraries(package: Path) -> tuple[str, ...]:
    """Return where `amdsmi` looks for its library, in its order."""
    home = os.environ.get("ROCM_HOME", os.environ.get("ROCM_PATH"))
    roots = (*((home,) if home else ()), "/opt/rocm")
    inside = (str(Path(root, "lib", _LIBRARY)) for root in roots)
    return (*inside, _LIBRARY, str(package / _LIBRARY))
