"""What goes wrong, when, and for how long: a plan that follows from the seed alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from butterfly_otel.demo.chance import Chance
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.demo.size import Size

FaultKind = Literal[
    "node_failure",
    "network_partition",
    "quorum_loss",
    "leader_failure",
    "leader_instability",
    "byzantine_fault",
    "gpu_overheating",
    "queue_buildup",
    "memory_pressure",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


@dataclass(frozen=True, slots=True)
class FaultInfo:
    """What there is to know about a kind of fault.

    Attributes:
        seconds: How long it lasts: longer than the ``for`` of the alerts it is to fire.
        alerts: The specification's alerts that look at what it does.
        what: What it is, in a few words.
    """

    seconds: float
    alerts: tuple[str, ...]
    what: str


INFO: dict[FaultKind, FaultInfo] = {
    "node_failure": FaultInfo(150, ("NetworkPartition",), "a compute node is down"),
    "network_partition": FaultInfo(
        150, ("NetworkPartition",), "one half of the compute nodes can't reach the other"
    ),
    "quorum_loss": FaultInfo(
        110,
        ("ClusterBelowQuorum", "NetworkPartition"),
        "no coordinator reaches another: nothing can be decided",
    ),
    "leader_failure": FaultInfo(90, ("NetworkPartition",), "the leader is down"),
    "leader_instability": FaultInfo(
        240, ("FrequentLeaderChanges",), "leaders lose their place again and again"
    ),
    "byzantine_fault": FaultInfo(60, ("ByzantineFaultDetected",), "a compute node lies"),
    "gpu_overheating": FaultInfo(420, ("GPUOverheating",), "a GPU's cooling has failed"),
    "queue_buildup": FaultInfo(
        420, ("QueueBuildup", "HighLatency"), "a compute node is slow while load is high"
    ),
    "memory_pressure": FaultInfo(
        420, ("HighMemoryUsage", "HighErrorRate"), "a compute node runs out of memory"
    ),
}

#: Two kinds of trouble may come together, but those of one track follow each other: what
#: would hide another one's effect is on its track.
_TRACKS: tuple[tuple[FaultKind, ...], ...] = (
    (
        "node_failure",
        "network_partition",
        "leader_failure",
        "leader_instability",
        "byzantine_fault",
    ),
    ("gpu_overheating", "queue_buildup", "memory_pressure", "quorum_loss"),
)
#: Seconds of the first fault of each track, and least and most seconds between two.
_FIRST, _PAUSE = (40.0, 75.0), (30.0, 60.0)
#: Least compute nodes and coordinators that each kind needs to show what it is.
_NEEDS: dict[FaultKind, tuple[int, int]] = {
    "node_failure": (2, 1),
    "network_partition": (4, 1),
    "quorum_loss": (1, 2),
    "leader_failure": (1, 3),
    "leader_instability": (1, 2),
}


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """A fault that is to come, at simulated seconds since the start."""

    start: float
    seconds: float
    kind: FaultKind


def possible(kind: FaultKind, size: Size) -> bool:
    """Tell whether a cluster is large enough for a kind of fault."""
    compute, coordinators = _NEEDS.get(kind, (1, 1))
    if kind == "gpu_overheating" and not size.gpus:
        return False
    return size.compute >= compute and size.coordinators >= coordinators


def require_possible(faults: Sequence[Planned], size: Size) -> None:
    """Refuse faults that a cluster is too small to have.

    Raises:
        ConfigurationError: When there is one.
    """
    for fault in faults:
        if not possible(fault.kind, size):
            compute, coordinators = _NEEDS.get(fault.kind, (1, 1))
            msg = (
                f"this cluster can't have {fault.kind}: it takes {compute} compute nodes (with"
                f" GPUs to overheat) and {coordinators} coordinators; pass --compute and"
                " --coordinators"
            )
            raise ConfigurationError(msg)


def tracks(seed: int, size: Size) -> list[Iterator[Planned]]:
    """Return the endless sequences of faults that a cluster of this size gets.

    Each has luck of its own, so that what goes wrong depends on nothing else.
    """
    return [
        _track(
            Chance(f"{seed}/faults/{number}"),
            [kind for kind in kinds if possible(kind, size)],
            _FIRST[number],
        )
        for number, kinds in enumerate(_TRACKS)
    ]


def _track(chance: Chance, kinds: Sequence[FaultKind], start: float) -> Iterator[Planned]:
    """Plan every kind once, in any order, then all of them again."""
    while kinds:
        for kind in chance.sample(kinds, len(kinds)):
            seconds = INFO[kind].seconds
            yield Planned(start, seconds, kind)
            start += seconds + chance.uniform(*_PAUSE)


def parse_fault(text: str) -> Planned:
    """Read ``KIND@START`` or ``KIND@START+SECONDS``, in simulated seconds.

    >>> parse_fault("gpu_overheating@30+120")
    Planned(start=30.0, seconds=120.0, kind='gpu_overheating')

    Raises:
        ConfigurationError: When it is anything else.
    """
    found = re.fullmatch(r"([a-z_]+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?", text)
    kinds: dict[str, FaultKind] = {kind: kind for kind in KINDS}
    kind = kinds.get(found[1]) if found is not None else None
    if found is None or kind is None:
        msg = (
            f"{text!r} is no fault; write KIND@START+SECONDS, such as gpu_overheating@30+120,"
            f" where KIND is one of {', '.join(KINDS)}"
        )
        raise ConfigurationError(msg)
    return Planned(float(found[2]), float(found[3] or INFO[kind].seconds), kind)
