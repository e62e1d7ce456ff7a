"""Category 3 of the specification: running the model's layers."""

from __future__ import annotations

from butterfly_otel.catalog.labels import LAYER_ID, MODEL, NODE_ID, closed
from butterfly_otel.catalog.model import Metric

LAYER_COMPUTE_DURATION_SECONDS = Metric(
    name="butterfly_layer_compute_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A latency whose distribution matters.",
    across="sum",
    across_why="Each process times the layers that it runs; buckets add up.",
    unit="s",
    help="Time one execution of a model layer takes on this node.",
    category="computation",
    labels=(LAYER_ID, NODE_ID, MODEL),
    buckets=(0.001, 0.01, 0.1, 0.5, 1.0, 5.0),
    query=(
        "topk(10, histogram_quantile(0.99, sum by (model, layer_id, le)"
        " (rate(butterfly_layer_compute_duration_seconds_bucket[5m]))))"
    ),
    limit=4_000,  # 200 layers of 20 models, on one node
)

LAYER_MEMORY_BYTES = Metric(
    name="butterfly_layer_memory_bytes",
    type="gauge",
    instrument="gauge",
    why="Set by the code that runs the layer, the only one that knows what belongs to it.",
    across="sum",
    across_why="What each process holds of a layer is memory of its own, so it adds up.",
    unit="By",
    help="Memory a layer holds on this node, over all models, by what holds it.",
    category="computation",
    labels=(
        LAYER_ID,
        NODE_ID,
        closed("operation", "forward", "activation", "gradient", help="What holds the memory."),
    ),
    query="sum by (node_id, layer_id) (butterfly_layer_memory_bytes)",
)

TENSOR_SIZE_BYTES = Metric(
    name="butterfly_tensor_size_bytes",
    type="histogram",
    instrument="histogram",
    why="A size whose distribution matters.",
    across="sum",
    across_why="Each process measures the tensors that it moves; buckets add up.",
    unit="By",
    help="Size of each tensor that enters or leaves a layer.",
    category="computation",
    labels=(
        LAYER_ID,
        closed("direction", "input", "output", help="Whether it enters or leaves the layer."),
    ),
    buckets=(1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9),
    query=(
        "sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_sum[5m]))"
        " / sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_count[5m]))"
    ),
)

PIPELINE_DEPTH = Metric(
    name="butterfly_pipeline_depth",
    type="gauge",
    instrument="gauge",
    why="Set when the pipeline is built or rebuilt, and not additive.",
    across="max",
    across_why="Processes of one pipeline tell its depth; one that knows part tells less.",
    unit="{stage}",
    help="Stages in this node's execution pipeline.",
    category="computation",
    labels=(NODE_ID,),
    query="avg(butterfly_pipeline_depth)",
)

PIPELINE_STALLS_TOTAL = Metric(
    name="butterfly_pipeline_stalls_total",
    type="counter",
    instrument="counter",
    why="Counted once for each stall; it never falls.",
    across="sum",
    across_why="Each process counts the stalls of its own stages.",
    unit="{stall}",
    help="Times the pipeline stood still because something it needs was missing.",
    category="computation",
    labels=(
        NODE_ID,
        closed(
            "reason",
            "memory_pressure",
            "network_wait",
            "consensus_wait",
            help="What the pipeline waited for.",
        ),
    ),
    query="sum by (reason) (rate(butterfly_pipeline_stalls_total[5m]))",
)

BATCH_SIZE = Metric(
    name="butterfly_batch_size",
    type="gauge",
    instrument="gauge",
    why="Set by the batcher for each batch it forms, and not additive.",
    across="latest",
    across_why="It is of the latest batch, whichever process has formed that.",
    unit="{batch}",
    help="Sequences in the latest inference batch of this node.",
    category="computation",
    labels=(NODE_ID,),
    query="avg by (node_id) (avg_over_time(butterfly_batch_size[5m]))",
)

TOKENS_PROCESSED_TOTAL = Metric(
    name="butterfly_tokens_processed_total",
    type="counter",
    instrument="counter",
    why="Increased by each batch's tokens; it never falls.",
    across="sum",
    across_why="Each process counts the tokens that it has processed itself.",
    unit="{token}",
    help="Tokens this node has processed, by model.",
    category="computation",
    labels=(MODEL, NODE_ID),
    query="sum by (model) (rate(butterfly_tokens_processed_total[5m]))",
)

SEQUENCES_PROCESSED_TOTAL = Metric(
    name="butterfly_sequences_processed_total",
    type="counter",
    instrument="counter",
    why="Counted once for each sequence that is finished; it never falls.",
    across="sum",
    across_why="Each process counts the sequences that it has processed itself.",
    unit="{sequence}",
    help="Sequences this node has finished, by model.",
    category="computation",
    labels=(MODEL, NODE_ID),
    query="sum by (model) (rate(butterfly_sequences_processed_total[5m]))",
)

ATTENTION_HEADS_ACTIVE = Metric(
    name="butterfly_attention_heads_active",
    type="gauge",
    instrument="gauge",
    why="Set by the code that runs the layer, the only one that knows.",
    across="sum",
    across_why="Each process runs heads of its own, be it of a part or of a copy.",
    unit="{head}",
    help="Attention heads of a layer that are in use on this node, over all models.",
    category="computation",
    labels=(LAYER_ID, NODE_ID),
    query="sum by (node_id) (butterfly_attention_heads_active)",
)

METRICS: tuple[Metric, ...] = (
    LAYER_COMPUTE_DURATION_SECONDS,
    LAYER_MEMORY_BYTES,
    TENSOR_SIZE_BYTES,
    PIPELINE_DEPTH,
    PIPELINE_STALLS_TOTAL,
    BATCH_SIZE,
    TOKENS_PROCESSED_TOTAL,
    SEQUENCES_PROCESSED_TOTAL,
    ATTENTION_HEADS_ACTIVE,
)
