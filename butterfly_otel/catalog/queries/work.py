"""Example queries on requests, consensus, computation and coordination."""

from __future__ import annotations

from butterfly_otel.catalog.queries.model import Query

_REQUESTS = (
    Query(
        subject="butterfly_requests_total",
        tells="Requests a second by method and outcome.",
        expr="sum by (method, status) (rate(butterfly_requests_total[5m]))",
    ),
    Query(
        subject="butterfly_requests_total",
        tells="Share of requests that fail, by role and method.",
        expr=(
            'sum by (node_role, method) (rate(butterfly_requests_total{status="error"}[5m]))'
            " / sum by (node_role, method) (rate(butterfly_requests_total[5m]))"
        ),
    ),
    Query(
        subject="butterfly_requests_in_flight",
        tells="Requests in flight on the busiest node of each role, in all but 1 % of the time.",
        expr="max by (node_role) (quantile_over_time(0.99, butterfly_requests_in_flight[5m]))",
    ),
    Query(
        subject="butterfly_request_errors_total",
        tells="Errors a second by their type.",
        expr="sum by (error_type) (rate(butterfly_request_errors_total[5m]))",
    ),
    Query(
        subject="butterfly_request_duration_seconds",
        tells="P99 of the duration of requests; what takes longer than 10 s shows as 10.",
        expr=(
            "histogram_quantile(0.99, sum by (node_role, method, le)"
            " (rate(butterfly_request_duration_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_request_duration_seconds",
        tells="Share of inference requests that take at most 5 s; the objective is 0.99.",
        expr=(
            "sum(rate(butterfly_request_duration_seconds_bucket"
            r'{node_role="coordinator",method="inference",le=~"5|5\\.0"}[5m]))'
            " / sum(rate(butterfly_request_duration_seconds_count"
            '{node_role="coordinator",method="inference"}[5m]))'
        ),
    ),
)

_CONSENSUS = (
    Query(
        subject="butterfly_consensus_term",
        tells="How many terms apart coordinators are: 0, but for moments of an election.",
        expr="max(butterfly_consensus_term) - min(butterfly_consensus_term)",
    ),
    Query(
        subject="butterfly_consensus_leader_changes_total",
        tells="Leader changes in an hour, as the coordinator that saw most counted them.",
        expr="max(increase(butterfly_consensus_leader_changes_total[1h]))",
    ),
    Query(
        subject="butterfly_consensus_election_duration_seconds",
        tells="P99 of the duration of elections; no answer while there are none.",
        expr=(
            "histogram_quantile(0.99, sum by (le)"
            " (rate(butterfly_consensus_election_duration_seconds_bucket[1h])))"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_consensus_log_entries_total",
        tells="Entries by which the longest and the shortest log differ.",
        expr=(
            "max(butterfly_consensus_log_entries_total)"
            " - min(butterfly_consensus_log_entries_total)"
        ),
        own=True,
    ),
    Query(
        subject="butterfly_consensus_log_entries_total",
        tells="The same, where logs are more than 100 entries apart.",
        expr=(
            "max(butterfly_consensus_log_entries_total)"
            " - min(butterfly_consensus_log_entries_total) > 100"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_consensus_commit_index",
        tells="Entries that the slowest coordinator is behind in committing.",
        expr="max(butterfly_consensus_commit_index) - min(butterfly_consensus_commit_index)",
    ),
    Query(
        subject="butterfly_consensus_applied_index",
        tells="Entries that each coordinator has committed and not yet applied.",
        expr=(
            "max by (node_id) (butterfly_consensus_commit_index)"
            " - max by (node_id) (butterfly_consensus_applied_index)"
        ),
        own=True,
    ),
    Query(
        subject="butterfly_consensus_applied_index",
        tells="The same, where it is more than 10.",
        expr=(
            "max by (node_id) (butterfly_consensus_commit_index)"
            " - max by (node_id) (butterfly_consensus_applied_index) > 10"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_consensus_heartbeat_failures_total",
        tells="Pairs of nodes that miss more than a heartbeat in ten seconds.",
        expr=(
            "sum by (from_node, to_node)"
            " (rate(butterfly_consensus_heartbeat_failures_total[5m])) > 0.1"
        ),
        always=False,
    ),
    Query(
        subject="butterfly_cluster_size",
        tells="Members by state, as the most pessimistic coordinator sees them.",
        expr="min by (state) (butterfly_cluster_size)",
        own=True,
    ),
    Query(
        subject="butterfly_cluster_size",
        tells="Active voting members, where they are too few for a quorum.",
        expr='min(butterfly_cluster_size{state="active"}) < max(butterfly_quorum_size)',
        always=False,
    ),
    Query(
        subject="butterfly_quorum_size",
        tells="Voting members that may still be lost; negative without a quorum.",
        expr='min(butterfly_cluster_size{state="active"}) - max(butterfly_quorum_size)',
        own=True,
    ),
)

_COMPUTATION = (
    Query(
        subject="butterfly_layer_compute_duration_seconds",
        tells="P99 of each layer's execution.",
        expr=(
            "histogram_quantile(0.99, sum by (model, layer_id, le)"
            " (rate(butterfly_layer_compute_duration_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_layer_compute_duration_seconds",
        tells="The ten slowest layers.",
        expr=(
            "topk(10, histogram_quantile(0.99, sum by (model, layer_id, le)"
            " (rate(butterfly_layer_compute_duration_seconds_bucket[5m]))))"
        ),
    ),
    Query(
        subject="butterfly_layer_memory_bytes",
        tells="Memory of each layer, on all nodes together.",
        expr="sum by (layer_id) (butterfly_layer_memory_bytes)",
    ),
    Query(
        subject="butterfly_layer_memory_bytes",
        tells="Memory of all layers of each node.",
        expr="sum by (node_id) (butterfly_layer_memory_bytes)",
    ),
    Query(
        subject="butterfly_layer_memory_bytes",
        tells="Memory of each layer on each node.",
        expr="sum by (node_id, layer_id) (butterfly_layer_memory_bytes)",
        own=True,
    ),
    Query(
        subject="butterfly_tensor_size_bytes",
        tells="Average size of the tensors that go into and come out of each layer.",
        expr=(
            "sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_sum[5m]))"
            " / sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_count[5m]))"
        ),
    ),
    Query(
        subject="butterfly_pipeline_depth",
        tells="Average number of stages.",
        expr="avg(butterfly_pipeline_depth)",
    ),
    Query(
        subject="butterfly_pipeline_stalls_total",
        tells="Stalls a second by what is waited for.",
        expr="sum by (reason) (rate(butterfly_pipeline_stalls_total[5m]))",
    ),
    Query(
        subject="butterfly_batch_size",
        tells="Average size of each node's batches.",
        expr="avg by (node_id) (avg_over_time(butterfly_batch_size[5m]))",
        own=True,
    ),
    Query(
        subject="butterfly_tokens_processed_total",
        tells="Tokens a second of the whole cluster.",
        expr="sum(rate(butterfly_tokens_processed_total[1m]))",
    ),
    Query(
        subject="butterfly_tokens_processed_total",
        tells="Tokens a second of each model, as of now.",
        expr="sum by (model) (rate(butterfly_tokens_processed_total[1m]))",
    ),
    Query(
        subject="butterfly_tokens_processed_total",
        tells="The same, smoothed.",
        expr="sum by (model) (rate(butterfly_tokens_processed_total[5m]))",
        own=True,
    ),
    Query(
        subject="butterfly_sequences_processed_total",
        tells="Sequences a second of the whole cluster.",
        expr="sum(rate(butterfly_sequences_processed_total[1m]))",
    ),
    Query(
        subject="butterfly_sequences_processed_total",
        tells="Sequences a second of each model, smoothed.",
        expr="sum by (model) (rate(butterfly_sequences_processed_total[5m]))",
        own=True,
    ),
    Query(
        subject="butterfly_attention_heads_active",
        tells="Active attention heads of each node.",
        expr="sum by (node_id) (butterfly_attention_heads_active)",
        own=True,
    ),
)
QUERIES = (*_REQUESTS, *_CONSENSUS, *_COMPUTATION)
