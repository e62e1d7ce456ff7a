"""Memory that the application keeps the books of: pools, and models that PyTorch holds.

::

    from butterfly_otel import memory

    staging = memory.pool("buffer")
    with staging.hold(len(chunk)):  # or staging.add(n) and staging.release(n)
        send(chunk)

    cache = memory.pool("buffer", on="torch")  # a KV cache of CUDA tensors
    cache.observe(lambda: arena.used, reserved=lambda: arena.size)

    memory.track_model(model)  # a torch.nn.Module

``butterfly_memory_allocated_bytes`` shows, for each pool's name, the sum of all that is registered
under it. What no pool accounts for of the process' resident memory is the pool ``system``, so
the pools are disjoint and add up. That is why a pool says where its bytes are: those of a GPU are
no part of the resident memory, and those that PyTorch handed out are taken from the pool
``tensor``, which is the rest of PyTorch's CUDA memory.

Pools may be made before ``configure()``; while nothing reads them they cost an addition.
Everything here is thread-safe, also in signal handlers, and a forked child goes on with its
parent's books. In production nothing raises because of an amount: a wrong one is ignored,
counted in ``butterfly_otel_invalid_measurements_total`` and logged once; in strict mode it raises
:class:`~butterfly_otel.MeasurementError`.
"""

# For whoever changes this room: the books never call PyTorch or a driver, `collectors` reads
# them. It may import `process` and `errors`.

from __future__ import annotations

from typing import get_args

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.memory.books import POOLS, MemoryPool, TrackedModel
from butterfly_otel.memory.parts import Module, Place, PoolName

__all__ = ["MemoryPool", "TrackedModel", "pool", "track_model"]


def pool(name: PoolName, *, on: Place = "host") -> MemoryPool:
    """Register memory of one purpose and return what keeps its books.

    Each call registers another pool, to be kept by whoever allocates; it is reported until
    ``close()``, which the end of a ``with`` block calls. Shows up as
    ``butterfly_memory_allocated_bytes{pool}`` while the collector ``memory`` runs.

    Args:
        name: ``model`` (weights), ``tensor`` (activations) or ``buffer`` (caches, staging,
            queues). Pools of one name add up.
        on: Where the bytes are. ``host``: in this process' resident memory. ``torch``: on a GPU,
            in tensors, so that PyTorch's CUDA allocator counts them as well. ``device``: on
            a GPU or another device, from any other allocator.

    Raises:
        ConfigurationError: When ``name`` or ``on`` is none of these.
    """
    _one_of("name", name, get_args(PoolName))
    _one_of("on", on, get_args(Place))
    return POOLS.open(name, on)


def track_model(module: Module) -> TrackedModel:
    """Report the bytes of a ``torch.nn.Module`` in the pool ``model``, on whatever device it is.

    Parameters and buffers are looked at every few seconds while the collector ``torch`` runs;
    tensors that share storage count once, also between models. Its bytes on CUDA devices are
    taken from the pool ``tensor``. The model is weakly referenced: when it is gone, so are
    its bytes. Don't add the same weights to a pool as well.

    Returns:
        A registration; ``close()`` it to report the model no more.

    Raises:
        ConfigurationError: When ``module`` has no ``parameters()`` and ``buffers()``.
    """
    if not all(callable(getattr(module, each, None)) for each in ("parameters", "buffers")):
        msg = (
            f"memory.track_model() got {type(module).__name__}, which has no parameters() and"
            " buffers(); pass a torch.nn.Module, or keep the books of other models in a"
            ' memory.pool("model")'
        )
        raise ConfigurationError(msg)
    return POOLS.track(module)


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(allowed[:-1])
        msg = f"{what} of memory.pool() is {value!r}; it must be {choices} or {allowed[-1]}"
        raise ConfigurationError(msg)
