"""A node of several processes, all of them in this one: providers with readers of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.sharing.merging import Merging
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.showing import MetricsContent, Showing


@dataclass
class Told:
    """What the processes of a group have told."""

    ended: bytes | None
    members: dict[int, bytes]
    late: tuple[int, ...] = ()


class Process:
    """One process: what it measures by, and what it tells."""

    def __init__(
        self, modes: Modes, *, leads: bool = False, provider: type[Any] = MeterProvider, **how: Any
    ) -> None:
        self.leads = leads
        self.registry = CollectorRegistry()
        self.reader = PrometheusMetricReader(
            registry=self.registry, scope_info_enabled=False, disable_target_info=True
        )
        self.provider = provider([self.reader], shutdown_on_exit=False, **how)
        self.meter = self.provider.get_meter("app")
        self.content = MetricsContent(self.reader, modes, lambda: self.leads)


@dataclass
class Node:
    """Processes by their slots, and what those that have ended left."""

    modes: Modes = field(default_factory=Modes)
    processes: dict[int, Process] = field(default_factory=dict)
    ended: bytes | None = None
    late: tuple[int, ...] = ()

    def start(self, slot: int | None = None, **how: Any) -> Process:
        """Begin another process."""
        made = Process(self.modes, **how)
        at = len(self.processes) if slot is None else slot
        self.processes[at] = made
        made.reader.share(Showing(made.reader, self.modes, self.told))
        return made

    def told(self, timeout: float = 10.0) -> Told:
        """Ask all processes."""
        del timeout
        members = {slot: each.content.snapshot() for slot, each in self.processes.items()}
        return Told(self.ended, members, self.late)

    def end(self, *slots: int) -> None:
        """Let processes end, after they have told what they had."""
        dead = [self.processes.pop(slot).content for slot in slots]
        self.ended = dead[0].fold(self.ended, [each.snapshot() for each in dead])

    def data(self) -> MetricsData:
        """Merge what there is, remembering nothing."""
        told = self.told()
        return Merging(self.modes).merge(told.ended, told.members).data


def text(process: Process, accept: str | None = None) -> str:
    """Scrape a process."""
    return process.reader.render(accept)[1].decode()


def lines(process: Process, name: str = "") -> list[str]:
    """Return the samples of a scrape whose names begin so."""
    return [
        line for line in text(process).splitlines() if line.startswith(name) and line[:1] != "#"
    ]


def value(process: Process, series: str) -> float | None:
    """Return the value of a series; None where it is not shown."""
    found = [
        line.rpartition(" ")[2] for line in lines(process) if line.rpartition(" ")[0] == series
    ]
    return float(found[0]) if found else None
