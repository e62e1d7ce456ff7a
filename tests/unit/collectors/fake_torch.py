"""As much of PyTorch as its collector looks at, with no CUDA unless a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

STATISTICS = ("allocated_bytes.all", "reserved_bytes.all", "inactive_split_bytes.all")


class InitializedError(AssertionError):
    """CUDA would have been initialised, which a real torch does at this call."""


class Device:
    """A ``torch.device``."""

    def __init__(self, kind: str, index: int | None = None) -> None:
        self.type = kind
        self.index = index


class Storage:
    """An untyped storage; one object is one allocation."""

    def __init__(self, size: int, address: int) -> None:
        self._size = size
        self._address = address

    def nbytes(self) -> int:
        return self._size

    def data_ptr(self) -> int:
        return self._address


class Tensor:
    """A tensor, or a view, of a storage."""

    def __init__(self, storage: Storage, kind: str = "cpu", index: int | None = None) -> None:
        self.device = Device(kind, index)
        self._storage = storage

    def untyped_storage(self) -> Storage:
        return self._storage


class DistributedTensor:
    """A DTensor: it has no storage of its own, only that of the part that is here."""

    def __init__(self, local: Tensor) -> None:
        self._local = local

    def to_local(self) -> Tensor:
        return self._local

    def untyped_storage(self) -> Storage:
        raise RuntimeError("Attempted to access the data pointer on an invalid python storage.")


class Module:
    """A ``torch.nn.Module``."""

    def __init__(self, *parameters: Any, buffers: Sequence[Any] = ()) -> None:
        self._parameters = parameters
        self._buffers = buffers
        #: Raised by the next readings, one each.
        self.changing: list[Exception] = []

    def parameters(self) -> Sequence[Any]:
        if self.changing:
            raise self.changing.pop()
        return self._parameters

    def buffers(self) -> Sequence[Any]:
        return self._buffers


class Cuda:
    """The module ``torch.cuda``; every function that would initialise CUDA raises instead."""

    def __init__(self) -> None:
        self.initialized = False
        self.backend = "native"
        #: Allocated, reserved, lost in split blocks, and the most allocated, of each GPU.
        self.gpus: list[tuple[int, int, int, int]] = []
        self.error: Exception | None = None

    def is_initialized(self) -> bool:
        return self.initialized

    def get_allocator_backend(self) -> str:
        self._must_be_initialized()
        return self.backend

    def device_count(self) -> int:
        self._must_be_initialized()
        return len(self.gpus)

    def memory_stats(self, device: int) -> dict[str, int]:
        self._must_be_initialized()
        if self.error is not None:
            raise self.error
        allocated, reserved, lost, peak = self.gpus[device]
        current = dict(zip(STATISTICS, (allocated, reserved, lost), strict=True))
        stats = {f"{name}.current": value for name, value in current.items()}
        if self.backend != "native":
            del stats["inactive_split_bytes.all.current"]
        return {**stats, "allocated_bytes.all.peak": peak}

    def _must_be_initialized(self) -> None:
        if not self.initialized:
            raise InitializedError

    def __getattr__(self, name: str) -> Any:
        raise InitializedError(name)


class Torch:
    """The module ``torch``."""

    def __init__(self) -> None:
        self.cuda = Cuda()
