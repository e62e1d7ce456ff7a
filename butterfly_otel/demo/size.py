"""How large the simulated cluster is, and what that costs in series."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import permutations

from butterfly_otel.catalog import BY_NAME
from butterfly_otel.errors import ConfigurationError

_NAMED_MODELS = ("llama-70b", "gpt-4", "claude-3")
#: Compute nodes are connected with this many neighbours on each side of their ring.
REACH = 2
#: Ids of tasks in use; the contract's budget is 100.
TASK_POOL = 64
#: Static names of the barriers at which compute nodes wait for each other.
BARRIERS = ("batch_sync", "checkpoint_snapshot", "pipeline_rebuild")
#: Checkpoints a node keeps on its disk.
CHECKPOINTS_KEPT = 8
#: Seconds between two checkpoints of the cluster.
CHECKPOINT_EVERY = 120.0
_MOST_LAYERS, _USUAL_LAYERS, _USUAL_COMPUTE = 200, 16, 8
#: Least and most of each part of a cluster that the demo can simulate, and what it is called.
_ALLOWED = {
    "coordinators": (1, 99, "coordinators"),
    "compute": (1, 1000, "compute nodes"),
    "observers": (0, 99, "observers"),
    "layers": (1, _MOST_LAYERS, "layers"),
    "models": (1, 20, "models"),
    "gpus": (0, 64, "GPUs a node"),
}
#: From here a cluster is large enough for three coordinators, and for an observer.
_NODES_FOR_THREE_COORDINATORS, _NODES_FOR_AN_OBSERVER = 6, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The nodes of the cluster and the models it runs.

    Attributes:
        coordinators: Voting members; they elect a leader, which assigns the work.
        compute: Nodes that run layers of every model, as a pipeline.
        observers: Nodes that only watch.
        layers: Layers of each model, in total.
        models: Models that are served at the same time.
        gpus: GPUs of each compute node.

    Raises:
        ConfigurationError: When a number is out of range.
    """

    coordinators: int = 3
    compute: int = _USUAL_COMPUTE
    observers: int = 1
    layers: int = _USUAL_LAYERS
    models: int = 3
    gpus: int = 2

    def __post_init__(self) -> None:
        for part in fields(self):
            least, most, what = _ALLOWED[part.name]
            given = getattr(self, part.name)
            if not least <= given <= most:
                msg = (
                    f"a demo cluster can have {least} to {most} {what}, not {given};"
                    f" choose another number by --{part.name}"
                )
                raise ConfigurationError(msg)

    @classmethod
    def of(cls, nodes: int | None = None, **parts: int) -> Size:
        """Return a cluster whose other numbers follow from the given ones.

        Args:
            nodes: Nodes of all roles together; those that are left compute.
            parts: Numbers that are given.

        Raises:
            ConfigurationError: When nothing is left for compute nodes.
        """
        chosen = {"coordinators": 3, "compute": _USUAL_COMPUTE, "observers": 1, **parts}
        if nodes is not None:
            few = {
                "coordinators": 3 if nodes >= _NODES_FOR_THREE_COORDINATORS else 1,
                "observers": 1 if nodes >= _NODES_FOR_AN_OBSERVER else 0,
            }
            chosen = {**chosen, **few, **parts}
            left = nodes - chosen["coordinators"] - chosen["observers"]
            if "compute" not in parts and left < 1:
                msg = f"--nodes {nodes} leaves no node that computes; pass a larger number"
                raise ConfigurationError(msg)
            chosen["compute"] = parts.get("compute", left)
        # Enough layers for every node to have one.
        enough = min(_MOST_LAYERS, max(_USUAL_LAYERS, chosen["compute"]))
        return cls(**{"layers": enough, **chosen})

    @property
    def coordinator_ids(self) -> tuple[str, ...]:
        """Names of the coordinators."""
        return tuple(f"coordinator-{number}" for number in range(1, self.coordinators + 1))

    @property
    def compute_ids(self) -> tuple[str, ...]:
        """Names of the compute nodes, in the order of their ring."""
        return tuple(f"compute-node-{number}" for number in range(1, self.compute + 1))

    @property
    def observer_ids(self) -> tuple[str, ...]:
        """Names of the observers."""
        return tuple(f"observer-{number}" for number in range(1, self.observers + 1))

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models, the specification's own first."""
        more = (f"model-{number}" for number in range(len(_NAMED_MODELS) + 1, self.models + 1))
        return (*_NAMED_MODELS, *more)[: self.models]

    @property
    def quorum(self) -> int:
        """Voters that a decision needs: 2f+1 of 3f+1, and what that means for other sizes.

        With n voters, of which f = (n-1)//3 may lie, two quorums must share one honest voter.
        """
        liars = (self.coordinators - 1) // 3
        return (self.coordinators + liars) // 2 + 1

    def connections(self) -> tuple[tuple[str, str], ...]:
        """Return every connection that a node expects to have, in both directions."""
        coordinators, observers = self.coordinator_ids, self.observer_ids
        pairs = list(permutations(coordinators, 2))
        for coordinator in coordinators:
            for other in (*self.compute_ids, *observers):
                pairs += [(coordinator, other), (other, coordinator)]
        pairs += (
            (a, b)
            for i, a in enumerate(self.compute_ids)
            for j, b in enumerate(self.compute_ids)
            if a != b and ring_distance(i, j, self.compute) <= REACH
        )
        return tuple(pairs)

    def expected_series(self) -> dict[str, int]:
        """Return how many series the metrics that grow with the cluster will have."""
        links, nodes = len(self.connections()), self.compute + self.observers
        pairs = self.coordinators * (self.coordinators - 1) // 2 + self.coordinators * nodes
        # Layers of a failed node move to a neighbour and back, and leave series there.
        places = min(4, self.compute)
        return {
            "butterfly_layer_compute_duration_seconds": self.layers * self.models * places,
            "butterfly_layer_memory_bytes": self.layers * 3,
            "butterfly_network_messages_sent_total": links * 2,
            "butterfly_network_messages_received_total": links * 2,
            "butterfly_connection_errors_total": links * 4,
            "butterfly_connection_latency_seconds": links,
            "butterfly_consensus_heartbeat_failures_total": 2 * pairs,
            "butterfly_synchronization_skew_seconds": pairs,
            "butterfly_checkpoint_size_bytes": self.compute * (CHECKPOINTS_KEPT + 1),
            "butterfly_disk_write_duration_seconds": self.compute + self.coordinators,
            "butterfly_checkpoint_duration_seconds": self.compute * 3,
            "butterfly_barrier_wait_duration_seconds": self.compute * len(BARRIERS),
            "butterfly_gpu_memory_bytes": self.compute * self.gpus * 2,
            "butterfly_dependency_wait_duration_seconds": max(TASK_POOL, self.compute),
        }

    def limits_hit(self) -> dict[str, tuple[int, int]]:
        """Return the series expected and the limit, of each metric that will reach its limit."""
        limits = {name: BY_NAME[name].stream_limit for name in self.expected_series()}
        return {
            name: (series, limits[name])
            for name, series in self.expected_series().items()
            if series >= limits[name]
        }


def ring_distance(first: int, second: int, nodes: int) -> int:
    """Return how many steps apart two places on a ring of ``nodes`` are."""
    straight = abs(first - second)
    return min(straight, nodes - straight)
