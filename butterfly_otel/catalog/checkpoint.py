"""Category 6 of the specification: checkpoints and recovery."""

from __future__ import annotations

from butterfly_otel.catalog.labels import CHECKPOINT_ID, NODE_ID, NODE_ID_PAIR, closed
from butterfly_otel.catalog.model import Metric
from butterfly_otel.catalog.promql import new_within_hour

CHECKPOINT_COUNT = Metric(
    name="butterfly_checkpoint_count",
    type="gauge",
    instrument="up_down_counter",
    why="A checkpoint leaves one status and enters another; each step knows only itself.",
    across="sum",
    across_why="Each process counts the steps that it takes; those of the living add up.",
    unit="{checkpoint}",
    help="Checkpoints this node now has in each status; a gauge despite its name.",
    category="checkpoint",
    labels=(
        NODE_ID,
        closed("status", "pending", "complete", "failed", help="Status of the checkpoints."),
    ),
    query="sum by (status) (butterfly_checkpoint_count)",
)

CHECKPOINT_DURATION_SECONDS = Metric(
    name="butterfly_checkpoint_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A duration whose distribution matters.",
    across="sum",
    across_why="Each process times its own checkpoints; buckets add up.",
    unit="s",
    help="Time each phase of making a checkpoint takes.",
    category="checkpoint",
    labels=(
        NODE_ID,
        closed("phase", "snapshot", "write", "verify", help="Phase of making the checkpoint."),
    ),
    buckets=(0.1, 1.0, 10.0, 60.0, 300.0),
    query=(
        "histogram_quantile(0.99, sum by (phase, le)"
        " (rate(butterfly_checkpoint_duration_seconds_bucket[5m])))"
    ),
)

# Each checkpoint has its own series, born with its one value: a rate() would be 0 for ever.
CHECKPOINT_SIZE_BYTES = Metric(
    name="butterfly_checkpoint_size_bytes",
    type="histogram",
    instrument="histogram",
    why="A size whose distribution matters.",
    across="sum",
    across_why="Each process measures the checkpoints that it writes; buckets add up.",
    unit="By",
    help="Size of each finished checkpoint, of which only the latest have a series.",
    category="checkpoint",
    labels=(NODE_ID, CHECKPOINT_ID),
    buckets=(1e6, 1e7, 1e8, 1e9, 1e10),
    query=(
        "sum by (node_id) (butterfly_checkpoint_size_bytes_sum)"
        " / sum by (node_id) (butterfly_checkpoint_size_bytes_count)"
    ),
)

RECOVERY_ATTEMPTS_TOTAL = Metric(
    name="butterfly_recovery_attempts_total",
    type="counter",
    instrument="counter",
    why="Counted once, when an attempt ends; it never falls.",
    across="sum",
    across_why="Each attempt is counted by the process that makes it.",
    unit="{attempt}",
    help="Attempts of this node to recover its state, by outcome.",
    category="checkpoint",
    labels=(
        NODE_ID,
        closed("outcome", "success", "partial", "failed", help="How the attempt ended."),
    ),
    query=(
        'sum(rate(butterfly_recovery_attempts_total{outcome!="success"}[1h]))'
        " / sum(rate(butterfly_recovery_attempts_total[1h]))"
    ),
)

RECOVERY_DURATION_SECONDS = Metric(
    name="butterfly_recovery_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A duration whose distribution matters.",
    across="sum",
    across_why="Each recovery is timed by the process that runs it.",
    unit="s",
    help="Time from the start of an attempt to recover to its end.",
    category="checkpoint",
    labels=(NODE_ID,),
    buckets=(1.0, 10.0, 60.0, 300.0, 600.0),
    query=(
        "histogram_quantile(0.99, sum by (le)"
        " (rate(butterfly_recovery_duration_seconds_bucket[1h])))"
    ),
)

# The query adds what series born within the hour began with, which increase() does not see.
STATE_DIVERGENCE_DETECTED_TOTAL = Metric(
    name="butterfly_state_divergence_detected_total",
    type="counter",
    instrument="counter",
    why="Counted once for each divergence found; it never falls.",
    across="sum",
    across_why="Each divergence is counted by the process that finds it.",
    unit="{divergence}",
    help="Times two nodes that should hold the same state were found to differ.",
    category="checkpoint",
    labels=(NODE_ID_PAIR,),
    query=new_within_hour("sum by (node_id_pair) ", "butterfly_state_divergence_detected_total"),
)

METRICS: tuple[Metric, ...] = (
    CHECKPOINT_COUNT,
    CHECKPOINT_DURATION_SECONDS,
    CHECKPOINT_SIZE_BYTES,
    RECOVERY_ATTEMPTS_TOTAL,
    RECOVERY_DURATION_SECONDS,
    STATE_DIVERGENCE_DETECTED_TOTAL,
)
