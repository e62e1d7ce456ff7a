"""One GPU, or one GPU instance of a GPU in MIG mode, and reading it once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from butterfly_otel.collectors.nvml.answers import Memory, NotToldError, NvmlError
from butterfly_otel.collectors.nvml.codes import Code, FieldId
from butterfly_otel.collectors.nvml.problems import HandleDeadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from butterfly_otel.collectors.host_memory import Capacity
    from butterfly_otel.collectors.nvml.answers import Handle, Rates
    from butterfly_otel.collectors.nvml.api import Nvml
    from butterfly_otel.collectors.nvml.codes import Way
    from butterfly_otel.collectors.nvml.gpm import Gpm
    from butterfly_otel.collectors.nvml.problems import Problems
    from butterfly_otel.collectors.source import Reading


class Found(NamedTuple):
    """What discovery knows of a device.

    Attributes:
        gpu_id: Its identity in labels.
        uuid: Its identity for NVML.
        name: Index of the GPU, and of the MIG device in it, for people.
        gpu_index: Index of the GPU.
        board: Handle of the GPU.
        parent: ``gpu_id`` of the GPU of which this is an instance.
        in_mig_mode: Whether this is a GPU whose memory and cores belong to its instances.
        gpu_instance: Id of the GPU instance, None for a whole GPU.
        handles: The GPU's handle; of an instance, those of its compute instances.
    """

    gpu_id: str
    uuid: str
    name: str
    gpu_index: int
    board: Handle
    parent: str | None
    in_mig_mode: bool
    gpu_instance: int | None
    handles: tuple[Handle, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """What two discoveries have in common when nothing about the device has changed."""
        return (self.gpu_id, self.uuid, self.in_mig_mode, self.gpu_instance, len(self.handles))


class Units(NamedTuple):
    """How many compute units a device has, None where that is unknown."""

    sms: int | None = None
    tensor_cores: int | None = None


class Probe(NamedTuple):
    """A reading that a device can do without, switched off alone where it cannot be had.

    Attributes:
        what: What is read, for the log.
        read: Reads it.
        proves_life: Whether a reading is always fresh from the device.
    """

    what: str
    read: Callable[[Device], Iterable[Reading]]
    proves_life: bool = True


class Answer(NamedTuple):
    """What came of reading a device, which is down when it was asked and answered nothing."""

    readings: list[Reading]
    up: bool


#: Fields that count bytes; those a GPU does not have are no longer asked for.
BYTE_FIELDS = tuple(int(field) for field in FieldId)


class Device:
    """A device that was found, and what of it can be read.

    Args:
        nvml: NVML, initialised.
        found: What discovery knows.
        units: Its compute units.
        gpm: Its performance counters, None where it has none.
        probes: What to read, in this order.
        settled: Whether what it has is known for good, rather than for want of an answer.
        pcie_due: When the slow reading of PCIe throughput is first due.
        host: Reads the machine's memory, which is the GPU's where the two share it.
    """

    def __init__(
        self,
        nvml: Nvml,
        found: Found,
        units: Units,
        gpm: Gpm | None,
        probes: tuple[Probe, ...],
        *,
        settled: bool,
        pcie_due: float,
        host: Callable[[], Capacity | None],
    ) -> None:
        self.nvml = nvml
        self.found = found
        self.units = units
        self.gpm = gpm
        self.settled = settled
        self.labels: Mapping[str, str] = {"gpu_id": found.gpu_id}
        self.attributes: Mapping[str, str] = {"hw.id": found.gpu_id, "hw.type": "gpu"}
        #: Averages of the performance counters, as this round has read them.
        self.averages: Mapping[int, float] = {}
        self.fields: tuple[int, ...] = BYTE_FIELDS
        #: In which ways errors of NVLink are counted; None before that was tried.
        self.ways: tuple[Way, ...] | None = None
        self.facts: Mapping[str, str] | None = None
        self.pcie_due = pcie_due
        self.pcie: tuple[Reading, ...] = ()
        #: Whether it has no memory of its own.
        self.unified = False
        self._host = host
        #: Whether NVML has called the handle invalid though the instance is still there.
        self._doubted = False
        self._rates: Rates | None = None
        self._memory: Memory | None = None
        self._probes = probes
        #: What is switched off, and NVML's reason.
        self._off: dict[str, int] = {}

    @property
    def handle(self) -> Handle:
        """The handle to read by: the GPU's, or an instance's first compute instance's."""
        return self.found.handles[0]

    @property
    def is_instance(self) -> bool:
        """Whether this is a GPU instance and no whole GPU."""
        return self.found.gpu_instance is not None

    def rates(self) -> Rates:
        """Return the utilisation, asked for once a round."""
        if self._rates is None:
            self._rates = self.nvml.rates(self.handle)
        return self._rates

    def memory(self) -> Memory:
        """Return the memory, asked for once a round: the machine's where the GPU has none.

        Where CPU and GPU share their memory (Grace and Blackwell in one package, as in GB10, or
        Tegra), NVML does not support the question, and the vendor refers to the kernel's.
        """
        if self._memory is None:
            try:
                self._memory = self.nvml.memory(self.handle)
            except NvmlError as error:
                divided = self.is_instance or self.found.in_mig_mode
                if divided or error.code != Code.NOT_SUPPORTED or isinstance(error, NotToldError):
                    raise
                self._memory = self._shared_memory(error)
        return self._memory

    def _shared_memory(self, error: NvmlError) -> Memory:
        capacity = self._host()
        if capacity is None or capacity.used is None:
            raise error
        self.unified = True
        return Memory(capacity.used, capacity.limit - capacity.used, capacity.limit)

    def lacks(self, what: str) -> bool:
        """Return whether a reading was switched off."""
        return what in self._off

    def refresh(self, found: Found) -> None:
        """Take the handles of a new discovery, and try again what the device lacked.

        What was refused for want of permission stays off, as permissions of a running process
        do not change.
        """
        self.found = found
        self.fields = BYTE_FIELDS
        self.ways = None
        self._off = {what: code for what, code in self._off.items() if code == Code.NO_PERMISSION}

    def read(self, problems: Problems) -> Answer:
        """Read everything once; what cannot be read is left out.

        Raises:
            UnavailableError: When NVML as a whole no longer answers.
            DeviceLostError: When the device is lost.
            HandleDeadError: When the MIG instance is gone.
        """
        self.averages = {}
        self._rates = self._memory = None
        readings: list[Reading] = []
        answered = failed = False
        for probe in self._probes:
            if probe.what in self._off:
                continue
            before = len(readings)
            try:
                readings.extend(probe.read(self))
            except NvmlError as error:
                if self._can_never(error, probe.what, problems):
                    self._off[probe.what] = error.code
                    answered = True
                else:
                    failed = True
            answered = answered or (probe.proves_life and len(readings) > before)
        return Answer(readings, up=answered or not failed)

    def _can_never(self, error: NvmlError, what: str, problems: Problems) -> bool:
        mig = self.is_instance and not self._doubted
        try:
            return problems.sort(error, self.found.gpu_id, what, mig=mig)
        except HandleDeadError:
            self._doubted = True
            raise

    def close(self) -> None:
        """Free what the device holds in NVML."""
        if self.gpm is not None:
            self.gpm.close()
            self.gpm = None
