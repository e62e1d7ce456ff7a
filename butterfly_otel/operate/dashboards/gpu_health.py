"""The row of the resources dashboard that tells which GPUs fail, or are about to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.scope import Scope

_GPU = "{{node_id}} {{gpu_id}}"
_RED = (Step(None, "red"),)


def health(scope: Scope) -> Row:
    """Return the row."""
    return Row(
        "GPUs that fail",
        (_lost(scope), _memory(scope), _throttled(scope), _xids(scope), _links(scope)),
    )


def _lost(scope: Scope) -> Panel:
    down = f"{scope.series('butterfly_otel_device_up')} == 0"
    return Panel(
        title="Lost GPUs",
        description="GPUs that a collector has found and that no longer answer.",
        unit="none",
        targets=(Target(
            expr=f"count by (instance, device) ({down})", legend="{{instance}} {{device}}"
        ),),
        steps=_RED,
        empty="No GPU is lost",
        width=8,
        alerts=("GPULost",),
    )  # fmt: skip


def _memory(scope: Scope) -> Panel:
    lost = scope.hourly("butterfly_otel_gpu_memory_errors_total", 'kind="uncorrected"')
    rows = scope.series("butterfly_otel_gpu_row_remapping")
    return Panel(
        title="Broken memory",
        description="Errors within an hour that ECC could not correct, and GPUs of which rows wait"
        " for a reset to be replaced, or can't be.",
        unit="none",
        targets=(
            Target(
                expr=f"sum by (node_id, gpu_id) ({lost}) > 0", legend=f"{_GPU} uncorrected errors"
            ),
            Target(
                expr=f"max by (node_id, gpu_id, state) ({rows}) == 1",
                legend=f"{_GPU} rows: {{{{state}}}}",
            ),
        ),
        steps=_RED,
        empty="No memory is broken",
        width=8,
        alerts=("GPUMemoryErrors", "GPURowRemapping"),
    )


def _throttled(scope: Scope) -> Panel:
    held = f"avg_over_time({scope.series('butterfly_otel_gpu_throttled')}[$__rate_interval])"
    limit = scope.limits.gpu_throttled_ratio
    return Panel(
        title="Throttled GPUs",
        description="Share of the time in which clocks were held back, by reason. Of the power"
        " limit under full load that is usual; of heat or a power supply it is not.",
        unit="percentunit",
        targets=(Target(
            expr=top(f"max by (node_id, gpu_id, reason) ({held}) > 0"),
            legend=f"{_GPU} {{{{reason}}}}",
        ),),
        kind="bars",
        most=1,
        steps=(Step(None, "green"), Step(limit, "orange")),
        empty="No GPU is held back",
        width=8,
        alerts=("GPUThrottled",),
    )  # fmt: skip


def _xids(scope: Scope) -> Panel:
    return Panel(
        title="XID errors",
        description="Critical errors that drivers have reported within an hour, by number.",
        unit="none",
        targets=(Target(
            expr=scope.new("node_id, gpu_id, xid", "butterfly_otel_gpu_xid_errors_total"),
            legend=f"{_GPU} XID {{{{xid}}}}",
        ),),
        steps=_RED,
        empty="No XID error",
        alerts=("GPUXidErrors",),
    )  # fmt: skip


def _links(scope: Scope) -> Panel:
    errors = scope.summed("node_id, gpu_id, link, error", "butterfly_otel_gpu_link_errors_total")
    return Panel(
        title="Errors of links",
        description="Errors a second on NVLink and PCIe that were made up for by sending again.",
        unit="cps",
        targets=(Target(
            expr=top(f"{errors} > 0"), legend=f"{_GPU} {{{{link}}}} {{{{error}}}}"
        ),),
        empty="No error on a link",
        alerts=("GPUNvlinkErrors", "GPUPcieReplays"),
    )  # fmt: skip
