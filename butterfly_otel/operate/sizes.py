"""How many series a cluster makes: computed from the catalogue, for planning and for limits.

Two numbers are of use. :func:`ceiling` is what the budgets let one node export at most, whatever
happens: Prometheus' ``sample_limit`` stands above it. :func:`node_series` is what a node of a
given cluster exports: what storage has to be sized for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Final, Literal

from butterfly_otel.catalog import gpus
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.views.streams import Stream, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.catalog.model import Label

Role = Literal["coordinator", "compute", "observer"]
ROLES: Final[tuple[Role, ...]] = ("coordinator", "compute", "observer")

#: Bytes of memory that Prometheus needs a series, and how many times what a series takes that has
#: just been scraped; docs/scaling.md says where both come from.
BYTES_A_SERIES: Final = 8 * 1024
HEADROOM: Final = 3

#: Of how many nodes on a cluster has so many coordinators, and so many observers.
_COORDINATORS: Final = ((500, 7), (50, 5), (6, 3), (0, 1))
_OBSERVERS: Final = ((50, 3), (4, 1), (0, 0))
#: Values of the label ``collector`` on a node: those that ship, and some of its own.
_HARDWARE_COLLECTORS: Final = 8
_COMPUTES: Final = frozenset[Role]({"compute"})
_ASSIGNS: Final = frozenset[Role]({"coordinator"})
_WORKS: Final = frozenset[Role]({"coordinator", "compute"})
#: Which roles report a metric, where not all of them do: by its name, or by its category.
_REPORTED_BY: Final[dict[str, frozenset[Role]]] = {
    "butterfly_tasks_assigned_total": _ASSIGNS,
    "butterfly_task_reassignments_total": _ASSIGNS,
    "butterfly_gpu_utilization_ratio": _COMPUTES,
    "butterfly_gpu_memory_bytes": _COMPUTES,
    "butterfly_gpu_temperature_celsius": _COMPUTES,
    "butterfly_gpu_compute_unit_active": _COMPUTES,
    "butterfly_otel_device_up": _COMPUTES,
    **dict.fromkeys((metric.name for metric in gpus.METRICS), _COMPUTES),
    "computation": _COMPUTES,
    "checkpoint": _WORKS,
    "coordination": _WORKS,
}
#: Labels that have one value on a node: of the collectors, only one knows devices.
_SINGLE: Final = frozenset({("butterfly_otel_device_up", "collector")})
#: Counted only when something is wrong: a healthy node has no series of these.
_FAULTS: Final = frozenset(
    {
        "butterfly_otel_label_violations_total",
        "butterfly_otel_invalid_measurements_total",
        "butterfly_otel_callback_errors_total",
        "butterfly_otel_gpu_xid_errors_total",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A cluster, as far as it decides how many series there are.

    Attributes:
        coordinators: Voting members. Each talks to every node.
        compute: Nodes that run layers.
        observers: Nodes that only watch.
        models: Models that a compute node runs layers of.
        layers: Layers of each model on one compute node.
        gpus: GPUs of one compute node.
        neighbours: Nodes, coordinators aside, that a compute node talks to.
        tasks: Ids of tasks in use, as far as the label's budget lets them through.
        checkpoints: Checkpoints that a node keeps.
        barriers: Names of barriers.

    Raises:
        ConfigurationError: When a number is negative, or there is no node.
    """

    coordinators: int = 3
    compute: int = 8
    observers: int = 1
    models: int = 2
    layers: int = 20
    gpus: int = 8
    neighbours: int = 4
    tasks: int = 100
    checkpoints: int = 8
    barriers: int = 3

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value < 0:
                msg = f"{each.name} is {value}; give 0 or more"
                raise ConfigurationError(msg)
        if not self.nodes:
            msg = "the cluster has no node; give compute, coordinators or observers above 0"
            raise ConfigurationError(msg)

    @classmethod
    def of(cls, nodes: int, **parts: int) -> Shape:
        """Return a cluster of so many nodes, most of which compute.

        Args:
            nodes: Nodes of all roles together.
            parts: Numbers that are given; the others follow or have their defaults.

        Raises:
            ConfigurationError: When no node is left to compute.
        """
        if nodes < 1:
            msg = f"nodes is {nodes}; give 1 or more"
            raise ConfigurationError(msg)
        few = {
            "coordinators": next(count for least, count in _COORDINATORS if nodes >= least),
            "observers": next(count for least, count in _OBSERVERS if nodes >= least),
        }
        chosen = {**few, **parts}
        left = nodes - chosen["coordinators"] - chosen["observers"]
        if left < 1:
            others = chosen["coordinators"] + chosen["observers"]
            msg = (
                f"of {nodes} nodes, {others} as coordinators and observers leave none that"
                " computes; give a larger number"
            )
            raise ConfigurationError(msg)
        return cls(**{"compute": left, **chosen})

    @property
    def nodes(self) -> int:
        """Nodes of all roles together."""
        return self.coordinators + self.compute + self.observers

    def count(self, role: Role) -> int:
        """Return how many nodes have this role."""
        return {
            "coordinator": self.coordinators,
            "compute": self.compute,
            "observer": self.observers,
        }[role]

    def peers(self, role: Role) -> int:
        """Return with how many nodes one of this role talks."""
        others = self.nodes - 1
        if role == "coordinator":
            return others
        near = self.neighbours if role == "compute" else 0
        return min(others, self.coordinators + near)


def node_series(
    role: Role, shape: Shape, streams: Iterable[Stream] | None = None
) -> dict[str, int]:
    """Return the series of each metric that one healthy node of a cluster exports.

    Args:
        role: The node's.
        shape: The cluster.
        streams: What is exported of each metric; None for the whole contract.
    """
    found = default_streams() if streams is None else streams
    return {
        stream.metric.name: _points(stream, role, shape) * samples(stream)
        for stream in found
        if reports(stream, role)
    }


def cluster_series(shape: Shape, streams: Iterable[Stream] | None = None) -> int:
    """Return the series of all nodes of a cluster together, ``target_info`` included."""
    found = default_streams() if streams is None else tuple(streams)
    return sum(
        shape.count(role) * (1 + sum(node_series(role, shape, found).values())) for role in ROLES
    )


def ceiling(streams: Iterable[Stream] | None = None) -> int:
    """Return the most samples that the page of one node can have, ``target_info`` included.

    Every label uses up its budget, but for those that name the node itself; the SDK's limits
    then act, and nothing beyond this is exported. A process that measures for many nodes, as
    the demo does, may have more.
    """
    found = default_streams() if streams is None else streams
    return 1 + sum(map(most, found))


def most(stream: Stream) -> int:
    """Return the most samples that one node can have of a metric."""
    if stream.dropped:
        return 0
    return _limited(stream, prod(map(_most, stream.labels))) * samples(stream)


def sample_limit(streams: Iterable[Stream] | None = None) -> int:
    """Return Prometheus' ``sample_limit`` for one node.

    A tenth above :func:`ceiling`, for what the process exports beside us, and rounded up.
    """
    return -(-ceiling(streams) * 11 // 100_000) * 10_000


def samples(stream: Stream) -> int:
    """Return the Prometheus samples of one point: buckets, +Inf, sum and count; or just one."""
    return len(stream.buckets) + 3 if stream.metric.type == "histogram" else 1


def reports(stream: Stream, role: Role) -> bool:
    """Return whether healthy nodes of a role report a metric."""
    metric = stream.metric
    if stream.dropped or metric.name in _FAULTS or not _has(stream, role):
        return False
    by = _REPORTED_BY.get(metric.name) or _REPORTED_BY.get(metric.category)
    return by is None or role in by


def _has(stream: Stream, role: Role) -> bool:
    """Return whether a role is among those that a metric has a value of the label for."""
    roles = [each.values for each in stream.metric.labels if each.default == "node_role"]
    return all(role in values for values in roles)


def faults() -> frozenset[str]:
    """Return the names of the metrics that a healthy node has no series of."""
    return _FAULTS


def wanted(stream: Stream, role: Role, shape: Shape) -> tuple[int, ...]:
    """Return how many values each label of a stream has on one node, whatever its budget."""
    name = stream.metric.name
    return tuple(
        1 if (name, label.key) in _SINGLE else _wanted(label, role, shape)
        for label in stream.labels
    )


def _points(stream: Stream, role: Role, shape: Shape) -> int:
    counts = zip(stream.labels, wanted(stream, role, shape), strict=True)
    return _limited(stream, prod(_budgeted(label, count) for label, count in counts))


def _limited(stream: Stream, points: int) -> int:
    """Return how many points are exported: the SDK's overflow point comes on top of its limit."""
    return points if points <= stream.limit else stream.limit + 1


def _wanted(label: Label, role: Role, shape: Shape) -> int:
    if label.default is not None:
        return 1  # the node itself, its role, or all cores together
    if label.kind == "closed":
        return len(label.values)
    if label.kind in {"identity", "pair"}:
        return shape.peers(role)
    return {
        "layer_id": shape.layers,
        "model": shape.models,
        "gpu_id": shape.gpus,
        "device": shape.gpus,
        "task_id": shape.tasks,
        "checkpoint_id": shape.checkpoints,
        "barrier_id": shape.barriers,
        "collector": _HARDWARE_COLLECTORS,
        "exporter": 1,
    }.get(label.key, len(label.values))


def _budgeted(label: Label, values: int) -> int:
    own = label.default is not None or label.kind == "closed"
    return values if own else min(values, label.budget)


def _most(label: Label) -> int:
    return 1 if label.default in {"node_id", "node_role"} else label.seats
