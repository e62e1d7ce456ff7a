"""What is known of memory at one moment, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What memory is for; ``system`` is what remains and can't be registered.
PoolName = Literal["model", "tensor", "buffer"]
#: Where memory is: in this process' resident memory; on a GPU or another device; or on a GPU,
#: handed out by PyTorch's CUDA allocator.
Place = Literal["host", "device", "torch"]


class Module(Protocol):
    """A ``torch.nn.Module``, as far as it is looked at."""

    def parameters(self) -> Iterable[Any]:
        """Return its parameters."""
        ...

    def buffers(self) -> Iterable[Any]:
        """Return its buffers."""
        ...


class Part(NamedTuple):
    """What one pool has now; NaN where the application could not tell.

    Attributes:
        pool: What the memory is for.
        place: Where it is.
        used: Bytes in use.
        reserved: Bytes its allocator holds for that; ``None`` where there is no such thing.
    """

    pool: PoolName
    place: Place
    used: float
    reserved: float | None


class TorchMemory(NamedTuple):
    """What PyTorch has, as its collector has just read it; NaN where it could not tell.

    Attributes:
        host_model: Bytes of the tracked models in this process' memory.
        torch_model: Bytes of the tracked models in CUDA memory.
        device_model: Bytes of the tracked models on devices of another kind.
        allocated: Bytes of everything in CUDA memory; ``None`` while CUDA is not in use.
        unfragmented: The part of ``reserved`` that is not lost between allocations.
        reserved: Bytes that the CUDA allocator has taken from the driver.
        peak: Most that any one GPU has ever had allocated.
        expires: Value of ``time.monotonic()`` after which this is stale.
    """

    host_model: float
    torch_model: float
    device_model: float
    allocated: float | None
    unfragmented: float
    reserved: float
    peak: float
    expires: float
