"""What goes wrong with a device, said once and sorted by what follows from it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from butterfly_otel.collectors.nvml.codes import (
    DEVICE_LOST,
    HANDLE_DEAD,
    LIBRARY_GONE,
    UNSUPPORTED,
    Code,
)
from butterfly_otel.collectors.source import UnavailableError

if TYPE_CHECKING:
    from butterfly_otel.collectors.nvml.answers import NvmlError

_logger = logging.getLogger("butterfly_otel")

#: Why NVML cannot be used at all, by what it answers.
_UNAVAILABLE = {
    Code.LIBRARY_NOT_FOUND: (
        "NVIDIA's driver library (libnvidia-ml.so.1) was not found: there is no driver here,"
        " or it is not mapped into this container"
    ),
    Code.DRIVER_NOT_LOADED: "NVIDIA's kernel driver is not loaded",
    Code.NO_PERMISSION: "this process may not talk to NVIDIA's driver (/dev/nvidiactl)",
    Code.LIB_RM_VERSION_MISMATCH: (
        "NVIDIA's driver was updated since this process loaded its library;"
        " GPU metrics come back when the process is restarted"
    ),
}


class DeviceLostError(Exception):
    """A device no longer answers, and will not before it is reset or replaced."""


class HandleDeadError(Exception):
    """The handle belongs to something that is no more; devices have to be found again."""


def unavailable(error: NvmlError) -> UnavailableError:
    """Return the sentence to raise when NVML as a whole does not work."""
    known = {int(code): sentence for code, sentence in _UNAVAILABLE.items()}
    return UnavailableError(known.get(error.code, f"NVML does not work: {error}"))


class Problems:
    """Logs each problem the first time it occurs, for as long as the source lives."""

    def __init__(self) -> None:
        self._said: set[tuple[object, ...]] = set()

    def once(self, *key: object, level: int, message: str) -> None:
        """Log ``message`` unless something was logged under the same key before."""
        if key not in self._said:
            self._said.add(key)
            _logger.log(level, message)

    def forget(self, *key: object) -> None:
        """Have the next problem under this key logged again, since this one is over."""
        self._said.discard(key)

    def raise_if_gone(self, error: NvmlError) -> None:
        """Raise what an error means for more than the one reading that met it.

        Raises:
            UnavailableError: When NVML as a whole no longer answers.
            DeviceLostError: When the device is lost.
        """
        if error.code in LIBRARY_GONE:
            raise unavailable(error) from error
        if error.code in DEVICE_LOST:
            raise DeviceLostError(str(error)) from error

    def sort(self, error: NvmlError, device: str, what: str, *, mig: bool) -> bool:
        """Return whether ``what`` is of no use on this device until devices are found again.

        Raises:
            UnavailableError: When NVML as a whole no longer answers.
            DeviceLostError: When the device is lost.
            HandleDeadError: When the MIG instance behind the handle is gone.
        """
        self.raise_if_gone(error)
        if mig and error.code in HANDLE_DEAD:
            raise HandleDeadError(str(error)) from error
        unsupported = error.code in UNSUPPORTED
        if error.code == Code.NO_PERMISSION:
            self.once(
                what,
                error.code,
                level=logging.WARNING,
                message=f"GPU {what} is left out: this process may not read it ({error})",
            )
            return True
        self.once(
            device,
            what,
            error.code,
            level=logging.DEBUG if unsupported else logging.WARNING,
            message=f"{what} of GPU {device} is left out: {error}",
        )
        return unsupported
