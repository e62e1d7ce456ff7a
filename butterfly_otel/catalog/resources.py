"""Category 5 of the specification: memory, CPU, GPU and disk of a node."""

from __future__ import annotations

from butterfly_otel.catalog.labels import CORE, GPU_ID, NODE_ID, closed
from butterfly_otel.catalog.model import Metric

MEMORY_ALLOCATED_BYTES = Metric(
    name="butterfly_memory_allocated_bytes",
    type="gauge",
    instrument="observable_up_down_counter",
    why="Read from the allocators when metrics are collected; the pools are disjoint and add up.",
    across="sum",
    across_why="Each process has allocators of its own, so their pools add up.",
    unit="By",
    help="Memory now allocated on this node, in pools of which none contains another.",
    category="resources",
    labels=(
        NODE_ID,
        closed("pool", "model", "tensor", "buffer", "system", help="What the memory is for."),
    ),
    query="sum by (node_id) (butterfly_memory_allocated_bytes)",
)

MEMORY_PEAK_BYTES = Metric(
    name="butterfly_memory_peak_bytes",
    type="gauge",
    instrument="observable_gauge",
    why="A maximum that the kernel keeps; maxima of different moments do not add up.",
    across="node",
    across_why="The kernel keeps it for the node; one process reads it for all.",
    unit="By",
    help="Most memory in use on this node at any time since its start, which is no capacity.",
    category="resources",
    labels=(NODE_ID,),
    query="topk(10, max by (node_id) (butterfly_memory_peak_bytes))",
)

MEMORY_FRAGMENTATION_RATIO = Metric(
    name="butterfly_memory_fragmentation_ratio",
    type="gauge",
    instrument="observable_gauge",
    why="A ratio of two readings of the allocator; ratios do not add up.",
    across="min",
    across_why="Ratios do not add up; the most fragmented process runs out first.",
    unit="1",
    help="Used over reserved memory: 1 means no fragmentation, less means more of it.",
    category="resources",
    labels=(NODE_ID,),
    query="min by (node_id) (butterfly_memory_fragmentation_ratio) < 0.7",
)

CPU_USAGE_RATIO = Metric(
    name="butterfly_cpu_usage_ratio",
    type="gauge",
    instrument="observable_gauge",
    why="A ratio of two differences of kernel counters; ratios do not add up.",
    across="node",
    across_why="The kernel counts for the node; one process reads it for all.",
    unit="1",
    help="Share of the time that the CPU was busy, from 0 to 1, over the last sampling interval.",
    category="resources",
    labels=(NODE_ID, CORE),
    query="avg(avg by (node_id) (avg_over_time(butterfly_cpu_usage_ratio[5m])))",
)

CPU_THROTTLE_EVENTS_TOTAL = Metric(
    name="butterfly_cpu_throttle_events_total",
    type="counter",
    instrument="observable_counter",
    why="The kernel counts; its counters are read when metrics are collected.",
    across="node",
    across_why="The kernel counts for the node; one process reads it for all.",
    unit="{event}",
    help="Times the CPU was throttled, by heat or by the cgroup's quota.",
    category="resources",
    labels=(NODE_ID,),
    query="sum by (node_id) (rate(butterfly_cpu_throttle_events_total[5m]))",
)

GPU_UTILIZATION_RATIO = Metric(
    name="butterfly_gpu_utilization_ratio",
    type="gauge",
    instrument="observable_gauge",
    why="The driver measures; its reading is taken when metrics are collected, and not additive.",
    across="node",
    across_why="The driver measures for the device; one process reads it for all.",
    unit="1",
    help="Share of the time that any kernel ran on the GPU, from 0 to 1.",
    category="resources",
    labels=(NODE_ID, GPU_ID),
    query="avg by (node_id, gpu_id) (avg_over_time(butterfly_gpu_utilization_ratio[5m])) < 0.5",
)

GPU_MEMORY_BYTES = Metric(
    name="butterfly_gpu_memory_bytes",
    type="gauge",
    instrument="observable_up_down_counter",
    why="Read from the driver when metrics are collected; used and free memory add up.",
    across="node",
    across_why="The driver counts for the device; one process reads it for all.",
    unit="By",
    help="Used and free memory of a GPU; what the driver reserves for itself is in neither.",
    category="resources",
    labels=(
        NODE_ID,
        GPU_ID,
        closed("state", "used", "free", help="Whether the memory is in use."),
    ),
    query=(
        'sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes{state="used"})'
        " / sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes)"
    ),
)

GPU_TEMPERATURE_CELSIUS = Metric(
    name="butterfly_gpu_temperature_celsius",
    type="gauge",
    instrument="observable_gauge",
    why="Read from the driver when metrics are collected; temperatures do not add up.",
    across="node",
    across_why="The driver measures for the device; one process reads it for all.",
    unit="Cel",
    help="Temperature of the GPU's core.",
    category="resources",
    labels=(NODE_ID, GPU_ID),
    query="max by (node_id, gpu_id) (butterfly_gpu_temperature_celsius) > 85",
)

GPU_COMPUTE_UNIT_ACTIVE = Metric(
    name="butterfly_gpu_compute_unit_active",
    type="gauge",
    instrument="observable_gauge",
    why="An average that the driver takes over time, read when metrics are collected.",
    across="node",
    across_why="The driver measures for the device; one process reads it for all.",
    unit="{unit}",
    help="Compute units of a GPU that were active, as an average over time.",
    category="resources",
    labels=(
        NODE_ID,
        GPU_ID,
        closed("unit_type", "sm", "tensor_core", help="Kind of compute unit."),
    ),
    query="avg by (unit_type) (avg_over_time(butterfly_gpu_compute_unit_active[5m]))",
)

DISK_CHECKPOINT_BYTES = Metric(
    name="butterfly_disk_checkpoint_bytes",
    type="gauge",
    instrument="observable_up_down_counter",
    why="Read from the file system when metrics are collected; the space of nodes adds up.",
    across="node",
    across_why="The file system is the node's; one process reads it for all.",
    unit="By",
    help="Disk space that this node's checkpoints take.",
    category="resources",
    labels=(NODE_ID,),
    query="sum(butterfly_disk_checkpoint_bytes)",
)

DISK_WRITE_DURATION_SECONDS = Metric(
    name="butterfly_disk_write_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A latency whose distribution matters.",
    across="sum",
    across_why="Each process times its own writes; buckets add up.",
    unit="s",
    help="Time a write takes until the data is on the disk.",
    category="resources",
    labels=(
        NODE_ID,
        closed("operation", "checkpoint_write", "log_append", help="What was written."),
    ),
    buckets=(0.001, 0.01, 0.1, 1.0, 10.0),
    query=(
        "histogram_quantile(0.99, sum by (operation, le)"
        " (rate(butterfly_disk_write_duration_seconds_bucket[5m])))"
    ),
)

DISK_IO_ERRORS_TOTAL = Metric(
    name="butterfly_disk_io_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each operation that failed; it never falls.",
    across="sum",
    across_why="Each process counts the errors of its own reads and writes.",
    unit="{error}",
    help="Disk operations that failed because of the disk or its file system.",
    category="resources",
    labels=(
        NODE_ID,
        closed("operation", "read", "write", help="What failed."),
    ),
    query="sum by (node_id, operation) (rate(butterfly_disk_io_errors_total[5m]))",
)

METRICS: tuple[Metric, ...] = (
    MEMORY_ALLOCATED_BYTES,
    MEMORY_PEAK_BYTES,
    MEMORY_FRAGMENTATION_RATIO,
    CPU_USAGE_RATIO,
    CPU_THROTTLE_EVENTS_TOTAL,
    GPU_UTILIZATION_RATIO,
    GPU_MEMORY_BYTES,
    GPU_TEMPERATURE_CELSIUS,
    GPU_COMPUTE_UNIT_ACTIVE,
    DISK_CHECKPOINT_BYTES,
    DISK_WRITE_DURATION_SECONDS,
    DISK_IO_ERRORS_TOTAL,
)
