"""Resources: CPU, memory, GPUs, disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.gpu_health import health
from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, spread, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_WRITE = "butterfly_disk_write_duration_seconds"
_GPU = "{{node_id}} {{gpu_id}}"
_BUSY, _FULL = 0.8, 0.95


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="resources",
        title="Resources",
        description="What the hardware of the nodes does, and where it comes to its end.",
        choices=scope.choices,
        rows=(_cpu(scope), _memory(scope), *_gpus(scope), _disk(scope)),
    )


def _cpu(scope: Scope) -> Row:
    usage = scope.series("butterfly_cpu_usage_ratio")
    throttled = scope.summed("node_id", "butterfly_cpu_throttle_events_total")
    return Row(
        "CPU",
        (
            Panel(
                title="CPU usage of a node",
                description="Of the busiest node, of the idlest, and the mean. Each node counts"
                " once, however many cores it reports.",
                unit="percentunit",
                targets=spread(
                    f"avg by (node_id) (avg_over_time({usage}[$__rate_interval]))"
                ),
                width=8,
                most=1,
            ),
            Panel(
                title="Busiest nodes",
                description="CPU usage of the ten busiest nodes, now.",
                unit="percentunit",
                targets=(Target(
                    expr=top(f"avg by (node_id) ({usage})"), legend="{{node_id}}"
                ),),
                kind="bars",
                width=8,
                most=1,
                steps=(Step(None, "green"), Step(_BUSY, "orange"), Step(_FULL, "red")),
            ),
            Panel(
                title="CPU throttling",
                description="How often a second the ten most throttled nodes are held back, by"
                " their cgroup's quota or by heat, now.",
                unit="cps",
                targets=(Target(expr=top(throttled), legend="{{node_id}}"),),
                kind="bars",
                width=8,
                empty="Nothing is throttled",
            ),
        ),
    )  # fmt: skip


def _memory(scope: Scope) -> Row:
    used = scope.series("butterfly_memory_allocated_bytes")
    limit = scope.series("butterfly_otel_memory_limit_bytes")
    # As HighMemoryUsage: pools, which may lie in GPUs, stand in where the node's own is not read.
    own = f"max by (node_id) ({scope.series('butterfly_otel_memory_used_bytes')})"
    share = f"({own} or sum by (node_id) ({used})) / on (node_id) max by (node_id) ({limit})"
    limits = scope.limits
    return Row(
        "Memory",
        (
            Panel(
                title="Memory in use, of the limit",
                description="Of what a node may use: its cgroup's limit or the machine's memory."
                " The ten fullest nodes, now. In red, HighMemoryUsage fires.",
                unit="percentunit",
                targets=(Target(
                    expr=top(share),
                    legend="{{node_id}}",
                ),),
                kind="bars",
                most=1,
                steps=(
                    Step(None, "green"), Step(limits.memory_ratio * 0.9, "orange"),
                    Step(limits.memory_ratio, "red"),
                ),
                alerts=("HighMemoryUsage",),
            ),
            Panel(
                title="Memory by pool",
                description="Memory in use on all nodes together, by what it is for.",
                unit="bytes",
                targets=(Target(expr=f"sum by (pool) ({used})", legend="{{pool}}"),),
                stacked=True,
                alerts=("HighMemoryUsage",),
            ),
            Panel(
                title="Highest peaks",
                description="Most memory that a node has used since it started.",
                unit="bytes",
                targets=(Target(
                    expr=top(
                        f"max by (node_id) ({scope.series('butterfly_memory_peak_bytes')})"
                    ),
                    legend="{{node_id}}",
                ),),
                kind="bars",
            ),
            Panel(
                title="Used of what is reserved",
                description="1 is no fragmentation; below 0.7 much is reserved that can't be used."
                " Of the worst node, of the best, and the mean.",
                unit="percentunit",
                targets=spread(scope.series("butterfly_memory_fragmentation_ratio")),
                most=1,
            ),
        ),
    )  # fmt: skip


def _gpu(scope: Scope) -> Row:
    busy = scope.series("butterfly_gpu_utilization_ratio")
    heat = scope.series("butterfly_gpu_temperature_celsius")
    limit = scope.limits.gpu_celsius
    return Row(
        "GPUs",
        (
            Panel(
                title="GPU utilisation",
                description="Of the busiest GPU, of the idlest, and the mean. Idle GPUs under load"
                " wait for something: see Computation, stalls.",
                unit="percentunit",
                targets=spread(f"avg_over_time({busy}[$__rate_interval])"),
                most=1,
                details="computation",
            ),
            Panel(
                title="GPU temperature",
                description="Of the hottest GPU, of the coolest, and the mean. The line is where"
                " GPUOverheating begins.",
                unit="celsius",
                targets=spread(heat),
                steps=(Step(None, "green"), Step(limit, "red")),
                alerts=("GPUOverheating",),
            ),
            Panel(
                title="Hottest GPUs",
                description="The ten hottest, now.",
                unit="celsius",
                targets=(Target(
                    expr=top(f"max by (node_id, gpu_id) ({heat})"), legend=_GPU
                ),),
                kind="bars",
                steps=(Step(None, "green"), Step(limit - 10, "orange"), Step(limit, "red")),
                alerts=("GPUOverheating",),
            ),
            Panel(
                title="Idlest GPUs",
                description="The ten that do least, now.",
                unit="percentunit",
                targets=(Target(
                    expr=f"bottomk(10, avg by (node_id, gpu_id)"
                    f" (avg_over_time({busy}[$__rate_interval])))",
                    legend=_GPU,
                ),),
                kind="bars",
                most=1,
            ),
        ),
    )  # fmt: skip


def _gpu_detail(scope: Scope) -> Row:
    memory = "butterfly_gpu_memory_bytes"
    used = scope.series(memory, 'state="used"')
    by = "sum by (node_id, gpu_id)"
    units = scope.series("butterfly_gpu_compute_unit_active")
    return Row(
        "GPU memory and units",
        (
            Panel(
                title="Fullest GPUs",
                description="Share of a GPU's memory in use, of what is used and free; what the"
                " driver reserves is in neither. The ten fullest, now.",
                unit="percentunit",
                targets=(Target(
                    expr=top(f"{by} ({used}) / {by} ({scope.series(memory)})"), legend=_GPU
                ),),
                kind="bars",
                most=1,
                steps=(
                    Step(None, "green"), Step(_BUSY, "orange"),
                    Step(scope.limits.gpu_memory_ratio, "red"),
                ),
                alerts=("GPUMemoryNearlyFull",),
            ),
            Panel(
                title="Busy units",
                description="Mean number of busy units of a GPU, by kind. Few tensor cores beside"
                " many SMs is work that is not matrix multiplication.",
                unit="none",
                targets=(Target(
                    expr=f"avg by (unit_type) (avg_over_time({units}[$__rate_interval]))",
                    legend="{{unit_type}}",
                ),),
            ),
        ),
    )  # fmt: skip


def _gpus(scope: Scope) -> tuple[Row, ...]:
    return _gpu(scope), _gpu_detail(scope), health(scope)


def _disk(scope: Scope) -> Row:
    stored = scope.series("butterfly_disk_checkpoint_bytes")
    return Row(
        "Disks",
        (
            Panel(
                title="Duration of writes",
                description="P99 and P50 by what is written, with exemplars. Slow appends to the"
                " log slow every decision.",
                unit="s",
                targets=scope.quantiles("operation", _WRITE),
                details="consensus",
            ),
            Panel(
                title="Durations of writes",
                description="How many writes a second take how long.",
                unit="s",
                targets=scope.buckets(_WRITE),
                kind="heatmap",
            ),
            Panel(
                title="Disk space of checkpoints",
                description="On all nodes together. What only grows is never cleaned up.",
                unit="bytes",
                targets=(Target(expr=f"sum({stored})", legend="checkpoints"),),
            ),
            Panel(
                title="Disk errors",
                description="Errors a second. Any is one too many: look at the disk.",
                unit="cps",
                targets=(Target(
                    expr=scope.summed("node_id, operation", "butterfly_disk_io_errors_total")
                    + " > 0",
                    legend="{{node_id}} {{operation}}",
                ),),
                steps=(Step(None, "red"),),
                empty="No disk error",
            ),
        ),
    )  # fmt: skip
