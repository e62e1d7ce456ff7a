"""Category 8 of the specification: detection of Byzantine faults.

A fault's series is born when the fault is found, so its first count is invisible to
``increase()``: the queries for rare faults add what series born within the hour began with.
"""

from __future__ import annotations

from butterfly_otel.catalog.labels import NODE_ID, SUBJECT_NODE_ID, TASK_ID, closed
from butterfly_otel.catalog.model import Metric
from butterfly_otel.catalog.promql import new_within_hour

BYZANTINE_FAULTS_DETECTED_TOTAL = Metric(
    name="butterfly_byzantine_faults_detected_total",
    type="counter",
    instrument="counter",
    why="Counted once for each fault found; it never falls.",
    across="sum",
    across_why="Each fault is counted by the process that finds it.",
    unit="{fault}",
    help="Byzantine faults this node has found in the named node.",
    category="byzantine",
    labels=(
        SUBJECT_NODE_ID,
        closed(
            "fault_type",
            "incorrect_result",
            "invalid_signature",
            "merkle_mismatch",
            help="Kind of fault.",
        ),
    ),
    query=new_within_hour(
        "sum by (node_id, fault_type) ", "butterfly_byzantine_faults_detected_total"
    ),
)

VERIFICATION_CHECKS_TOTAL = Metric(
    name="butterfly_verification_checks_total",
    type="counter",
    instrument="counter",
    why="Counted once for each check, whatever its result; it never falls.",
    across="sum",
    across_why="Each process counts the checks that it makes itself.",
    unit="{check}",
    help="Checks of the named node's work that this node has made, passed ones included.",
    category="byzantine",
    labels=(
        SUBJECT_NODE_ID,
        closed(
            "check_type",
            "signature",
            "merkle_tree",
            "result_comparison",
            help="Kind of check.",
        ),
    ),
    query="sum by (check_type) (rate(butterfly_verification_checks_total[5m]))",
)

VERIFICATION_FAILURES_TOTAL = Metric(
    name="butterfly_verification_failures_total",
    type="counter",
    instrument="counter",
    why="Counted once for each check that failed; it never falls.",
    across="sum",
    across_why="Each failure is counted by the process that finds it.",
    unit="{failure}",
    help="Checks of the named node's work that failed, by what was wrong.",
    category="byzantine",
    labels=(
        SUBJECT_NODE_ID,
        closed(
            "failure_type",
            "signature_invalid",
            "merkle_mismatch",
            "result_divergence",
            help="What was wrong.",
        ),
    ),
    query=(
        "sum by (node_id) (rate(butterfly_verification_failures_total[5m]))"
        " / sum by (node_id) (rate(butterfly_verification_checks_total[5m]))"
    ),
)

REPUTATION_SCORE = Metric(
    name="butterfly_reputation_score",
    type="gauge",
    instrument="gauge",
    why="Set each time the node revises its opinion, and not additive.",
    across="latest",
    across_why="Opinions do not add up; the one revised last is the node's.",
    unit="{score}",
    help="How far this node trusts the named node, from 0 (not at all) to 1 (fully).",
    category="byzantine",
    labels=(SUBJECT_NODE_ID,),
    query="min by (node_id) (butterfly_reputation_score) < 0.5",
)

CRYPTOGRAPHIC_FAILURES_TOTAL = Metric(
    name="butterfly_cryptographic_failures_total",
    type="counter",
    instrument="counter",
    why="Counted once for each operation that failed; it never falls.",
    across="sum",
    across_why="Each failure is counted by the process that finds it.",
    unit="{failure}",
    help="Cryptographic operations that failed on this node.",
    category="byzantine",
    labels=(
        NODE_ID,
        closed("operation", "sign", "verify", "encrypt", "decrypt", help="What failed."),
    ),
    query="sum by (node_id, operation) (rate(butterfly_cryptographic_failures_total[5m]))",
)

MERKLE_ROOT_MISMATCHES_TOTAL = Metric(
    name="butterfly_merkle_root_mismatches_total",
    type="counter",
    instrument="counter",
    why="Counted once for each comparison that found different roots; it never falls.",
    across="sum",
    across_why="Each mismatch is counted by the process that finds it.",
    unit="{mismatch}",
    help="Comparisons of Merkle roots of a task's results that found them different.",
    category="byzantine",
    labels=(TASK_ID,),
    query=new_within_hour("sum", "butterfly_merkle_root_mismatches_total"),
)

METRICS: tuple[Metric, ...] = (
    BYZANTINE_FAULTS_DETECTED_TOTAL,
    VERIFICATION_CHECKS_TOTAL,
    VERIFICATION_FAILURES_TOTAL,
    REPUTATION_SCORE,
    CRYPTOGRAPHIC_FAILURES_TOTAL,
    MERKLE_ROOT_MISMATCHES_TOTAL,
)
