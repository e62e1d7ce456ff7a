"""Memory of this node: pools that are disjoint, their peak, fragmentation, and the limit.

The application's pools and PyTorch's memory come from :mod:`butterfly_otel.pools`, the rest from
the system.
"""

from __future__ import annotations

import os
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.collectors.host_memory import find_host
from butterfly_otel.collectors.source import Reading, UnavailableError
from butterfly_otel.memory.books import POOLS
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.collectors.host_memory import Host
    from butterfly_otel.memory.books import Pools
    from butterfly_otel.memory.parts import Part, TorchMemory

_ALLOCATED = "butterfly_memory_allocated_bytes"
_PEAK = "butterfly_memory_peak_bytes"
_FRAGMENTATION = "butterfly_memory_fragmentation_ratio"
_LIMIT = "butterfly_otel_memory_limit_bytes"
_USED = "butterfly_otel_memory_used_bytes"
_NONE: Mapping[str, str] = {}


class MemorySource:
    """Reads this process' memory and what it may use.

    What can't be told is left out: without ``/proc`` and psutil, the pool ``system`` and the
    limit; while a pool does not know its bytes, all series those are part of.

    Args:
        root: Directory to read instead of ``/``: ``proc`` and the mounts of cgroups are in it.
        pools: The books to read.
    """

    name = "memory"
    metrics = (_ALLOCATED, _PEAK, _FRAGMENTATION, _LIMIT, _USED)
    interval = 5.0
    deadline = 5.0

    def __init__(self, *, root: Path | str = "/", pools: Pools = POOLS) -> None:
        self._root = Path(root)
        self._pools = pools
        self._host: Host | None = None
        self._peak: float = 0
        self._process_id = os.getpid()

    def open(self) -> None:
        """Find out how memory is read here."""
        self._host = find_host(self._root)

    def read(self) -> Sequence[Reading]:
        """Read everything once.

        Raises:
            UnavailableError: When nothing at all can be told.
        """
        host = self._host = self._host or find_host(self._root)
        parts = self._pools.parts()
        torch = _fresh(self._pools.torch)
        process, capacity = host.process(), host.capacity()
        allocated = allocated_by_pool(parts, torch, process.now)
        readings = [Reading(_ALLOCATED, used, {"pool": pool}) for pool, used in allocated.items()]
        peak = self._peak_with(
            sum(allocated.values()), process.now, process.peak, torch and torch.peak
        )
        if peak:
            readings.append(Reading(_PEAK, peak, _NONE))
        ratio = fragmentation(parts, torch)
        if ratio is not None:
            readings.append(Reading(_FRAGMENTATION, ratio, _NONE))
        if capacity is not None:
            readings.append(Reading(_LIMIT, capacity.limit, _NONE))
            if capacity.used is not None:
                readings.append(Reading(_USED, capacity.used, _NONE))
        if not readings:
            raise UnavailableError(
                "memory can't be read here: there is no /proc and no psutil"
                " (pip install 'butterfly-otel[psutil]'), and no pool is registered"
            )
        return readings

    def close(self) -> None:
        """Forget how memory is read; what was the peak stays known."""
        self._host = None

    def _peak_with(self, *seen: float | None) -> float:
        """Return the running maximum of this process, a forked one's being its own."""
        if os.getpid() != self._process_id:
            self._process_id, self._peak = os.getpid(), 0
        self._peak = max(self._peak, self._pools.peak, *(each for each in seen if each is not None))
        return self._peak


def allocated_by_pool(
    parts: Sequence[Part], torch: TorchMemory | None, resident: float | None
) -> dict[str, float]:
    """Return the bytes of each pool, none of which is in two of them.

    Args:
        parts: What the application has registered. NaN makes every pool that it is part of, or
            taken from, one that can't be told.
        torch: What PyTorch has; its allocations are the pool ``tensor`` less what of them is in
            a model or a registered pool.
        resident: Resident bytes of the process, which are the pool ``system`` less what of
            them is in the others.
    """
    used: dict[str, float] = {}
    for part in parts:
        used[part.pool] = used.get(part.pool, 0) + part.used
    on_host = sum(part.used for part in parts if part.place == "host")
    if torch is not None:
        models = torch.host_model + torch.torch_model + torch.device_model
        if models:
            used["model"] = used.get("model", 0) + models
        if torch.allocated is not None:
            named = sum(part.used for part in parts if part.place == "torch")
            rest = _rest(torch.allocated, torch.torch_model + named)
            used["tensor"] = used.get("tensor", 0) + rest
        on_host += torch.host_model
    if resident is not None:
        used["system"] = _rest(resident, on_host)
    return {pool: amount for pool, amount in used.items() if not isnan(amount)}


def fragmentation(parts: Sequence[Part], torch: TorchMemory | None) -> float | None:
    """Return used over reserved memory, at most 1, of all allocators that tell both.

    ``None`` where none does, none has reserved any, or one of them can't tell just now.
    """
    pairs = [(part.used, part.reserved) for part in parts if part.reserved is not None]
    if torch is not None and torch.allocated is not None:
        pairs.append((torch.unfragmented, torch.reserved))
    reserved = sum(pair[1] for pair in pairs)
    used = sum(min(pair) for pair in pairs)
    return used / reserved if reserved > 0 and not isnan(used) else None


def _rest(whole: float, named: float) -> float:
    """Return what remains; the two are not read at one moment, so it may seem less than 0."""
    rest = whole - named
    return rest if isnan(rest) else max(0, rest)


def _fresh(torch: TorchMemory | None) -> TorchMemory | None:
    """Return a reading that is known to be of now: NaN for all that a stale one can't tell."""
    if torch is None or timing.monotonic() <= torch.expires:
        return torch
    return torch._replace(
        host_model=nan,
        torch_model=nan,
        device_model=nan,
        allocated=None if torch.allocated is None else nan,
        unfragmented=nan,
        reserved=nan,
    )
