"""Measuring the simulated cluster, through the public API and nothing else.

One process measures what a whole cluster would, so every label that names a node is given
explicitly; a real node leaves it out.

May import: the public API, ``demo``, ``handles`` and the type of a collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.demo.drive.calls import Calls
from butterfly_otel.demo.drive.gauges import Gauges
from butterfly_otel.demo.drive.observed import register
from butterfly_otel.demo.drive.zero import start_at_zero

if TYPE_CHECKING:
    from butterfly_otel.demo.cluster import Cluster
    from butterfly_otel.demo.step import Step


class Driver:
    """Measures a cluster; ``start()`` it after ``configure()``, ``stop()`` it at the end.

    Args:
        cluster: What is measured.
        every: Of how many forward passes one is measured layer by layer. More than one
            saves time where the simulation runs fast.
    """

    def __init__(self, cluster: Cluster, every: int = 1) -> None:
        self._cluster = cluster
        self._calls = Calls(every)
        self._gauges = Gauges(cluster)
        self._registrations = register(cluster)

    def start(self) -> None:
        """Let each node begin its series at zero, where they are known beforehand."""
        start_at_zero(self._cluster)

    def measure(self, step: Step) -> None:
        """Measure what happened in a step, and the state it left."""
        self._calls.measure(step)
        self._gauges.measure(step)

    def stop(self) -> None:
        """Undo the observation callbacks."""
        for registration in self._registrations:
            registration.unregister()
