"""A healthy cluster: driven, read, served, and shared by processes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from butterfly_otel import catalog
from butterfly_otel.loadtest.cluster import Share, plan, together
from butterfly_otel.loadtest.page import Page
from butterfly_otel.loadtest.quiet import quiet
from butterfly_otel.loadtest.workers import LoadError, Workers
from butterfly_otel.operate.sizes import Shape, node_series
from butterfly_otel.views.streams import Stream, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = default_streams()
SMALL = Shape(coordinators=1, compute=2, observers=1, layers=3, gpus=2, tasks=5, neighbours=1)
#: Enough to tell processes apart, and quick to start.
FEW = tuple(
    Stream.of(catalog.BY_NAME[name])
    for name in ("butterfly_requests_total", "butterfly_connection_active")
)


@pytest.fixture
def share() -> Iterator[Share]:
    """All nodes of a small cluster, in this process."""
    made = Share(plan(STREAMS, SMALL))
    yield made
    made.close()


def test_what_is_exported_is_what_sizes_predicts(share: Share) -> None:
    """Every metric has exactly the samples that are predicted for its nodes, and loses nothing."""
    found = share.drive()
    predicted: dict[str, int] = {}
    for role in ("coordinator", "compute", "compute", "observer"):
        for name, series in node_series(role, SMALL).items():  # type: ignore[arg-type]
            predicted[name] = predicted.get(name, 0) + series
    assert {name: count for name, count in found.samples.items() if count} == predicted
    assert found.offered == found.kept
    assert found.nodes == 4
    assert found.calls > 0
    assert not any(found.folded.values())


@pytest.mark.long
def test_nodes_beyond_the_budget_fold_and_are_counted() -> None:
    """A coordinator of 1,100 nodes keeps a thousand of them; the others are `other`."""
    shape = Shape.of(1_100)
    with quiet():
        share = Share(plan(STREAMS, shape, 1))
        try:
            found = share.drive()
        finally:
            share.close()
    for name in ("butterfly_connection_active", "butterfly_quic_rtt_seconds"):
        counts = found.offered[name], found.kept[name], found.folded[name]
        assert counts == (1_099, 1_000, 99)
    errors = "butterfly_tasks_assigned_total"
    assert (found.offered[errors], found.kept[errors], found.folded[errors]) == (1_099, 1_000, 99)


def test_every_node_is_served_at_an_address_of_its_own(share: Share) -> None:
    """A scrape of a node's path has that node's series, and goes on being measured."""
    share.drive()
    targets = share.serve()
    assert [each.node_id for each in targets] == [
        "load-coordinator-1",
        "load-compute-1",
        "load-compute-2",
        "load-observer-1",
    ]
    requests = Stream.of(catalog.BY_NAME["butterfly_tasks_completed_total"])
    for each in targets[:3]:
        with urlopen(f"http://{each.address}{each.path}", timeout=30) as answer:
            page = Page(answer.read().decode())
        assert {key[0] for key in page.exported(requests).series} == {each.node_id}


def test_fewer_nodes_are_driven_of_each_role_its_share() -> None:
    """Twenty of a thousand are still a coordinator, an observer, and nodes that compute."""
    roles = [role for _, role in plan(STREAMS, Shape.of(1_000), 20).nodes]
    assert (roles.count("coordinator"), roles.count("observer"), len(roles)) == (1, 1, 20)
    assert len(plan(STREAMS, Shape.of(1_000)).nodes) == 1_000
    assert [role for _, role in plan(STREAMS, Shape.of(10), 1).nodes] == ["coordinator"]
    assert len(plan(STREAMS, Shape.of(10), 50).nodes) == 10


@pytest.mark.long
def test_processes_find_together_what_one_finds() -> None:
    """Two processes with half of the nodes each have the same series, and serve all of them."""
    of = plan(FEW, SMALL)
    alone, workers = Share(of), Workers(of, 2)
    try:
        one, two = alone.drive(), workers.drive()
        targets = workers.serve()
    finally:
        alone.close()
        workers.close()
    assert (one.samples, one.kept, one.nodes) == (two.samples, two.kept, two.nodes)
    assert {each.node_id for each in targets} == {node_id for node_id, _ in of.nodes}
    assert len({each.address for each in targets}) == 2
    with pytest.raises(LoadError, match="has ended"):
        workers.drive()


def test_what_processes_found_is_added() -> None:
    """Counts add up, of times and sizes the worst is told, and unknown memory stays unknown."""
    share = Share(plan(FEW, SMALL))
    found = share.drive()
    share.close()
    both = together([found, found])
    assert both.nodes == 2 * found.nodes
    assert both.kept["butterfly_requests_total"] == 2 * found.kept["butterfly_requests_total"]
    assert both.page_bytes == found.page_bytes
    assert both.bytes == 2 * found.bytes
