"""How many streaming multiprocessors a GPU has, and how many tensor cores each of them.

NVML tells CUDA cores and the compute capability; the cores of one multiprocessor follow from
the latter (CUDA C++ Programming Guide, Compute Capabilities). An unknown architecture gives
None, and then nothing is reported rather than something guessed.
"""

from __future__ import annotations

from typing import NamedTuple


class PerSm(NamedTuple):
    """What one multiprocessor has.

    Attributes:
        cores: CUDA cores, as NVML counts them.
        tensor_cores: Tensor cores, 0 where the architecture has none.
    """

    cores: int
    tensor_cores: int


_BY_CAPABILITY: dict[tuple[int, int], PerSm] = {
    (6, 0): PerSm(64, 0),
    (6, 1): PerSm(128, 0),
    (6, 2): PerSm(128, 0),
    (8, 0): PerSm(64, 4),
    (8, 6): PerSm(128, 4),
    (8, 7): PerSm(128, 4),
    (8, 9): PerSm(128, 4),
}
_BY_MAJOR: dict[int, PerSm] = {
    5: PerSm(128, 0),
    7: PerSm(64, 8),
    9: PerSm(128, 4),
    10: PerSm(128, 4),
    12: PerSm(128, 4),
}


def per_sm(capability: tuple[int, int]) -> PerSm | None:
    """Return what a multiprocessor of this compute capability has, None where unknown."""
    return _BY_CAPABILITY.get(capability) or _BY_MAJOR.get(capability[0])


def sm_count(cores: int, capability: tuple[int, int]) -> int | None:
    """Return how many multiprocessors have that many CUDA cores together, None where unknown."""
    each = per_sm(capability)
    if each is None or cores <= 0 or cores % each.cores:
        return None
    return cores // each.cores
