"""The SDK's own metrics: what it refused, dropped, could not export or could not read.

They are no part of the specification; ``butterfly_otel_label_violations_total`` is asked
for by docs/contract.md, Labels, and ``butterfly_otel_memory_limit_bytes`` by the alert on memory.
"""

from __future__ import annotations

from butterfly_otel.catalog.labels import NODE_ID, NODE_ROLE_WORKING, closed
from butterfly_otel.catalog.model import Label, Metric
from butterfly_otel.catalog.requests import METHOD_WORKING

_METRIC = Label(
    key="metric", kind="bounded", help="Name of the metric that was measured.", budget=200
)

LABEL_VIOLATIONS_TOTAL = Metric(
    name="butterfly_otel_label_violations_total",
    type="counter",
    instrument="counter",
    why="Counted once for each label that had to be changed or dropped.",
    across="sum",
    across_why="Each process counts what it had to change itself.",
    unit="{violation}",
    help="Labels that broke the contract and were replaced, shortened or dropped.",
    category="telemetry",
    labels=(
        _METRIC,
        Label(key="label", kind="open", help="Label that broke it.", budget=100),
        closed(
            "reason",
            "unknown_label",
            "unknown_value",
            "over_budget",
            "missing",
            "too_long",
            "invalid_text",
            help="What was wrong with it.",
        ),
    ),
    query="sum by (metric, label, reason) (increase(butterfly_otel_label_violations_total[10m]))",
)

INVALID_MEASUREMENTS_TOTAL = Metric(
    name="butterfly_otel_invalid_measurements_total",
    type="counter",
    instrument="counter",
    why="Counted once for each value that had to be ignored.",
    across="sum",
    across_why="Each process counts what it had to ignore itself.",
    unit="{measurement}",
    help="Measured values that were ignored because no metric can hold them.",
    category="telemetry",
    labels=(
        _METRIC,
        closed(
            "reason", "not_a_number", "not_finite", "negative", help="Why the value was ignored."
        ),
    ),
    query="sum by (metric, reason) (increase(butterfly_otel_invalid_measurements_total[10m]))",
)

CALLBACK_ERRORS_TOTAL = Metric(
    name="butterfly_otel_callback_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each observation callback that raised.",
    across="sum",
    across_why="Each process asks its own callbacks.",
    unit="{error}",
    help="Observation callbacks that raised an exception.",
    category="telemetry",
    labels=(_METRIC,),
    query="sum by (metric) (increase(butterfly_otel_callback_errors_total[10m]))",
)

EXPORTS_TOTAL = Metric(
    name="butterfly_otel_exports_total",
    type="counter",
    instrument="counter",
    why="Counted once for each batch handed to a push exporter.",
    across="sum",
    across_why="Each process that pushes counts its own batches.",
    unit="{export}",
    help="Batches handed to a push exporter, by outcome.",
    category="telemetry",
    labels=(
        Label(key="exporter", kind="bounded", help="Name of the exporter.", budget=10),
        closed("status", "success", "error", help="Whether the batch was taken."),
    ),
    query='sum by (exporter) (increase(butterfly_otel_exports_total{status="error"}[10m]))',
)

REJECTED_POINTS_TOTAL = Metric(
    name="butterfly_otel_rejected_points_total",
    type="counter",
    instrument="counter",
    why="Counted by as many as there are after each export.",
    across="sum",
    across_why="Each process that pushes counts its own points.",
    unit="{point}",
    help="Points that a push exporter's receiver did not take and that are not sent again.",
    category="telemetry",
    labels=(
        Label(key="exporter", kind="bounded", help="Name of the exporter.", budget=10),
        closed(
            "reason",
            "partial_success",
            "refused",
            "over_limit",
            help=(
                "Whether the receiver rejected them of an export that it took, refused deltas"
                " several times running, or too many were waiting for it."
            ),
        ),
    ),
    query="sum by (exporter, reason) (increase(butterfly_otel_rejected_points_total[10m]))",
)

SCRAPE_OMISSIONS_TOTAL = Metric(
    name="butterfly_otel_scrape_omissions_total",
    type="counter",
    instrument="counter",
    why="Counted once for each metric or collector that a scrape had to leave out.",
    across="sum",
    across_why="Each scrape is answered by one process, which counts.",
    unit="{omission}",
    help="Metrics and collectors that were missing from a scrape.",
    category="telemetry",
    labels=(
        closed(
            "reason",
            "slow_callback",
            "failed_callback",
            "slow_collector",
            "failed_collector",
            "broken_metric",
            "late_process",
            help="Why it was missing.",
        ),
    ),
    query="sum by (reason) (increase(butterfly_otel_scrape_omissions_total[10m]))",
)

SCRAPE_REFUSALS_TOTAL = Metric(
    name="butterfly_otel_scrape_refusals_total",
    type="counter",
    instrument="counter",
    why="Counted once for each request or TLS handshake that was refused.",
    across="sum",
    across_why="Each request is refused by one process, which counts.",
    unit="{refusal}",
    help="Requests and TLS handshakes that the Prometheus endpoint refused.",
    category="telemetry",
    labels=(
        closed(
            "reason",
            "missing_credentials",
            "wrong_credentials",
            "too_many_failures",
            "rate_limit",
            "client_certificate",
            "plain_http",
            "failed_handshake",
            help="Why it was refused.",
        ),
    ),
    query="sum by (reason) (increase(butterfly_otel_scrape_refusals_total[10m]))",
)

_COLLECTOR = Label(
    key="collector", kind="bounded", help="Name of the hardware collector.", budget=50
)

COLLECTOR_UP = Metric(
    name="butterfly_otel_collector_up",
    type="gauge",
    instrument="observable_gauge",
    why="A state of now, read when metrics are collected.",
    across="node",
    across_why="Collectors run in one process of the node, which tells of them.",
    unit="{collector}",
    help="Whether the last round of a hardware collector succeeded (1) or not (0).",
    category="telemetry",
    labels=(_COLLECTOR,),
    query="butterfly_otel_collector_up == 0",
)

COLLECTOR_AGE_SECONDS = Metric(
    name="butterfly_otel_collector_age_seconds",
    type="gauge",
    instrument="observable_gauge",
    why="Read off a clock when metrics are collected.",
    across="node",
    across_why="Collectors run in one process of the node, which tells of them.",
    unit="s",
    help="Time since a hardware collector last finished a round successfully.",
    category="telemetry",
    labels=(_COLLECTOR,),
    query="max by (instance, collector) (butterfly_otel_collector_age_seconds) > 60",
)

COLLECTOR_DURATION_SECONDS = Metric(
    name="butterfly_otel_collector_duration_seconds",
    type="gauge",
    instrument="observable_gauge",
    why="The last round's duration, read when metrics are collected.",
    across="node",
    across_why="Collectors run in one process of the node, which tells of them.",
    unit="s",
    help="Time the last finished round of a hardware collector took.",
    category="telemetry",
    labels=(_COLLECTOR,),
    query="max by (collector) (butterfly_otel_collector_duration_seconds)",
)

COLLECTOR_ERRORS_TOTAL = Metric(
    name="butterfly_otel_collector_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each round that failed or did not end in time.",
    across="sum",
    across_why="What collectors counted in one process goes on in the next.",
    unit="{error}",
    help="Rounds of a hardware collector that failed or did not end in time.",
    category="telemetry",
    labels=(
        _COLLECTOR,
        closed("reason", "failed", "timeout", "unavailable", help="What happened to the round."),
    ),
    query="sum by (collector, reason) (increase(butterfly_otel_collector_errors_total[10m]))",
)

DEVICE_UP = Metric(
    name="butterfly_otel_device_up",
    type="gauge",
    instrument="observable_gauge",
    why="A state of now, read when metrics are collected.",
    across="node",
    across_why="Collectors run in one process of the node, which tells of its devices.",
    unit="{device}",
    help="Whether a device that a collector has found answers (1) or is lost (0).",
    category="telemetry",
    labels=(
        _COLLECTOR,
        Label(key="device", kind="bounded", help="Identity of the device.", budget=64),
    ),
    query="butterfly_otel_device_up == 0",
)

MEMORY_LIMIT_BYTES = Metric(
    name="butterfly_otel_memory_limit_bytes",
    type="gauge",
    instrument="observable_gauge",
    why="Read from the cgroup or the kernel when metrics are collected.",
    across="node",
    across_why="The limit is the node's; one process reads it for all.",
    unit="By",
    help="Memory this node may use: its cgroup's limit, else the machine's physical memory.",
    category="telemetry",
    labels=(NODE_ID,),
    query=(
        "max by (node_id) (butterfly_otel_memory_limit_bytes)"
        " - max by (node_id) (butterfly_otel_memory_used_bytes)"
    ),
)

# The pools are no measure of this: some are a GPU's, and others may share the limit.
MEMORY_USED_BYTES = Metric(
    name="butterfly_otel_memory_used_bytes",
    type="gauge",
    instrument="observable_gauge",
    why="Read from the cgroup or the kernel when metrics are collected.",
    across="node",
    across_why="The kernel counts for the node; one process reads it for all.",
    unit="By",
    help="Memory in use out of the limit by all who share it, less what can be dropped at once.",
    category="telemetry",
    labels=(NODE_ID,),
    query=(
        "max by (node_id) (butterfly_otel_memory_used_bytes)"
        " / max by (node_id) (butterfly_otel_memory_limit_bytes) > 0.9"
    ),
)

# Boundaries: gen_ai.server.time_to_first_token in OpenTelemetry's semantic conventions, of which
# this is the counterpart for any request that is answered by a stream.
REQUEST_FIRST_ITEM_SECONDS = Metric(
    name="butterfly_otel_request_first_item_seconds",
    type="histogram",
    instrument="histogram",
    why="A latency whose distribution matters.",
    across="sum",
    across_why="Each process times its own requests; buckets add up.",
    unit="s",
    help="Time from a streamed request's start to its first item, such as the first token.",
    category="telemetry",
    labels=(NODE_ROLE_WORKING, METHOD_WORKING),
    buckets=(
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
        *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    ),
    query=(
        "histogram_quantile(0.99, sum by (node_role, method, le)"
        " (rate(butterfly_otel_request_first_item_seconds_bucket[5m])))"
    ),
)

METRICS: tuple[Metric, ...] = (
    LABEL_VIOLATIONS_TOTAL,
    INVALID_MEASUREMENTS_TOTAL,
    CALLBACK_ERRORS_TOTAL,
    EXPORTS_TOTAL,
    REJECTED_POINTS_TOTAL,
    SCRAPE_OMISSIONS_TOTAL,
    SCRAPE_REFUSALS_TOTAL,
    COLLECTOR_UP,
    COLLECTOR_AGE_SECONDS,
    COLLECTOR_DURATION_SECONDS,
    COLLECTOR_ERRORS_TOTAL,
    DEVICE_UP,
    MEMORY_LIMIT_BYTES,
    MEMORY_USED_BYTES,
    REQUEST_FIRST_ITEM_SECONDS,
)
