"""Category 2 of the specification: consensus among the coordinators."""

from __future__ import annotations

from butterfly_otel.catalog.labels import FROM_NODE, NODE_ID, TO_NODE, closed
from butterfly_otel.catalog.model import Metric

CONSENSUS_TERM = Metric(
    name="butterfly_consensus_term",
    type="gauge",
    instrument="observable_gauge",
    why="The Raft state owns the term; it is read when metrics are collected and not additive.",
    across="max",
    across_why="Terms only grow, so the highest that any process knows is the node's.",
    unit="{term}",
    help="Raft term this node is in.",
    category="consensus",
    labels=(NODE_ID,),
    query="max(butterfly_consensus_term) - min(butterfly_consensus_term)",
)

CONSENSUS_LEADER_CHANGES_TOTAL = Metric(
    name="butterfly_consensus_leader_changes_total",
    type="counter",
    instrument="counter",
    why="Counted once for each change of leader that the node sees; it never falls.",
    across="sum",
    across_why="Each change is counted by the one process that takes part.",
    unit="{election}",
    help="Leader elections this node has seen end; every coordinator counts each of them.",
    category="consensus",
    query="max(increase(butterfly_consensus_leader_changes_total[1h]))",
)

CONSENSUS_ELECTION_DURATION_SECONDS = Metric(
    name="butterfly_consensus_election_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A duration whose distribution matters.",
    across="sum",
    across_why="Each election is timed by the process that runs it.",
    unit="s",
    help="Time from the start of a leader election to its result.",
    category="consensus",
    buckets=(0.1, 0.5, 1.0, 2.0, 5.0, 10.0),
    query=(
        "histogram_quantile(0.99, sum by (le)"
        " (rate(butterfly_consensus_election_duration_seconds_bucket[1h])))"
    ),
)

CONSENSUS_LOG_ENTRIES_TOTAL = Metric(
    name="butterfly_consensus_log_entries_total",
    type="gauge",
    instrument="observable_gauge",
    why="The length of a log that compaction and truncation shorten, read from its owner.",
    across="latest",
    across_why="One log is the node's; whoever saw it change last knows its length.",
    unit="{entry}",
    help="Entries now in this node's Raft log; a gauge despite its name.",
    category="consensus",
    labels=(NODE_ID,),
    query=(
        "max(butterfly_consensus_log_entries_total) - min(butterfly_consensus_log_entries_total)"
    ),
)

CONSENSUS_COMMIT_INDEX = Metric(
    name="butterfly_consensus_commit_index",
    type="gauge",
    instrument="observable_gauge",
    why="The Raft state owns the index; it is read when metrics are collected and not additive.",
    across="max",
    across_why="It only grows, so the highest that any process knows is the node's.",
    unit="{entry}",
    help="Index of the newest log entry this node knows to be committed.",
    category="consensus",
    labels=(NODE_ID,),
    query="max(butterfly_consensus_commit_index) - min(butterfly_consensus_commit_index)",
)

CONSENSUS_APPLIED_INDEX = Metric(
    name="butterfly_consensus_applied_index",
    type="gauge",
    instrument="observable_gauge",
    why="The Raft state owns the index; it is read when metrics are collected and not additive.",
    across="max",
    across_why="It only grows, so the highest that any process knows is the node's.",
    unit="{entry}",
    help="Index of the newest log entry this node has applied to its state machine.",
    category="consensus",
    labels=(NODE_ID,),
    query=(
        "max by (node_id) (butterfly_consensus_commit_index)"
        " - max by (node_id) (butterfly_consensus_applied_index)"
    ),
)

CONSENSUS_HEARTBEAT_FAILURES_TOTAL = Metric(
    name="butterfly_consensus_heartbeat_failures_total",
    type="counter",
    instrument="counter",
    why="Counted once for each heartbeat without an answer; it never falls.",
    across="sum",
    across_why="Each process counts the heartbeats that it misses itself.",
    unit="{failure}",
    help="Heartbeats this node sent to a peer that were not answered in time.",
    category="consensus",
    labels=(FROM_NODE, TO_NODE),
    query=(
        "sum by (from_node, to_node) (rate(butterfly_consensus_heartbeat_failures_total[5m])) > 0.1"
    ),
)

CLUSTER_SIZE = Metric(
    name="butterfly_cluster_size",
    type="gauge",
    instrument="observable_gauge",
    why="Each coordinator reads its own view of the membership; views do not add up.",
    across="latest",
    across_why="Views of one membership do not add up; the newest is the best.",
    unit="{node}",
    help="Nodes of the cluster in each state as this node sees them; active counts voters only.",
    category="consensus",
    labels=(closed("state", "active", "degraded", "recovering", help="State the nodes are in."),),
    query="min by (state) (butterfly_cluster_size)",
)

QUORUM_SIZE = Metric(
    name="butterfly_quorum_size",
    type="gauge",
    instrument="observable_gauge",
    why="Each coordinator derives it from the membership it knows; views do not add up.",
    across="latest",
    across_why="It follows from the membership, of which the newest view is the best.",
    unit="{node}",
    help="Voting members that a decision needs, 2f+1.",
    category="consensus",
    query='min(butterfly_cluster_size{state="active"}) - max(butterfly_quorum_size)',
)

METRICS: tuple[Metric, ...] = (
    CONSENSUS_TERM,
    CONSENSUS_LEADER_CHANGES_TOTAL,
    CONSENSUS_ELECTION_DURATION_SECONDS,
    CONSENSUS_LOG_ENTRIES_TOTAL,
    CONSENSUS_COMMIT_INDEX,
    CONSENSUS_APPLIED_INDEX,
    CONSENSUS_HEARTBEAT_FAILURES_TOTAL,
    CLUSTER_SIZE,
    QUORUM_SIZE,
)
