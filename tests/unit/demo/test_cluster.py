"""The simulation itself, without any metrics."""

from __future__ import annotations

import subprocess
import sys

import pytest

from butterfly_otel.demo.chance import Chance
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.faults import INFO, Planned, possible
from butterfly_otel.demo.size import CHECKPOINTS_KEPT, Size
from butterfly_otel.demo.step import Step

SMALL = Size(compute=4, layers=4, models=1)


def _steps(seed: int, seconds: int) -> list[str]:
    cluster = Cluster(seed=seed)
    return [repr(cluster.advance()) for _ in range(seconds)]


def _run(cluster: Cluster, seconds: int) -> list[Step]:
    return [cluster.advance() for _ in range(seconds)]


def test_the_same_seed_gives_the_same_simulation() -> None:
    """Two clusters of one seed have equal steps, also through their first faults."""
    assert _steps(5, 150) == _steps(5, 150)


def test_another_seed_gives_another_simulation() -> None:
    """A seed changes what happens."""
    assert _steps(5, 20) != _steps(6, 20)


def test_the_simulation_does_not_depend_on_the_process() -> None:
    """The order in which a process iterates sets of strings changes nothing."""
    program = (
        "from butterfly_otel.demo.cluster import Cluster\n"
        "cluster = Cluster(seed=3)\n"
        "print([repr(cluster.advance()) for _ in range(120)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop()) > 100_000


@pytest.mark.parametrize(
    ("voters", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (7, 5), (10, 7)]
)
def test_quorum(voters: int, quorum: int) -> None:
    """A quorum is 2f+1 of 3f+1 voters; of other numbers the least that is as safe."""
    assert Size(coordinators=voters).quorum == quorum
    liars = (voters - 1) // 3
    assert 2 * quorum - voters > liars >= 2 * (quorum - 1) - voters


def test_a_healthy_cluster_is_quiet() -> None:
    """Without faults nothing comes near what alerts look at, whatever the load does."""
    cluster = Cluster(seed=1, faults=[])
    steps = _run(cluster, 1000)[60:]
    world = cluster.world
    done = [step.requests["coordinator", "inference", "success"] for step in steps]
    failed = sum(step.requests["coordinator", "inference", "error"] for step in steps)
    assert failed / sum(done) < 0.005
    seconds = sorted(
        took
        for step in steps
        for role, method, took in step.request_seconds
        if (role, method) == ("coordinator", "inference")
    )
    assert 0.2 < seconds[len(seconds) // 2] < 2
    assert 1 < seconds[int(len(seconds) * 0.99)] < 5
    assert sum(sum(step.tokens.values()) for step in steps) / len(steps) > 1000
    assert not any(step.faults_detected or step.heartbeat_failures for step in steps)
    assert all(gpu.temperature < 85 for node in world.compute for gpu in node.gpus)
    assert all(node.memory_peak < 0.9 * node.memory_limit for node in world.nodes)
    assert sum(len(step.elections) for step in steps) == 0
    assert cluster.sizes() == {"active": 3, "degraded": 0, "recovering": 0}


def test_load_comes_in_waves() -> None:
    """The busiest minute has far more requests than the quietest."""
    steps = _run(Cluster(SMALL, seed=2, faults=[]), 1260)[60:]
    minutes = [
        sum(step.requests["coordinator", "inference", "success"] for step in steps[at : at + 60])
        for at in range(0, 1200, 60)
    ]
    assert max(minutes) > 1.6 * min(minutes) > 0


def test_indexes_of_the_log_keep_their_order() -> None:
    """Through elections, partitions and failures: applied <= commit <= log, terms never fall."""
    plan = [
        Planned(20, 40, "leader_instability"),
        Planned(70, 30, "quorum_loss"),
        Planned(110, 30, "leader_failure"),
    ]
    cluster = Cluster(Size(coordinators=5, compute=4, layers=4, models=1), 4, plan)
    terms: dict[str, int] = {}
    commits: dict[str, int] = {}
    for _ in range(200):
        cluster.advance()
        for name, raft in cluster.consensus.state.items():
            assert 0 <= raft.applied <= raft.commit <= raft.log
            assert raft.term >= terms.get(name, 0)
            assert raft.commit >= commits.get(name, 0)
            terms[name], commits[name] = raft.term, raft.commit
    assert min(commits.values()) > 0
    assert cluster.consensus.elections >= 4


def test_what_is_received_was_sent() -> None:
    """No connection ever delivers more than went into it."""
    cluster = Cluster(SMALL, 3, [Planned(20, 30, "quorum_loss")])
    sent: dict[tuple[str, ...], int] = {}
    for step in _run(cluster, 80):
        for key, count in step.messages_sent.items():
            sent[key] = sent.get(key, 0) + count
        for key, count in step.messages_received.items():
            sent[key] -= count
            assert sent[key] >= 0
    assert sum(sent.values()) > 0, "nothing was lost"


def test_every_layer_is_somewhere() -> None:
    """While one node is down, another one runs its layers, and gives them back."""
    cluster = Cluster(SMALL, 1, [Planned(30, 30, "node_failure")])
    _run(cluster, 30)
    usual = {layer: node.node_id for node, on in cluster.pipeline.stages for layer in on}
    assert sorted(usual) == [0, 1, 2, 3]
    _run(cluster, 15)
    [fault] = cluster.faults.active
    moved = {layer: node.node_id for node, on in cluster.pipeline.stages for layer in on}
    assert sorted(moved) == [0, 1, 2, 3]
    assert fault.detail in usual.values()
    assert fault.detail not in moved.values()
    _run(cluster, 120)
    back = {layer: node.node_id for node, on in cluster.pipeline.stages for layer in on}
    assert back == usual


def test_checkpoints_are_made_and_the_oldest_deleted() -> None:
    """Checkpoints come in cycles; a node's disk holds the last few."""
    cluster = Cluster(SMALL, 1, faults=[])
    steps = _run(cluster, 120 * (CHECKPOINTS_KEPT + 3))
    names = [name for step in steps for _, name, _ in step.checkpoint_sizes]
    deleted = [name for step in steps for _, name in step.checkpoints_deleted]
    assert len(set(names)) == CHECKPOINTS_KEPT + 3
    assert set(deleted) <= {"ckpt_001", "ckpt_002", "ckpt_003"}
    assert len(names) - len(deleted) <= CHECKPOINTS_KEPT * SMALL.compute
    sizes = [node.disk_checkpoint_bytes for node in cluster.world.compute]
    assert all(4e9 < size < 40e9 for size in sizes)


@pytest.mark.parametrize(
    "size",
    [
        Size(coordinators=1, compute=1, observers=0, layers=1, models=1, gpus=0),
        Size(coordinators=2, compute=3, layers=2, models=5),
        Size(coordinators=7, compute=20, observers=2, layers=20),
    ],
)
def test_clusters_of_any_size_run(size: Size) -> None:
    """Small and large clusters live through all the faults that they can have."""
    kinds = [kind for kind in INFO if possible(kind, size)]
    plan = [Planned(30 + 25 * turn, 20, kind) for turn, kind in enumerate(kinds)]
    cluster = Cluster(size, 1, plan)
    steps = _run(cluster, 320)
    assert sum(step.requests["coordinator", "inference", "success"] for step in steps) > 500
    assert not cluster.faults.active


def test_chance_has_the_means_it_is_asked_for() -> None:
    """Poisson numbers have their mean below and above the switch to a normal distribution."""
    chance = Chance(1)
    for mean in (0.3, 7.0, 59.0, 200.0):
        drawn = [chance.poisson(mean) for _ in range(3000)]
        assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.1)
    assert chance.poisson(0) == 0
