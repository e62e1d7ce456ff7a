"""Category 7 of the specification: tasks, barriers and clocks."""

from __future__ import annotations

from butterfly_otel.catalog.labels import (
    BARRIER_ID,
    FROM_COORDINATOR,
    NODE_ID,
    NODE_PAIR,
    TASK_ID,
    TO_NODE,
    closed,
)
from butterfly_otel.catalog.model import Metric

TASKS_QUEUED = Metric(
    name="butterfly_tasks_queued",
    type="gauge",
    instrument="observable_up_down_counter",
    why="The queue knows its own length; it is read when metrics are collected, and adds up.",
    across="sum",
    across_why="Each process has a queue of its own; those of the living add up.",
    unit="{task}",
    help="Tasks that wait in this node's queue.",
    category="coordination",
    labels=(NODE_ID,),
    query="sum by (node_id) (butterfly_tasks_queued) > 100",
)

TASKS_ASSIGNED_TOTAL = Metric(
    name="butterfly_tasks_assigned_total",
    type="counter",
    instrument="counter",
    why="Counted once for each assignment; it never falls.",
    across="sum",
    across_why="Each process counts the tasks that it assigns itself.",
    unit="{task}",
    help="Tasks this coordinator has assigned to a node, reassigned ones included.",
    category="coordination",
    labels=(FROM_COORDINATOR, TO_NODE),
    query="sum by (to_node) (rate(butterfly_tasks_assigned_total[5m]))",
)

TASKS_COMPLETED_TOTAL = Metric(
    name="butterfly_tasks_completed_total",
    type="counter",
    instrument="counter",
    why="Counted once, when a task ends; it never falls.",
    across="sum",
    across_why="Each process counts the tasks that it completes itself.",
    unit="{task}",
    help="Tasks that have ended on this node, by outcome, failed ones included.",
    category="coordination",
    labels=(
        NODE_ID,
        closed("status", "success", "error", "timeout", help="How the task ended."),
    ),
    query=(
        'sum by (node_id) (rate(butterfly_tasks_completed_total{status!="success"}[5m]))'
        " / sum by (node_id) (rate(butterfly_tasks_completed_total[5m]))"
    ),
)

TASK_REASSIGNMENTS_TOTAL = Metric(
    name="butterfly_task_reassignments_total",
    type="counter",
    instrument="counter",
    why="Counted once for each task taken from one node and given to another; it never falls.",
    across="sum",
    across_why="Each process counts the tasks that it assigns anew.",
    unit="{reassignment}",
    help="Tasks taken from one node and given to another, by reason.",
    category="coordination",
    labels=(
        closed(
            "reason",
            "node_failure",
            "timeout",
            "overload",
            help="Why the task was taken from its node.",
        ),
    ),
    query="sum by (reason) (rate(butterfly_task_reassignments_total[5m]))",
)

BARRIER_WAIT_DURATION_SECONDS = Metric(
    name="butterfly_barrier_wait_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A duration whose distribution matters.",
    across="sum",
    across_why="Each process times its own waits; buckets add up.",
    unit="s",
    help="Time this node waits at a barrier until all others have reached it.",
    category="coordination",
    labels=(BARRIER_ID, NODE_ID),
    buckets=(0.001, 0.01, 0.1, 1.0, 10.0),
    query=(
        "histogram_quantile(0.99, sum by (barrier_id, le)"
        " (rate(butterfly_barrier_wait_duration_seconds_bucket[5m])))"
    ),
)

SYNCHRONIZATION_SKEW_SECONDS = Metric(
    name="butterfly_synchronization_skew_seconds",
    type="gauge",
    instrument="gauge",
    why="Set after each comparison of two clocks, and not additive.",
    across="latest",
    across_why="Each comparison of two clocks is right when it is made.",
    unit="s",
    help="Clock of the pair's second node minus that of its first, which may be negative.",
    category="coordination",
    labels=(NODE_PAIR,),
    query="max(abs(butterfly_synchronization_skew_seconds))",
)

DEPENDENCY_WAIT_DURATION_SECONDS = Metric(
    name="butterfly_dependency_wait_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A duration whose distribution matters.",
    across="sum",
    across_why="Each process times its own waits; buckets add up.",
    unit="s",
    help="Time a task waits until everything it depends on is there.",
    category="coordination",
    labels=(TASK_ID, NODE_ID),
    buckets=(0.001, 0.01, 0.1, 1.0, 10.0),
    query=(
        "histogram_quantile(0.99, sum by (node_id, le)"
        " (rate(butterfly_dependency_wait_duration_seconds_bucket[5m])))"
    ),
)

METRICS: tuple[Metric, ...] = (
    TASKS_QUEUED,
    TASKS_ASSIGNED_TOTAL,
    TASKS_COMPLETED_TOTAL,
    TASK_REASSIGNMENTS_TOTAL,
    BARRIER_WAIT_DURATION_SECONDS,
    SYNCHRONIZATION_SKEW_SECONDS,
    DEPENDENCY_WAIT_DURATION_SECONDS,
)
