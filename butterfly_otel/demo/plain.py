"""A line every few seconds, for logs, pipes and terminals without rich."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from butterfly_otel.demo.window import time_text

if TYPE_CHECKING:
    from typing import TextIO

    from butterfly_otel.demo.window import Status

#: Seconds between two lines.
_EVERY = 5.0
#: Share of its speed below which the simulation is behind.
_BEHIND = 0.9
#: Seconds in which that can't be told yet.
_FIRST_SECONDS = 3.0


class View(Protocol):
    """Shows the demo to a person."""

    def begin(self, status: Status) -> None:
        """Say what has been started."""

    def update(self, status: Status) -> None:
        """Show how things are; called several times a second."""

    def end(self, status: Status) -> None:
        """Say that it is over."""


class PlainView:
    """Writes lines of text.

    Args:
        out: Where to.
        every: Seconds between two lines of numbers.
    """

    def __init__(self, out: TextIO, every: float = _EVERY) -> None:
        self._out = out
        self._every = every
        self._next = 0.0
        self._told = 0

    def begin(self, status: Status) -> None:
        """Say where the metrics are."""
        size = status.cluster.world.size
        self._write(
            f"simulated cluster: coordinators {size.coordinators}, compute nodes {size.compute},"
            f" observers {size.observers}, speed {status.speed:g}, seed {status.seed}"
        )
        for warning in status.warnings:
            self._write(f"warning: {warning}")
        if status.page is not None:
            self._write(f"page: {status.page}")
        if status.endpoint is not None:
            self._write(f"metrics: {status.endpoint}")
        for name, address in status.addresses.items():
            self._write(f"{name}: {address}")
        self._write("stop it with Ctrl-C")

    def update(self, status: Status) -> None:
        """Write what has happened, and every few seconds how things are."""
        self._tell(status)
        if monotonic() >= self._next:
            self._next = monotonic() + self._every
            self._write(line(status))

    def end(self, status: Status) -> None:
        """Write the last numbers."""
        self._tell(status)
        self._write(line(status))
        self._write(f"stopped after {time_text(status.cluster.clock)} of simulated time")

    def _tell(self, status: Status) -> None:
        window = status.window
        fresh = min(window.told - self._told, len(window.notes))
        for clock, note in list(window.notes)[len(window.notes) - fresh :]:
            self._write(f"{time_text(clock)}  * {note}")
        self._told = window.told

    def _write(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()


def line(status: Status) -> str:
    """Return one line that says how the cluster is."""
    cluster, window = status.cluster, status.window
    world, sizes = cluster.world, cluster.sizes()
    leader = world.leader.node_id if world.leader is not None else "none"
    hottest = max((gpu.temperature for node in world.compute for gpu in node.gpus), default=0.0)
    faults = ", ".join(f"{fault.kind} ({fault.detail})" for fault in cluster.faults.active)
    parts = (
        f"{window.request_rate:.1f} requests/s",
        f"{window.error_ratio:.1%} errors",
        f"p50 {window.latency(0.5):.2f} s",
        f"p99 {window.latency(0.99):.2f} s",
        f"{window.token_rate:.0f} tokens/s",
        f"leader {leader}",
        f"voters {sizes['active']}/{world.size.coordinators} (quorum {world.size.quorum})",
        f"queued {max(node.queued for node in world.compute)}",
        f"gpu max {hottest:.0f} °C",
        f"faults: {faults or 'none'}",
        *([f"behind: reaches speed {status.reached:.1f}"] if is_behind(status) else []),
    )
    return f"{time_text(cluster.clock)}  {' | '.join(parts)}"


def is_behind(status: Status) -> bool:
    """Tell whether the simulation does not reach its speed on this machine."""
    begun = status.cluster.clock > _FIRST_SECONDS * status.speed
    return begun and status.reached < _BEHIND * status.speed
