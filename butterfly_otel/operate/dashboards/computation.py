"""Computation: tokens, layers, and what pipelines wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, fold, spread, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_LAYER = "butterfly_layer_compute_duration_seconds"
_TOKENS = "suffix: tokens/s"


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node", "model"))
    return Dashboard(
        slug="computation",
        title="Computation",
        description=(
            "What the cluster makes, and which layers and nodes hold it up. Memory, tensors and"
            " attention heads have no model: on a node that serves several they are over all."
        ),
        choices=scope.choices,
        rows=(_throughput(scope), _pipelines(scope), _layers(scope), _memory(scope)),
    )


def _throughput(scope: Scope) -> Row:
    tokens = "butterfly_tokens_processed_total"
    return Row(
        "Throughput",
        (
            Panel(
                title="Tokens by model",
                description="Tokens a second of each model. The line is the least that is promised"
                " while there is work.",
                unit=_TOKENS,
                targets=(Target(expr=scope.summed("model", tokens), legend="{{model}}"),),
                steps=(Step(None, "red"), Step(scope.limits.tokens_per_second, "green")),
                stacked=True,
                alerts=("LowThroughput",),
            ),
            Panel(
                title="Sequences by model",
                description="Sequences a second of each model.",
                unit="suffix: sequences/s",
                targets=(Target(
                    expr=scope.summed("model", "butterfly_sequences_processed_total"),
                    legend="{{model}}",
                ),),
                stacked=True,
            ),
            Panel(
                title="Tokens of a node",
                description="Tokens a second of the fastest node, of the slowest, and the mean:"
                " how evenly the work is spread.",
                unit=_TOKENS,
                targets=spread(scope.summed("node_id", tokens)),
            ),
            Panel(
                title="Tokens of a sequence",
                description="Tokens for each sequence: how long answers are, by model.",
                unit="short",
                targets=(Target(
                    expr=f"{scope.summed('model', tokens)}"
                    f" / {scope.summed('model', 'butterfly_sequences_processed_total')}",
                    legend="{{model}}",
                ),),
            ),
        ),
    )  # fmt: skip


def _pipelines(scope: Scope) -> Row:
    stalls = "butterfly_pipeline_stalls_total"
    return Row(
        "Pipelines",
        (
            Panel(
                title="Stalls by reason",
                description="How often a second a stage waits, and for what: memory, the network,"
                " or a decision of the coordinators.",
                unit="cps",
                targets=(Target(expr=scope.summed("reason", stalls), legend="{{reason}}"),),
                stacked=True,
                empty="Nothing stalls",
            ),
            Panel(
                title="Nodes that stall most",
                description="Stalls a second, now.",
                unit="cps",
                targets=(Target(
                    expr=top(scope.summed("node_id", stalls)), legend="{{node_id}}"
                ),),
                kind="bars",
                empty="Nothing stalls",
            ),
            Panel(
                title="Stages",
                description="Stages of the deepest pipeline, of the shallowest, and the mean.",
                unit="none",
                targets=spread(scope.series("butterfly_pipeline_depth")),
            ),
            Panel(
                title="Batch size",
                description="Requests in a batch, of the node with the largest, with the smallest,"
                " and the mean. Small batches under load leave GPUs idle.",
                unit="none",
                targets=spread(
                    f"{fold('avg', 'node_id')}"
                    f"(avg_over_time({scope.series('butterfly_batch_size')}[$__rate_interval]))"
                ),
            ),
        ),
    )  # fmt: skip


def _layers(scope: Scope) -> Row:
    return Row(
        "Layers",
        (
            Panel(
                title="Slowest layers",
                description="P99 of the ten slowest layers, now. A pipeline is as fast as its"
                " slowest stage.",
                unit="s",
                targets=(Target(
                    expr=top(scope.quantile(0.99, "model, layer_id", _LAYER)),
                    legend="{{model}} {{layer_id}}",
                ),),
                kind="bars",
                alerts=("HighLatency",),
            ),
            Panel(
                title="Slowest nodes",
                description="P99 of a layer's execution on the ten slowest nodes, now.",
                unit="s",
                targets=(Target(
                    expr=top(scope.quantile(0.99, "node_id", _LAYER)), legend="{{node_id}}"
                ),),
                kind="bars",
            ),
            Panel(
                title="Durations of layers",
                description="How many executions a second take how long.",
                unit="s",
                targets=scope.buckets(_LAYER),
                kind="heatmap",
            ),
            Panel(
                title="Duration of a layer by model",
                description="P99 and P50 over all layers of each model, with exemplars.",
                unit="s",
                targets=scope.quantiles("model", _LAYER),
            ),
        ),
    )  # fmt: skip


def _memory(scope: Scope) -> Row:
    memory = scope.series("butterfly_layer_memory_bytes")
    heads = scope.series("butterfly_attention_heads_active")
    return Row(
        "Memory and tensors",
        (
            Panel(
                title="Memory of layers by use",
                description="Memory of all layers: of the forward pass, of activations, of"
                " gradients.",
                unit="bytes",
                targets=(Target(
                    expr=f"sum by (operation) ({memory})", legend="{{operation}}"
                ),),
                stacked=True,
            ),
            Panel(
                title="Largest layers",
                description="Memory of the ten largest layers on all nodes together, now.",
                unit="bytes",
                targets=(Target(
                    expr=top(f"sum by (layer_id) ({memory})"), legend="{{layer_id}}"
                ),),
                kind="bars",
            ),
            Panel(
                title="Size of tensors",
                description="Mean size of what goes into layers and comes out of them.",
                unit="bytes",
                targets=(Target(
                    expr=scope.mean("direction", "butterfly_tensor_size_bytes"),
                    legend="{{direction}}",
                ),),
            ),
            Panel(
                title="Active attention heads",
                description="Of the node with most, with least, and the mean.",
                unit="none",
                targets=spread(f"sum by (node_id) ({heads})"),
            ),
        ),
    )  # fmt: skip
