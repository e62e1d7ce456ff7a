"""What NVML answers, with types: nothing here calls it."""

from __future__ import annotations

from typing import NamedTuple, NewType

#: NVML's pointers. They stay valid until NVML is shut down, or their MIG instance destroyed.
Handle = NewType("Handle", object)
Sample = NewType("Sample", object)
EventSet = NewType("EventSet", object)


class NvmlError(Exception):
    """A call of NVML failed.

    Attributes:
        code: NVML's return value; see `Code` for those that decide something.
        call: The function that failed.
    """

    def __init__(self, code: int, call: str, text: str) -> None:
        super().__init__(f"{call}: {text} (NVML error {code})")
        self.code = code
        self.call = call


class NotToldError(NvmlError):
    """The call did not fail, but its answer stands for a number that can't be told."""


class Memory(NamedTuple):
    """Memory of a device in bytes; what the driver reserves is only in ``total``."""

    used: int
    free: int
    total: int


class Rates(NamedTuple):
    """Shares of the last sampling period, in percent."""

    gpu: int
    memory: int


class Process(NamedTuple):
    """A process that computes on a device; ``used`` is None where the driver does not tell."""

    pid: int
    used: int | None


class Remapped(NamedTuple):
    """Whether rows of a GPU's memory wait for a reset to be replaced, and whether one can't be."""

    pending: bool
    failed: bool


class Event(NamedTuple):
    """Something that has happened to a GPU.

    Attributes:
        device: Which GPU, as :meth:`.Nvml.key` has it.
        xid: The number of the error that the driver has met.
    """

    device: int
    xid: int
