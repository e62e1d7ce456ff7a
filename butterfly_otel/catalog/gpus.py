"""The SDK's own metrics of GPUs: what tells that one is failing."""

from __future__ import annotations

from butterfly_otel.catalog.labels import GPU_ID, NODE_ID, closed
from butterfly_otel.catalog.model import Label, Metric
from butterfly_otel.catalog.promql import new_within_hour

_ACROSS_WHY = "The driver counts for the device; one process reads it for all."

GPU_MEMORY_ERRORS_TOTAL = Metric(
    name="butterfly_otel_gpu_memory_errors_total",
    type="counter",
    instrument="observable_counter",
    why="The GPU counts over its whole life; its counters are read when metrics are collected.",
    across="node",
    across_why=_ACROSS_WHY,
    unit="{error}",
    help="Errors of a GPU's memory in its life, by whether ECC could correct them.",
    category="telemetry",
    labels=(
        NODE_ID,
        GPU_ID,
        closed("kind", "corrected", "uncorrected", help="Whether the data could be saved."),
    ),
    query=new_within_hour(
        "sum by (node_id, gpu_id) ", 'butterfly_otel_gpu_memory_errors_total{kind="uncorrected"}'
    ),
)

GPU_ROW_REMAPPING = Metric(
    name="butterfly_otel_gpu_row_remapping",
    type="gauge",
    instrument="observable_gauge",
    why="A state of now, read when metrics are collected.",
    across="node",
    across_why=_ACROSS_WHY,
    unit="{state}",
    help="Whether rows of a GPU's memory wait for a reset to be replaced, or can't be (1 or 0).",
    category="telemetry",
    labels=(
        NODE_ID,
        GPU_ID,
        closed("state", "pending", "failed", help="What has become of the replacement."),
    ),
    query="max by (node_id, gpu_id, state) (butterfly_otel_gpu_row_remapping) == 1",
)

GPU_THROTTLED = Metric(
    name="butterfly_otel_gpu_throttled",
    type="gauge",
    instrument="observable_gauge",
    why="A state of now, read when metrics are collected.",
    across="node",
    across_why=_ACROSS_WHY,
    unit="{state}",
    help="Whether a reason holds the GPU's clocks below what it could do now (1 or 0).",
    category="telemetry",
    labels=(
        NODE_ID,
        GPU_ID,
        closed(
            "reason",
            "thermal",
            "power_brake",
            "power_cap",
            "hardware",
            help=(
                "Heat, a power supply that signals trouble, the power limit (as is usual under"
                " full load), or a slowdown for which the hardware tells no other reason."
            ),
        ),
    ),
    query="avg by (node_id, gpu_id, reason) (avg_over_time(butterfly_otel_gpu_throttled[15m]))",
)

GPU_XID_ERRORS_TOTAL = Metric(
    name="butterfly_otel_gpu_xid_errors_total",
    type="counter",
    instrument="observable_counter",
    why="Counted as the driver tells of them; the count is read when metrics are collected.",
    across="node",
    across_why=_ACROSS_WHY,
    unit="{error}",
    help="XID errors of a GPU that its driver calls critical, since this process began to watch.",
    category="telemetry",
    labels=(
        NODE_ID,
        GPU_ID,
        Label(key="xid", kind="bounded", help="The error's number.", budget=32),
    ),
    query=new_within_hour("sum by (node_id, gpu_id, xid) ", "butterfly_otel_gpu_xid_errors_total"),
)

GPU_LINK_ERRORS_TOTAL = Metric(
    name="butterfly_otel_gpu_link_errors_total",
    type="counter",
    instrument="observable_counter",
    why="The driver counts; its counters are read when metrics are collected.",
    across="node",
    across_why=_ACROSS_WHY,
    unit="{error}",
    help="Errors on a GPU's links that were noticed, and made up for by sending again.",
    category="telemetry",
    labels=(
        NODE_ID,
        GPU_ID,
        closed("link", "nvlink", "pcie", help="Kind of link."),
        closed(
            "error",
            "replay",
            "recovery",
            "crc",
            help="Whether data was sent again, the link trained anew, or a checksum was wrong.",
        ),
    ),
    query="sum by (node_id, gpu_id, link, error) (rate(butterfly_otel_gpu_link_errors_total[5m]))",
)

METRICS: tuple[Metric, ...] = (
    GPU_MEMORY_ERRORS_TOTAL,
    GPU_ROW_REMAPPING,
    GPU_THROTTLED,
    GPU_XID_ERRORS_TOTAL,
    GPU_LINK_ERRORS_TOTAL,
)
