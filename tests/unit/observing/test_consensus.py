"""A Raft node observed by one registration, and elections."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.consensus import Elections, observe_raft
from butterfly_otel.process import timing

Start = Callable[..., Any]
NODE = {"node_id": "coordinator-1"}
BY_NODE = {
    "butterfly_consensus_term": 3,
    "butterfly_consensus_log_entries_total": 120,
    "butterfly_consensus_commit_index": 118,
    "butterfly_consensus_applied_index": 117,
}
ALL = (*BY_NODE, "butterfly_cluster_size", "butterfly_quorum_size")


class Node:
    """A Raft node with everything an observer looks for, as attributes, properties and methods."""

    def __init__(self) -> None:
        self.term = 3
        self.log_length = 120
        self.commit_index = 118
        self.members = Counter(active=4, recovering=1)

    @property
    def applied_index(self) -> int:
        return self.commit_index - 1

    def cluster_size(self) -> Counter[str]:
        return self.members

    def quorum_size(self) -> int:
        return 3


def test_one_registration_covers_the_whole_state(start: Start) -> None:
    """Every part is read anew at each collection, until it is unregistered."""
    measured, node = start(), Node()
    registration = observe_raft(node)
    for name, value in BY_NODE.items():
        assert measured.value(name, **NODE) == value
    assert measured.value("butterfly_quorum_size") == 3
    sizes = {dict(k)["state"]: v for k, v in measured.values("butterfly_cluster_size").items()}
    assert sizes == {"active": 4, "degraded": 0, "recovering": 1}
    node.term += 1
    assert measured.value("butterfly_consensus_term", **NODE) == 4
    registration.unregister()
    registration.unregister()
    assert [name for name in ALL if measured.values(name)] == []


def test_parts_may_be_anywhere_or_nowhere(start: Start) -> None:
    """Other names, dotted names, sized values and functions are read; None leaves a part out."""

    class State:
        applied = 7

    class Other:
        current_term, log, state = 5, ["a", "b"], State()
        voters = frozenset("abcde")

    other = Other()
    measured = start()
    with observe_raft(
        other,
        term="current_term",
        log_length="log",
        commit_index=None,
        applied_index="state.applied",
        cluster_size="voters",
        quorum_size=lambda node: len(node.voters) // 2 + 1,
        node_id="coordinator-9",
    ):
        far = {"node_id": "coordinator-9"}
        assert measured.value("butterfly_consensus_term", **far) == 5
        assert measured.value("butterfly_consensus_log_entries_total", **far) == 2
        assert measured.value("butterfly_consensus_applied_index", **far) == 7
        assert measured.values("butterfly_consensus_commit_index") == {}
        assert measured.values("butterfly_cluster_size") == {(("state", "active"),): 5}
        assert measured.value("butterfly_quorum_size") == 3
    assert [name for name in ALL if measured.values(name)] == []


def test_an_attribute_that_is_missing_is_refused_at_once(start: Start) -> None:
    """The error names the attribute and how to mend it, and nothing is left registered."""
    measured, node = start(), Node()
    del node.commit_index
    with pytest.raises(ConfigurationError, match=r"no attribute 'commit_index'.*commit_index=None"):
        observe_raft(node, applied_index=None)
    with pytest.raises(ConfigurationError, match=r"no attribute 'members\.missing'"):
        observe_raft(node, quorum_size="members.missing", commit_index=None, applied_index=None)
    assert [name for name in ALL if measured.values(name)] == []


def test_a_part_that_says_nothing_of_where_it_is_is_refused_at_once() -> None:
    """A value in the place of a name or a function would fail at every collection."""
    with pytest.raises(ConfigurationError, match=r"term is 5; pass the name of an attribute"):
        observe_raft(Node(), term=5)  # type: ignore[arg-type]


def test_a_part_that_raises_costs_only_itself(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted at each collection and logged once; all others are there."""

    class Starting(Node):
        state: Any = None

        @property
        def applied_index(self) -> int:
            return self.state.applied

        def quorum_size(self) -> int:
            raise RuntimeError("no members yet")

    node, measured = Starting(), start()
    with observe_raft(node):
        assert measured.values("butterfly_consensus_applied_index") == {}
        assert measured.values("butterfly_quorum_size") == {}
        assert measured.value("butterfly_consensus_term", **NODE) == 3
        errors = "butterfly_otel_callback_errors_total"
        assert measured.value(errors, metric="butterfly_quorum_size") >= 1
        assert measured.value(errors, metric="butterfly_consensus_applied_index") >= 1
        assert caplog.text.count("no members yet") == 1


def test_the_node_is_not_kept_alive(start: Start) -> None:
    """The series end with the node, and the callbacks with the next collection."""
    measured, node = start(), Node()
    observe_raft(node)
    assert measured.value("butterfly_consensus_term", **NODE) == 3
    del node
    gc.collect()
    assert [name for name in ALL if measured.values(name)] == []
    assert metrics.consensus_term.registrations == ()
    assert metrics.quorum_size.registrations == ()


def test_a_node_without_weak_references_is_kept(start: Start) -> None:
    """A named tuple is observed until it is unregistered."""

    class Frozen(NamedTuple):
        term: int

    measured = start()
    names = ("log_length", "commit_index", "applied_index", "cluster_size", "quorum_size")
    with observe_raft(Frozen(8), **dict.fromkeys(names)):  # type: ignore[arg-type]
        gc.collect()
        assert measured.value("butterfly_consensus_term", **NODE) == 8


def test_elections_are_timed_and_changes_counted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An election runs from its first round to its result; the same leader again is no change."""
    clock = iter((10.0, 12.5, 20.0, 21.0))
    monkeypatch.setattr(timing, "perf_counter", lambda: next(clock))
    measured, elections = start(), Elections()
    elections.started()
    elections.started()
    elections.ended("a")
    assert elections.leader == "a"
    elections.started()
    elections.ended("a")
    elections.ended("b")  # learnt of, not seen
    assert measured.value("butterfly_consensus_leader_changes_total") == 2
    [duration] = measured.points("butterfly_consensus_election_duration_seconds")
    assert (duration.count, duration.sum) == (2, 3.5)
    assert Elections("c").leader == "c"


def test_elections_seen_by_many_threads_are_counted_once(start: Start) -> None:
    """However many threads learn of one result, it is one election and one change."""
    measured, elections = start(), Elections()
    elections.started()
    barrier = threading.Barrier(8)

    def learn() -> None:
        barrier.wait()
        elections.ended("a")

    threads = [threading.Thread(target=learn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured.value("butterfly_consensus_leader_changes_total") == 1
    [duration] = measured.points("butterfly_consensus_election_duration_seconds")
    assert duration.count == 1
