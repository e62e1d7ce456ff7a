"""Every kind of fault shows in the metrics that its alert looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.faults import KINDS, FaultKind, Planned
from butterfly_otel.demo.size import Size

Drive = Callable[..., list[Any]]
SMALL = Size(compute=4, layers=4, models=1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_breaks_the_contract(kind: FaultKind, drive: Drive) -> None:
    """In strict mode no measurement raises, through every kind of fault and after it."""
    cluster = Cluster(SMALL, 2, [Planned(15, 25, kind)])
    last = drive(cluster, 90, 30, strict=True)[-1]
    assert len(last.metrics) == 64 + 2  # the contract's, and each node's memory


def _during(kind: FaultKind, drive: Drive, seconds: int = 60) -> tuple[Cluster, Any]:
    """Return the cluster and a collection after so many seconds of a fault."""
    cluster = Cluster(SMALL, 2, [Planned(20, 500, kind)])
    [collected] = drive(cluster, 20 + seconds, 20 + seconds)
    assert [fault.kind for fault in cluster.faults.active] == [kind]
    return cluster, collected


def test_a_node_failure_shows(drive: Drive) -> None:
    """Its connections are down as the others see them; its own series have ended."""
    cluster, seen = _during("node_failure", drive)
    [victim] = cluster.faults.active[0].victims
    down = seen.find("connection_active", to_node=victim.node_id)
    assert {point.value for point in down} == {0}
    assert not seen.find("connection_active", from_node=victim.node_id)
    assert not seen.find("gpu_temperature_celsius", node_id=victim.node_id)
    assert not seen.find("pipeline_depth", node_id=victim.node_id)
    assert seen.total("task_reassignments_total", reason="node_failure") > 0
    assert seen.total("connection_errors_total", error_type="refused") > 0
    assert seen.total("consensus_heartbeat_failures_total", to_node=victim.node_id) > 100
    assert seen.total("cluster_size", state="degraded") == 1
    assert seen.total("cluster_size", state="active") == 3


def test_a_partition_shows(drive: Drive) -> None:
    """Connections between the halves are down, those within them and to coordinators are up."""
    _, seen = _during("network_partition", drive)
    for point in seen.find("connection_active"):
        ends = {point.attributes["from_node"], point.attributes["to_node"]}
        here = ends & {"compute-node-1", "compute-node-2"}
        there = ends & {"compute-node-3", "compute-node-4"}
        assert point.value == (0 if here and there else 1)
    assert seen.total("connection_errors_total", error_type="timeout") > 0
    assert max(point.value for point in seen.find("quic_packet_loss_ratio")) == 1
    assert seen.total("cluster_size", state="active") == 3


def test_the_loss_of_the_quorum_shows(drive: Drive) -> None:
    """Fewer voters are active than the quorum, requests fail, nothing is committed."""
    _, seen = _during("quorum_loss", drive)
    assert seen.total("cluster_size", state="active") < seen.total("quorum_size")
    assert seen.total("pipeline_stalls_total", reason="consensus_wait") > 0
    assert seen.total("request_errors_total", error_type="timeout") > 100


def test_the_failure_of_the_leader_shows(drive: Drive) -> None:
    """Another election is counted and timed, with a quorum left."""
    _, seen = _during("leader_failure", drive)
    assert seen.total("consensus_leader_changes_total") == 2
    [elections] = seen.find("consensus_election_duration_seconds")
    assert elections.count == 2
    assert seen.total("cluster_size", state="active") == seen.total("quorum_size") == 2
    assert {point.value for point in seen.find("consensus_term")} == {2}


def test_instability_shows(drive: Drive) -> None:
    """More than five leader changes within a few minutes."""
    _, seen = _during("leader_instability", drive, seconds=200)
    assert seen.total("consensus_leader_changes_total") > 7


def test_lies_show(drive: Drive) -> None:
    """Faults of every type are counted against the liar alone, who loses its reputation."""
    cluster, seen = _during("byzantine_fault", drive)
    [victim] = cluster.faults.active[0].victims
    for point in seen.find("byzantine_faults_detected_total"):
        assert (point.value > 0) == (point.attributes["node_id"] == victim.node_id)
    for point in seen.find("reputation_score"):
        assert (point.value < 0.5) == (point.attributes["node_id"] == victim.node_id)
    assert seen.total("verification_failures_total", node_id=victim.node_id) > 5
    assert seen.total("merkle_root_mismatches_total") > 1
    assert seen.total("cryptographic_failures_total", operation="verify") > 1
    checks = seen.total("verification_checks_total", node_id=victim.node_id)
    assert checks > seen.total("verification_failures_total", node_id=victim.node_id)


def test_heat_shows(drive: Drive) -> None:
    """One GPU is above 85 °C, the others far below; its node is throttled."""
    cluster, seen = _during("gpu_overheating", drive)
    temperatures = sorted(point.value for point in seen.find("gpu_temperature_celsius"))
    assert temperatures[-2] < 80
    assert 85 < temperatures[-1] < 100
    [victim] = cluster.faults.active[0].victims
    assert seen.total("cpu_throttle_events_total", node_id=victim.node_id) > 10


def test_queues_show(drive: Drive) -> None:
    """More than a hundred tasks wait on one node, and requests take longer than 5 s."""
    cluster, seen = _during("queue_buildup", drive, seconds=120)
    [victim] = cluster.faults.active[0].victims
    for point in seen.find("tasks_queued"):
        assert (point.value > 100) == (point.attributes["node_id"] == victim.node_id)
    [timed] = seen.find("request_duration_seconds", node_role="coordinator", method="inference")
    assert sum(timed.bucket_counts[8:]) > 0.3 * timed.count
    assert seen.total("task_reassignments_total", reason="overload") > 10


def test_scarce_memory_shows(drive: Drive) -> None:
    """A node's memory is nearly full, its pipeline stalls, and requests run out of memory."""
    cluster, seen = _during("memory_pressure", drive, seconds=120)
    [victim] = cluster.faults.active[0].victims
    used = seen.total("memory_allocated_bytes", node_id=victim.node_id)
    assert used > 0.9 * victim.memory_limit
    assert seen.total("memory_fragmentation_ratio", node_id=victim.node_id) < 0.75
    stalls = seen.total("pipeline_stalls_total", node_id=victim.node_id, reason="memory_pressure")
    assert stalls > 50
    oom = seen.total("request_errors_total", node_role="coordinator", error_type="oom")
    assert oom > 0.05 * seen.total("requests_total", node_role="coordinator", method="inference")


def test_a_recovered_node_has_its_series_again(drive: Drive) -> None:
    """After a failure a node's connections and depth are reported anew, and its recovery."""
    cluster = Cluster(SMALL, 2, [Planned(20, 20, "node_failure")])
    down, later = drive(cluster, 120, 30)[0::3]
    [victim] = {node.node_id for node in cluster.world.compute} - {
        point.attributes["node_id"] for point in down.find("pipeline_depth")
    }
    assert not down.find("connection_active", from_node=victim)
    assert later.find("connection_active", from_node=victim)
    assert {point.value for point in later.find("connection_active")} == {1}
    assert len(later.find("pipeline_depth")) == 4
    once = later.total("recovery_attempts_total", outcome="success") - 4
    assert (
        once == later.total("recovery_attempts_total", node_id=victim, outcome="success") - 1 == 1
    )
