"""The GPU source: every NVIDIA GPU of this machine, read through NVML."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, get_args

from butterfly_otel.catalog.telemetry import DEVICE_UP
from butterfly_otel.collectors.host_memory import machine_memory
from butterfly_otel.collectors.nvml import contract, health, xids
from butterfly_otel.collectors.nvml.answers import NvmlError
from butterfly_otel.collectors.nvml.api import Nvml
from butterfly_otel.collectors.nvml.discovery import Naming, discover
from butterfly_otel.collectors.nvml.extension_metrics import EXTENSIONS
from butterfly_otel.collectors.nvml.lost import LostDevices
from butterfly_otel.collectors.nvml.prepare import Wanted, prepare
from butterfly_otel.collectors.nvml.problems import (
    DeviceLostError,
    HandleDeadError,
    Problems,
    unavailable,
)
from butterfly_otel.collectors.nvml.xids import Xids
from butterfly_otel.collectors.source import Extension, Reading, UnavailableError
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.collectors.nvml.device import Device, Found
    from butterfly_otel.collectors.nvml.discovery import Discovery

_LONGEST_RETRY = 600.0
_logger = logging.getLogger("butterfly_otel")


def _require_choice(gpu_id: str) -> None:
    if gpu_id not in get_args(Naming):
        choices = ", ".join(map(repr, get_args(Naming)))
        raise ConfigurationError(f"NvmlSource(gpu_id={gpu_id!r}): use one of {choices}.")


def _require_seconds(**arguments: float) -> None:
    for argument, value in arguments.items():
        if not value > 0:
            raise ConfigurationError(
                f"NvmlSource({argument}={value!r}): give a number of seconds above 0."
            )


class NvmlSource:
    """Utilisation, memory, temperature and active compute units of each GPU.

    Yields the contract's ``butterfly_gpu_*`` metrics, ``butterfly_otel_device_up`` and what tells
    that a GPU is failing (``butterfly_otel_gpu_*``), and what `EXTENSIONS` lists where asked for.
    What a GPU cannot tell is left out: compute units need Hopper or newer and the permission to
    read performance counters, row remapping Ampere or newer, and the driver knows no utilisation
    of MIG instances before Hopper.

    A GPU in MIG mode reports its temperature and its health; memory, utilisation and compute units
    are those of its GPU instances, each under an id of its own, so that sums count nothing twice.

    Not thread-safe: one thread opens, reads and closes it. A read waits for the driver, which
    may take for ever; the sampler is there to bear that.

    Args:
        gpu_id: What identifies a GPU in labels. ``"uuid"``, the default, is the only one that
            stays the same when GPUs are added, lost or reordered, across reboots and from one
            container to the next; NVML promises nothing about the order of its indexes.
            ``"index"`` gives 0, 1, 2 (and 0:1 for a MIG instance), as in the specification's
            examples, ``"pci"`` the slot's address, which a replaced GPU inherits.
        extensions: Whether to read the ``hw.*`` metrics as well.
        processes: Of how many processes a GPU to report the memory, those that use the most; 0
            for none. Only with ``extensions``.
        interval: Seconds between two rounds.
        deadline: Seconds after which a round counts as hanging.
        rediscover: Seconds between two searches for GPUs added or gone.
        forget_after: Seconds for which a GPU that NVML no longer lists is reported as down.
        clock: Seconds, monotonic.

    Raises:
        ConfigurationError: When an argument makes no sense.
    """

    name: str = "nvml"
    metrics: tuple[str, ...] = (*contract.METRICS, *health.METRICS, xids.METRIC, DEVICE_UP.name)

    def __init__(
        self,
        *,
        gpu_id: Naming = "uuid",
        extensions: bool = False,
        processes: int = 16,
        interval: float = 5.0,
        deadline: float = 10.0,
        rediscover: float = 30.0,
        forget_after: float = 3600.0,
        clock: Callable[[], float] = timing.now,
    ) -> None:
        _require_choice(gpu_id)
        _require_seconds(
            interval=interval,
            deadline=deadline,
            rediscover=rediscover,
            forget_after=forget_after,
        )
        if processes < 0:
            raise ConfigurationError(f"NvmlSource(processes={processes!r}): give 0 or more.")
        self.interval = interval
        self.deadline = deadline
        self.extensions: tuple[Extension, ...] = EXTENSIONS if extensions else ()
        self._naming: Naming = gpu_id
        self._wanted = Wanted(extensions, processes, clock, machine_memory)
        self._clock = clock
        self._rediscover = rediscover
        self._problems = Problems()
        self._xids = Xids(self._problems)
        self._lost = LostDevices(
            self._problems,
            first_delay=rediscover,
            longest_delay=max(_LONGEST_RETRY, rediscover),
            forget_after=forget_after,
        )
        self._nvml: Nvml | None = None
        self._devices: dict[str, Device] = {}
        #: Every GPU that the last discovery found, and its index.
        self._known: dict[str, int] = {}
        self._count = 0
        self._discovery_due = 0.0
        #: NVML holds on to a lost GPU, which therefore cannot be reset.
        self._holds_lost = False

    def open(self) -> None:
        """Load the driver's library and find the GPUs.

        Raises:
            UnavailableError: When there is no driver, no GPU or no permission.
        """
        self.close()
        try:
            self._start()
            self._need_some_gpu()
        except UnavailableError:
            self.close()
            raise

    def read(self) -> list[Reading]:
        """Read every GPU once, after looking for new ones where that is due.

        Raises:
            UnavailableError: When NVML as a whole no longer answers.
        """
        now = self._clock()
        if self._nvml is None or self._holds_lost:
            self._start()
        elif now >= self._discovery_due:
            self._discover(self._nvml)
        if self._nvml is not None:
            self._xids.take(self._nvml)
        answers: dict[str, list[Reading]] = {}
        for gpu_id, device in list(self._devices.items()):
            # A GPU that is lost has taken its instances with it.
            if gpu_id in self._devices:
                answers[gpu_id] = self._read_device(device, now)
        # And an instance that met the loss has taken its GPU, which was read before it.
        readings = [each for gpu_id in self._devices for each in answers[gpu_id]]
        down = [each for each in self._lost.ids() if each not in self._devices]
        readings.extend(self._up(gpu_id, up=False) for gpu_id in down)
        readings.extend(self._xids.readings({*self._devices, *down}))
        return readings

    def close(self) -> None:
        """Let go of every GPU, so that it can be reset or put into MIG mode."""
        nvml, self._nvml = self._nvml, None
        devices, self._devices = self._devices, {}
        for device in devices.values():
            device.close()
        if nvml is not None:
            try:
                self._xids.close(nvml)
            except NvmlError as error:
                _logger.debug("NVML's events could not be freed: %s", error)
            try:
                nvml.shutdown()
            except NvmlError as error:
                _logger.debug("NVML could not be shut down: %s", error)

    def _start(self) -> None:
        """Start NVML afresh, which lets go of lost GPUs."""
        self.close()
        self._holds_lost = False
        try:
            self._nvml = Nvml()
        except ImportError as error:
            raise UnavailableError(
                f"Python cannot import pynvml, which nvidia-ml-py brings ({error})"
            ) from error
        except NvmlError as error:
            raise unavailable(error) from error
        self._discover(self._nvml)

    def _need_some_gpu(self) -> None:
        if self._devices or self._lost.ids():
            return
        if self._count:
            raise UnavailableError(f"NVML lists {self._count} GPUs and none of them can be read")
        raise UnavailableError("NVML lists no GPU")

    def _discover(self, nvml: Nvml) -> None:
        now = self._clock()
        self._discovery_due = now + self._rediscover
        try:
            self._count = nvml.count()
            skip = self._lost.untouchable(now, self._count)
            indexes = [index for index in range(self._count) if index not in skip]
            discovery = discover(nvml, indexes, self._naming, self._problems)
        except NvmlError as error:
            raise unavailable(error) from error
        self._settle_lost(discovery, skip, now)
        self._xids.watch(nvml, (each for each in discovery.found if each.parent is None))
        before, self._devices = self._devices, {}
        for found in discovery.found:
            known = before.get(found.gpu_id)
            if known is not None and known.settled and known.found.key == found.key:
                known.refresh(found)
                self._devices[found.gpu_id] = before.pop(found.gpu_id)
        for gone in before.values():
            gone.close()
        for found in discovery.found:
            new = found.gpu_id not in self._devices
            if new and (found.parent is None or found.parent in self._devices):
                self._add(nvml, found, now)

    def _settle_lost(self, discovery: Discovery, skip: set[int], now: float) -> None:
        """Compare what was found with what was there and what was lost before."""
        boards = {each.gpu_id: each.gpu_index for each in discovery.found if each.parent is None}
        known, self._known = self._known, boards
        for index, why in discovery.lost.items():
            gpu_id = next((each for each, at in known.items() if at == index), None)
            gpu_id = gpu_id or self._lost.id_at(index)
            self._lose(gpu_id or str(index), index, now, why, named=gpu_id is not None)
        listed = {self._lost.id_at(index) for index in (*discovery.lost, *skip)} | boards.keys()
        for gpu_id in {*known, *self._lost.ids()} - listed:
            self._lost.unlisted(gpu_id, now, self._count)
        self._lost.forget_removed(now)

    def _add(self, nvml: Nvml, found: Found, now: float) -> None:
        try:
            self._devices[found.gpu_id] = prepare(nvml, found, self._wanted, self._problems)
        except DeviceLostError as error:
            self._lose(found.parent or found.gpu_id, found.gpu_index, now, str(error))

    def _read_device(self, device: Device, now: float) -> list[Reading]:
        gpu_id = device.found.gpu_id
        try:
            answer = device.read(self._problems)
        except DeviceLostError as error:
            self._lose(device.found.parent or gpu_id, device.found.gpu_index, now, str(error))
            return []
        except HandleDeadError:
            self._discovery_due = now
            return []
        if answer.up:
            self._lost.back(gpu_id)
        if device.unified:
            self._problems.once(
                "unified memory",
                level=logging.INFO,
                message=(
                    f"GPU {gpu_id} shares the machine's memory: {contract.MEMORY_NAME} tells that"
                    " (MemTotal and MemAvailable of /proc/meminfo)."
                ),
            )
        return [*answer.readings, self._up(gpu_id, up=answer.up)]

    def _lose(self, gpu_id: str, index: int, now: float, why: str, *, named: bool = True) -> None:
        """Drop a GPU and its instances, and have NVML let go of it."""
        self._lost.add(gpu_id, now, index=index, count=self._count, why=why, named=named)
        self._holds_lost = True
        self._known.pop(gpu_id, None)
        for each, device in list(self._devices.items()):
            if gpu_id in {each, device.found.parent}:
                device.close()
                del self._devices[each]

    def _up(self, gpu_id: str, *, up: bool) -> Reading:
        return Reading(DEVICE_UP.name, float(up), {"collector": self.name, "device": gpu_id})
