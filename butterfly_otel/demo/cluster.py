"""The simulated cluster: a discrete-time model with its own clock and its own luck.

Pure: it measures nothing, reads no time and never sleeps. Equal arguments give equal steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.demo.chance import Chance
from butterfly_otel.demo.checkpoints import Checkpoints
from butterfly_otel.demo.consensus import Consensus
from butterfly_otel.demo.effects import Faults
from butterfly_otel.demo.faults import require_possible, tracks
from butterfly_otel.demo.hardware import Hardware
from butterfly_otel.demo.network import Network
from butterfly_otel.demo.pipeline import Pipeline
from butterfly_otel.demo.size import Size
from butterfly_otel.demo.step import Step
from butterfly_otel.demo.trust import Trust
from butterfly_otel.demo.workload import Workload
from butterfly_otel.demo.world import DT, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.demo.faults import Planned


class Cluster:
    """A simulated cluster.

    Args:
        size: Its nodes and models; by default a small one.
        seed: The same seed gives the same simulation.
        faults: The faults to inject; None for those that follow from the seed.

    Raises:
        ConfigurationError: When the cluster is too small for one of them.
    """

    def __init__(
        self,
        size: Size | None = None,
        seed: int = 0,
        faults: Sequence[Planned] | None = None,
    ) -> None:
        size = Size() if size is None else size
        require_possible(faults or (), size)
        self.world = World(size, Chance(f"{seed}/cluster"))
        self.network = Network(self.world)
        self.consensus = Consensus(self.world, self.network)
        self.pipeline = Pipeline(self.world, self.network)
        self.workload = Workload(self.world, self.pipeline, self.consensus)
        self.checkpoints = Checkpoints(self.world, self.network, self.workload)
        self.trust = Trust(self.world, self.pipeline, self.workload)
        self.hardware = Hardware(self.world, self.pipeline)
        plans = tracks(seed, size) if faults is None else [iter(sorted(faults))]
        self.faults = Faults(self.world, self.pipeline, self.checkpoints, plans)

    @property
    def clock(self) -> float:
        """Simulated seconds since the start."""
        return self.world.clock

    def advance(self) -> Step:
        """Simulate one step; return what happened in it."""
        world = self.world
        world.step = step = Step()
        self.faults.advance()
        self.network.advance()
        self.consensus.advance()
        lost_node = self.pipeline.advance()
        self.workload.advance(lost_node=lost_node)
        self.checkpoints.advance()
        self.trust.advance()
        self.hardware.advance()
        world.clock += DT
        step.clock = world.clock
        return step

    def sizes(self) -> dict[str, int]:
        """Return how many voters are active, and how many nodes are degraded or recovering."""
        world = self.world
        recovering = [node for node in world.nodes if node.up and node.recovers_for > 0]
        cut_off = [node for node in world.coordinators if node not in world.voters]
        idle = [node for node in world.compute if not self._serves(node)]
        degraded = [node for node in (*cut_off, *idle) if node not in recovering]
        return {
            "active": len(world.voters),
            "degraded": len(degraded),
            "recovering": len(recovering),
        }

    def _serves(self, node: object) -> bool:
        return node in self.pipeline.reachable
