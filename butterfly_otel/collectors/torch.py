"""PyTorch's memory: tracked models, and the CUDA allocator's statistics.

Read only. PyTorch is never imported and CUDA never initialised from here: both would change the
application (a CUDA context takes hundreds of MB, and can't be used after a fork). Needs torch 2.1
or newer; ``torch.cuda.memory_stats`` documents the statistics.
"""

from __future__ import annotations

import logging
import os
import sys
from itertools import chain
from math import inf, nan
from typing import TYPE_CHECKING, Any

from butterfly_otel.collectors.source import UnavailableError
from butterfly_otel.memory.books import POOLS
from butterfly_otel.memory.parts import TorchMemory
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.collectors.source import Reading
    from butterfly_otel.memory.books import Pools
    from butterfly_otel.memory.parts import Module

_logger = logging.getLogger("butterfly_otel")

#: Variables by which PyTorch's allocator is set up: the name of 2.9 and newer, and that of old.
_SETTINGS = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
#: Readings of a model that is being changed meanwhile before one is given up.
_TRIES = 3


class TorchSource:
    """Reads what PyTorch has, for the collector of memory, which reports it with the rest.

    It yields no series of its own: a pool has parts of several sources. It is a source of its
    own because the allocator's lock is held while the driver works, and a driver may hang: then
    memory is reported without what only PyTorch knows.

    Args:
        pools: The books to enter it in.
        loaded: Modules of this process by name.
        environ: Environment, of which the allocator's settings are read.
        expandable_segments: Whether PyTorch uses expandable segments, where the environment
            does not tell because the application has set it by itself.
        interval: Seconds between two rounds, 5 by default; what was read is stale after three.
    """

    name = "torch"
    metrics: tuple[str, ...] = ()
    deadline = 5.0

    def __init__(
        self,
        *,
        pools: Pools = POOLS,
        loaded: Mapping[str, Any] = sys.modules,
        environ: Mapping[str, str] = os.environ,
        expandable_segments: bool | None = None,
        interval: float | None = None,
    ) -> None:
        self.interval = 5.0 if interval is None else interval
        self._pools = pools
        self._loaded = loaded
        given = expandable_segments
        self._expandable = expandable_in(environ) if given is None else given
        self._logged = False
        self._failed = False

    def open(self) -> None:
        """See whether the application uses PyTorch.

        Raises:
            UnavailableError: When it has not imported it.
        """
        self._torch()

    def read(self) -> Sequence[Reading]:
        """Read once, into the books.

        Raises:
            UnavailableError: When the application has not imported PyTorch.
        """
        torch = self._torch()
        self._failed = True
        host, cuda, other = self._models()
        stats, native = cuda_statistics(torch)
        reserved = sum(each.get("reserved_bytes.all.current", 0) for each in stats)
        allocated = sum(each.get("allocated_bytes.all.current", 0) for each in stats)
        split = sum(each.get("inactive_split_bytes.all.current", 0) for each in stats)
        # Expandable segments and CUDA's own allocator have no split blocks to count.
        unfragmented = reserved - split if native and not self._expandable else allocated
        self._pools.torch = TorchMemory(
            host_model=host,
            torch_model=cuda,
            device_model=other,
            allocated=allocated if stats else None,
            unfragmented=unfragmented,
            reserved=reserved,
            peak=max((each.get("allocated_bytes.all.peak", 0) for each in stats), default=0),
            expires=timing.monotonic() + 3 * self.interval,
        )
        self._failed = False
        return ()

    def close(self) -> None:
        """Take what was read out of the books; after a round that failed, call it unknown."""
        known, failed = self._pools.torch, self._failed
        self._failed = False
        self._pools.torch = known._replace(expires=-inf) if known is not None and failed else None

    def _torch(self) -> Any:  # noqa: ANN401 - a module that is not ours to import
        torch = self._loaded.get("torch")
        if torch is None:
            raise UnavailableError("the application has not imported torch")
        return torch

    def _models(self) -> tuple[float, float, float]:
        """Return the bytes of the tracked models: on the host, on CUDA and on other devices."""
        for attempt in range(_TRIES):
            try:
                return model_bytes(self._pools.modules())
            except Exception as error:  # noqa: BLE001, PERF203 - of any library; a retry
                # Layers may have been added or replaced meanwhile.
                if attempt == _TRIES - 1 and not self._logged:
                    self._logged = True
                    message = "the bytes of a tracked model can't be read: %r (logged once)"
                    _logger.warning(message, error)
        return nan, nan, nan


def expandable_in(environ: Mapping[str, str]) -> bool:
    """Tell whether PyTorch's settings ask for expandable segments."""
    settings = next((environ[name] for name in _SETTINGS if environ.get(name)), "")
    pairs = (part.partition(":") for part in settings.split(","))
    return any(
        key.strip() == "expandable_segments" and on.strip() == "True" for key, _, on in pairs
    )


def cuda_statistics(torch: Any) -> tuple[list[Mapping[str, int]], bool]:  # noqa: ANN401 - a module
    """Return the allocator's statistics of each GPU, and whether it is PyTorch's own allocator.

    None while CUDA is not initialised, and none of an allocator that keeps no statistics.
    """
    # Another thread may be importing it just now.
    cuda = getattr(torch, "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)
    if cuda is None or is_initialized is None or not is_initialized():
        return [], True
    backend = cuda.get_allocator_backend()
    if backend == "pluggable":
        return [], False
    return [cuda.memory_stats(index) for index in range(cuda.device_count())], backend == "native"


def model_bytes(modules: Iterable[Module]) -> tuple[int, int, int]:
    """Return the bytes of models on the host, on CUDA and on other devices.

    Storage that several tensors share counts once. Tensors without memory (the device
    ``meta``) count nothing.
    """
    host, cuda, other = 0, 0, 0
    seen: set[tuple[str, int | None, int]] = set()
    tensors = (chain(module.parameters(), module.buffers()) for module in modules)
    for tensor in chain.from_iterable(tensors):
        # Of a distributed tensor, the part that is here.
        local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
        storage, device = local.untyped_storage(), local.device
        kind = str(device.type)
        where = kind, device.index, int(storage.data_ptr())
        if kind == "meta" or where in seen or not where[2]:
            continue
        seen.add(where)
        size = int(storage.nbytes())
        if kind == "cpu":
            host += size
        elif kind == "cuda":
            cuda += size
        else:
            other += size
    return host, cuda, other
