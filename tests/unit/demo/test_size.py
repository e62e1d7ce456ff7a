"""How large a cluster is, and what a large one is warned of."""

from __future__ import annotations

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.demo.size import Size, ring_distance


def test_nodes_are_named_as_the_specification_names_them() -> None:
    """Names of nodes and models are those of the specification's examples."""
    size = Size()
    assert size.coordinator_ids == ("coordinator-1", "coordinator-2", "coordinator-3")
    assert size.compute_ids[:2] == ("compute-node-1", "compute-node-2")
    assert size.observer_ids == ("observer-1",)
    assert size.model_names == ("llama-70b", "gpt-4", "claude-3")
    assert Size(models=5).model_names[3:] == ("model-4", "model-5")


@pytest.mark.parametrize(
    ("nodes", "given", "expected"),
    [
        (None, {}, (3, 8, 1, 16)),
        (12, {}, (3, 8, 1, 16)),
        (2, {}, (1, 1, 0, 16)),
        (5, {}, (1, 3, 1, 16)),
        (40, {"coordinators": 5}, (5, 34, 1, 34)),
        (40, {"compute": 4, "layers": 2}, (3, 4, 1, 2)),
        (None, {"compute": 300}, (3, 300, 1, 200)),
    ],
)
def test_numbers_follow_from_each_other(
    nodes: int | None, given: dict[str, int], expected: tuple[int, ...]
) -> None:
    """Nodes are shared out among the roles, and every node has a layer where it can."""
    size = Size.of(nodes, **given)
    assert (size.coordinators, size.compute, size.observers, size.layers) == expected


@pytest.mark.parametrize(
    ("nodes", "given", "message"),
    [
        (1, {}, "--nodes 1 leaves no node that computes"),
        (4, {"coordinators": 3}, "--nodes 4 leaves no node that computes"),
        (None, {"models": 21}, "1 to 20 models, not 21.*--models"),
        (None, {"compute": 0}, "1 to 1000 compute nodes, not 0.*--compute"),
        (None, {"layers": 201}, "1 to 200 layers"),
    ],
)
def test_impossible_sizes_are_refused(
    nodes: int | None, given: dict[str, int], message: str
) -> None:
    """The message says what is wrong and which option mends it."""
    with pytest.raises(ConfigurationError, match=message):
        Size.of(nodes, **given)


def test_connections_are_those_a_node_needs() -> None:
    """Coordinators reach everybody, compute nodes their neighbours on a ring, both ways."""
    connections = set(Size().connections())
    assert len(connections) == len(Size().connections()) == 92
    assert all((far, near) in connections for near, far in connections)
    assert ("coordinator-1", "observer-1") in connections
    assert ("compute-node-1", "compute-node-7") in connections
    assert ("compute-node-1", "compute-node-4") not in connections
    assert ("observer-1", "compute-node-1") not in connections


def test_a_ring_is_closed() -> None:
    """The last place is the neighbour of the first."""
    assert [ring_distance(0, place, 6) for place in range(6)] == [0, 1, 2, 3, 2, 1]


def test_only_large_clusters_reach_limits() -> None:
    """The default does not, hundreds of nodes do, and the message can name series and limit."""
    assert Size().limits_hit() == {}
    assert Size.of(60).limits_hit() == {}
    hit = Size.of(200).limits_hit()
    series, limit = hit["butterfly_connection_latency_seconds"]
    assert series == len(Size.of(200).connections())
    assert limit == 1000
