"""The source of AMD's GPUs: the same metrics of the contract as NVIDIA's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from butterfly_otel.catalog import gpus, resources
from butterfly_otel.catalog.telemetry import DEVICE_UP
from butterfly_otel.collectors.amd.api import (
    GONE,
    UNSUPPORTED,
    AmdError,
    AmdSmi,
    Code,
)
from butterfly_otel.collectors.source import Reading, UnavailableError
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from butterfly_otel.collectors.amd.api import Handle
    from butterfly_otel.settings.config import GpuId

_logger = logging.getLogger("butterfly_otel")
_UTILIZATION: Final = resources.GPU_UTILIZATION_RATIO.name
_MEMORY: Final = resources.GPU_MEMORY_BYTES.name
_TEMPERATURE: Final = resources.GPU_TEMPERATURE_CELSIUS.name
_MEMORY_ERRORS: Final = gpus.GPU_MEMORY_ERRORS_TOTAL.name
_LINK_ERRORS: Final = gpus.GPU_LINK_ERRORS_TOTAL.name


class _Gpu(NamedTuple):
    gpu_id: str
    handle: Handle


def _utilization(smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
    percent = smi.utilization(gpu.handle)
    if 0 <= percent <= 100:  # noqa: PLR2004 - percent
        yield Reading(_UTILIZATION, percent / 100, {"gpu_id": gpu.gpu_id})


def _memory(smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
    for state, size in zip(("used", "free"), smi.memory(gpu.handle), strict=True):
        yield Reading(_MEMORY, size, {"gpu_id": gpu.gpu_id, "state": state})


def _temperature(smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
    yield Reading(_TEMPERATURE, smi.temperature(gpu.handle), {"gpu_id": gpu.gpu_id})


def _memory_errors(smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
    errors = smi.memory_errors(gpu.handle)
    for kind, count in (("corrected", errors.corrected), ("uncorrected", errors.uncorrected)):
        yield Reading(_MEMORY_ERRORS, count, {"gpu_id": gpu.gpu_id, "kind": kind})


def _pcie_replays(smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
    labels = {"gpu_id": gpu.gpu_id, "link": "pcie", "error": "replay"}
    yield Reading(_LINK_ERRORS, smi.pcie_replays(gpu.handle), labels)


_PROBES: Final[tuple[tuple[str, Callable[[AmdSmi, _Gpu], Iterator[Reading]]], ...]] = (
    ("utilization", _utilization),
    ("memory", _memory),
    ("temperature", _temperature),
    ("memory errors", _memory_errors),
    ("PCIe replays", _pcie_replays),
)


class AmdSource:
    """Utilisation, memory, temperature and errors of each AMD GPU.

    Yields ``butterfly_gpu_utilization_ratio``, ``butterfly_gpu_memory_bytes`` and
    ``butterfly_gpu_temperature_celsius``, ``butterfly_otel_device_up``, and of what tells that a
    GPU is failing the errors of its memory and of PCIe. AMD SMI does not count active compute
    units. What a GPU can't tell is left out.

    Not thread-safe: one thread opens, reads and closes it.

    Args:
        gpu_id: What identifies a GPU in labels: ``"uuid"``, ``"index"`` or ``"pci"``, as for
            NVIDIA's.
        interval: Seconds between two rounds.
        deadline: Seconds after which a round counts as hanging.
        rediscover: Seconds between two searches for GPUs added or gone.
        clock: Seconds, monotonic.
    """

    name: str = "amd"
    metrics: tuple[str, ...] = (
        *(_UTILIZATION, _MEMORY, _TEMPERATURE, _MEMORY_ERRORS, _LINK_ERRORS),
        DEVICE_UP.name,
    )

    def __init__(
        self,
        *,
        gpu_id: GpuId = "uuid",
        interval: float = 5.0,
        deadline: float = 10.0,
        rediscover: float = 30.0,
        clock: Callable[[], float] = timing.now,
    ) -> None:
        self.interval = interval
        self.deadline = deadline
        self._naming: GpuId = gpu_id
        self._rediscover = rediscover
        self._clock = clock
        self._smi: AmdSmi | None = None
        self._gpus: tuple[_Gpu, ...] = ()
        self._discovery_due = 0.0
        self._said: set[tuple[object, ...]] = set()

    def open(self) -> None:
        """Load AMD's library and find the GPUs.

        Raises:
            UnavailableError: When there is no library, no driver or no GPU.
        """
        self.close()
        try:
            self._smi = AmdSmi()
            self._discover(self._smi)
        except ImportError as error:
            raise UnavailableError(
                f"Python can't use amdsmi, which comes with AMD's ROCm ({error})"
            ) from error
        except AmdError as error:
            self.close()
            raise UnavailableError(f"AMD SMI does not work: {error}") from error
        if not self._gpus:
            self.close()
            raise UnavailableError("AMD SMI lists no GPU")

    def read(self) -> list[Reading]:
        """Read every GPU once, after looking for new ones where that is due.

        Raises:
            UnavailableError: When AMD SMI as a whole no longer answers.
        """
        smi = self._smi
        if smi is None:
            raise UnavailableError("AMD SMI is not open")
        readings: list[Reading] = []
        try:
            if self._clock() >= self._discovery_due:
                self._discover(smi)
            for gpu in self._gpus:
                readings.extend(self._read_gpu(smi, gpu))
        except AmdError as error:
            raise UnavailableError(f"AMD SMI does not work: {error}") from error
        return readings

    def close(self) -> None:
        """Let go of the library."""
        smi, self._smi = self._smi, None
        self._gpus = ()
        if smi is not None:
            try:
                smi.shutdown()
            except AmdError as error:
                _logger.debug("AMD SMI could not be shut down: %s", error)

    def _discover(self, smi: AmdSmi) -> None:
        self._discovery_due = self._clock() + self._rediscover
        known = {each.gpu_id: each for each in self._gpus}
        found: dict[str, _Gpu] = {}
        for index, handle in enumerate(smi.devices()):
            try:
                gpu_id = self._name(smi, index, handle)
            except AmdError as error:
                self._note(error, f"GPU {index}", "its name")
                continue
            found[gpu_id] = _Gpu(gpu_id, handle)
        # One that is no longer listed answers no more, and is told as down by that.
        self._gpus = tuple({**known, **found}.values())

    def _name(self, smi: AmdSmi, index: int, handle: Handle) -> str:
        if self._naming == "index":
            return str(index)
        return smi.uuid(handle) if self._naming == "uuid" else smi.pci_address(handle)

    def _read_gpu(self, smi: AmdSmi, gpu: _Gpu) -> Iterator[Reading]:
        answered = failed = False
        for what, probe in _PROBES:
            try:
                yield from probe(smi, gpu)
                answered = True
            except AmdError as error:  # noqa: PERF203 - each can be had without the others
                answered = answered or error.code in UNSUPPORTED
                failed = failed or error.code not in UNSUPPORTED
                self._note(error, f"GPU {gpu.gpu_id}", what)
        labels = {"collector": self.name, "device": gpu.gpu_id}
        yield Reading(DEVICE_UP.name, float(answered or not failed), labels)

    def _note(self, error: AmdError, device: str, what: str) -> None:
        """Log the first time that something is left out.

        Raises:
            AmdError: When AMD SMI as a whole no longer answers.
        """
        if error.code in GONE:
            raise error
        key = (device, what, error.code)
        if key not in self._said:
            self._said.add(key)
            usual = error.code in UNSUPPORTED or error.code == Code.NO_PERMISSION
            level = logging.DEBUG if usual else logging.WARNING
            _logger.log(level, "%s of %s is left out: %s", what, device, error)
