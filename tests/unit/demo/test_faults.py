"""The plan of faults, and what each of them does to the simulated cluster."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.faults import (
    INFO,
    KINDS,
    FaultKind,
    Planned,
    parse_fault,
    possible,
    tracks,
)
from butterfly_otel.demo.size import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.demo.step import Step

SMALL = Size(compute=4, layers=4, models=1)
#: Seconds within which every kind of fault has begun, whatever the seed.
BOUND = 40 * 60
START = 40


def _planned(seed: int, size: Size, until: float) -> list[Planned]:
    found: list[Planned] = []
    for track in tracks(seed, size):
        for planned in track:
            if planned.start > until:
                break
            found.append(planned)
    return sorted(found)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_fault_comes_in_time(seed: int) -> None:
    """Every kind begins within a bounded time, the first within the first minute."""
    planned = _planned(seed, Size(), BOUND)
    assert {each.kind for each in planned} == set(KINDS)
    assert planned[0].start < 60


def test_planned_faults_happen() -> None:
    """What the seed plans is what the cluster goes through."""
    cluster = Cluster(seed=9)
    seen: dict[FaultKind, float] = {}
    for _ in range(400):
        cluster.advance()
        for fault in cluster.faults.active:
            seen.setdefault(fault.kind, cluster.clock)
    planned = _planned(9, Size(), 380)
    assert len(planned) >= 3
    for each in planned:
        assert each.start <= seen[each.kind] <= each.start + 2


def test_a_fault_waits_until_it_finds_a_victim() -> None:
    """While the only compute node that could be hit is down, another fault has to wait."""
    size = Size(compute=2, layers=2, models=1)
    plan = [Planned(10, 60, "node_failure"), Planned(12, 60, "node_failure")]
    cluster = Cluster(size, 1, [*plan, Planned(14, 30, "byzantine_fault")])
    begun: list[float] = []
    for _ in range(150):
        before = len(cluster.faults.active)
        cluster.advance()
        if len(cluster.faults.active) > before:
            begun.append(cluster.clock)
    assert begun[:2] == [11, 13]
    assert begun[2] >= 71


def test_no_faults() -> None:
    """A cluster that is given no faults has none."""
    cluster = Cluster(SMALL, seed=9, faults=[])
    for _ in range(200):
        cluster.advance()
        assert not cluster.faults.active


def test_faults_need_a_cluster_that_can_have_them() -> None:
    """One coordinator can't lose its quorum to a partition, and no GPU can't overheat."""
    tiny = Size(coordinators=1, compute=2, observers=0, gpus=0)
    kinds = {kind for kind in KINDS if possible(kind, tiny)}
    assert kinds == {"node_failure", "byzantine_fault", "queue_buildup", "memory_pressure"}
    assert {each.kind for each in _planned(1, tiny, BOUND)} == kinds
    with pytest.raises(ConfigurationError, match="can't have quorum_loss"):
        Cluster(tiny, faults=[Planned(1, 1, "quorum_loss")])


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("quorum_loss@5", Planned(5, INFO["quorum_loss"].seconds, "quorum_loss")),
        ("gpu_overheating@1.5+600", Planned(1.5, 600, "gpu_overheating")),
    ],
)
def test_faults_can_be_written(text: str, planned: Planned) -> None:
    """KIND@START+SECONDS is read, and the seconds may be left out."""
    assert parse_fault(text) == planned


@pytest.mark.parametrize("text", ["", "quorum_loss", "meteor@5", "quorum_loss@x", "quorum_loss@-1"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """The message says how it is written and which kinds there are."""
    with pytest.raises(ConfigurationError, match=r"KIND@START\+SECONDS.*leader_instability"):
        parse_fault(text)


class _Story:
    """A cluster with one fault: for how long, at a stretch, did something hold?"""

    def __init__(self, kind: FaultKind) -> None:
        self.seconds = INFO[kind].seconds
        self.cluster = Cluster(SMALL, 2, [Planned(START, self.seconds, kind)])
        self.minute: deque[Step] = deque(maxlen=60)

    def longest(self) -> dict[str, int]:
        """Return the longest stretch of seconds that fires each alert, the start left out."""
        alerts = SLOW | FAST
        best, now = dict.fromkeys(alerts, 0), dict.fromkeys(alerts, 0)
        for second in range(int(START + self.seconds + 150)):
            self.minute.append(self.cluster.advance())
            for alert, holds in alerts.items():
                now[alert] = now[alert] + 1 if second > START / 2 and holds(self) else 0
                best[alert] = max(best[alert], now[alert])
        return best

    def error_ratio(self) -> float:
        """Return the share of inference requests that failed in the last minute."""
        failed = sum(step.requests["coordinator", "inference", "error"] for step in self.minute)
        done = sum(step.requests["coordinator", "inference", "success"] for step in self.minute)
        return failed / max(1, failed + done)

    def latency(self) -> float:
        """Return the 99th percentile of the duration of inference in the last minute."""
        took = sorted(
            seconds
            for step in self.minute
            for role, method, seconds in step.request_seconds
            if (role, method) == ("coordinator", "inference")
        )
        return took[int(len(took) * 0.99)] if took else 0.0


def _hot(story: _Story) -> bool:
    gpus = [gpu for node in story.cluster.world.compute for gpu in node.gpus]
    return any(gpu.temperature > 85 for gpu in gpus)


def _queued(story: _Story) -> bool:
    return any(node.queued > 100 for node in story.cluster.world.compute)


def _full(story: _Story) -> bool:
    nodes = story.cluster.world.compute
    return any(node.memory_used / node.memory_limit > 0.9 for node in nodes)


def _cut(story: _Story) -> bool:
    links = story.cluster.world.links.values()
    return any(link.near.up and not link.up for link in links)


def _below_quorum(story: _Story) -> bool:
    return story.cluster.sizes()["active"] < SMALL.quorum


#: What the alert that needs five minutes looks at, and what the one that needs one does.
SLOW: dict[str, Callable[[_Story], bool]] = {
    "GPUOverheating": _hot,
    "QueueBuildup": _queued,
    "HighMemoryUsage": _full,
    "HighErrorRate": lambda story: story.error_ratio() > 0.05,
    "HighLatency": lambda story: story.latency() > 5,
}
FAST: dict[str, Callable[[_Story], bool]] = {
    "NetworkPartition": _cut,
    "ClusterBelowQuorum": _below_quorum,
}

NEEDED = {**dict.fromkeys(SLOW, 300), **dict.fromkeys(FAST, 60)}


@pytest.mark.parametrize("kind", KINDS)
def test_faults_last_long_enough_for_their_alerts_and_no_others(kind: FaultKind) -> None:
    """A fault keeps up what its alerts look at for their ``for``, and nothing else so long."""
    # Two scrapes and an evaluation more than the alert's `for`.
    lasts = _Story(kind).longest()
    fired = {alert for alert, seconds in lasts.items() if seconds >= NEEDED[alert] + 30}
    pending = {alert for alert, seconds in lasts.items() if seconds >= NEEDED[alert]}
    assert fired == pending == set(INFO[kind].alerts) & set(lasts)


@pytest.mark.parametrize("kind", KINDS)
def test_leaders_change_often_only_when_unstable(kind: FaultKind) -> None:
    """More than five elections in an hour come from instability alone."""
    cluster = Cluster(SMALL, 2, [Planned(START, INFO[kind].seconds, kind)])
    elections = sum(len(cluster.advance().elections) for _ in range(START + 400))
    assert (elections > 6) == (kind == "leader_instability")


@pytest.mark.parametrize("kind", KINDS)
def test_lies_are_told_by_byzantine_nodes_alone(kind: FaultKind) -> None:
    """Byzantine faults are found while a node lies, of every type, and at no other time."""
    cluster = Cluster(SMALL, 2, [Planned(START, 60, kind)])
    found = [cluster.advance().faults_detected for _ in range(START + 100)]
    kinds = {fault for step in found for _, fault in step}
    if kind == "byzantine_fault":
        assert kinds == {"incorrect_result", "invalid_signature", "merkle_mismatch"}
        assert not any(found[:START])
        assert not any(found[START + 61 :])
    else:
        assert not kinds


def test_the_world_is_well_again_after_every_fault() -> None:
    """When all faults are over, every connection is up and every node works."""
    plan = [Planned(START + 20 * turn, 60, kind) for turn, kind in enumerate(KINDS)]
    cluster = Cluster(Size(), 3, plan)
    most = 0
    for _ in range(START + 20 * len(KINDS) + 200):
        cluster.advance()
        most = max(most, len(cluster.faults.active))
    assert most >= 3
    assert all(link.up for link in cluster.world.links.values())
    assert cluster.sizes() == {"active": 3, "degraded": 0, "recovering": 0}
    assert not cluster.world.unstable
    assert all(node.pace == 1.0 for node in cluster.world.nodes)
    assert not any(node.byzantine or node.pressured for node in cluster.world.nodes)
