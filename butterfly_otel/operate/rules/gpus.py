"""Alerts on GPUs that fail, or are about to; GPUOverheating is the specification's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.rules.model import Alert, Group
from butterfly_otel.operate.rules.promql import MINUTE, Promql, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.operate.rules.options import Thresholds

_MINUTES_5, _MINUTES_10, _MINUTES_15 = 5 * MINUTE, 10 * MINUTE, 15 * MINUTE
_BY = ("node_id", "gpu_id")
_GPU = "GPU {{ $labels.gpu_id }} of {{ $labels.node_id }}"


def alerts(promql: Promql) -> Group:
    """Return the group of all of them."""
    makers: tuple[Callable[[Promql, Thresholds], Alert], ...] = (
        _lost,
        _memory_errors,
        _row_remapping,
        _throttled,
        _xid_errors,
        _nvlink_errors,
        _pcie_replays,
        _memory_nearly_full,
    )
    thresholds = promql.options.thresholds
    rules = tuple(make(promql, thresholds) for make in makers)
    return Group(name="butterfly_gpu_alerts", rules=rules)


def _lost(promql: Promql, _limits: Thresholds) -> Alert:
    return Alert(
        name="GPULost",
        expr=(
            promql.fold("min", "job", "instance", "collector", "device")
            + f"({promql.series('butterfly_otel_device_up')}) == 0"
        ),
        after=promql.after(MINUTE),
        severity="critical",
        summary="A GPU of {{ $labels.instance }} is lost",
        description=(
            "{{ $labels.device }} of {{ $labels.instance }} (job {{ $labels.job }}) no longer"
            " answers the collector {{ $labels.collector }}."
        ),
    )


def _memory_errors(promql: Promql, _limits: Thresholds) -> Alert:
    # Not grown(): a GPU counts over its whole life, so what a series begins with is old.
    series = promql.series("butterfly_otel_gpu_memory_errors_total", 'kind="uncorrected"')
    return Alert(
        name="GPUMemoryErrors",
        expr=(f"{promql.fold('sum', *_BY)}(increase({series}[{promql.window(_MINUTES_15)}])) > 0"),
        after=0,
        severity="warning",
        summary=f"Memory of {_GPU} has lost data",
        description=(
            f"{_GPU} has met memory errors that ECC could not correct, within the last quarter of"
            " an hour."
        ),
    )


def _row_remapping(promql: Promql, _limits: Thresholds) -> Alert:
    series = promql.series("butterfly_otel_gpu_row_remapping")
    return Alert(
        name="GPURowRemapping",
        expr=f"{promql.fold('max', *_BY, 'state')}({series}) == 1",
        after=promql.after(_MINUTES_5),
        severity="warning",
        summary=f"{_GPU} has broken rows of memory",
        description=(
            f"The replacement of broken rows of memory of {_GPU} is {{{{ $labels.state }}}}:"
            " pending waits for a reset of the GPU, failed means that it has none left."
        ),
    )


def _throttled(promql: Promql, limits: Thresholds) -> Alert:
    # The power limit holds the clocks of any GPU under full load.
    series = promql.series("butterfly_otel_gpu_throttled", 'reason!="power_cap"')
    window = promql.window(_MINUTES_15)
    return Alert(
        name="GPUThrottled",
        expr=(
            f"{promql.fold('max', *_BY, 'reason')}(avg_over_time({series}[{window}]))"
            f" > {number(limits.gpu_throttled_ratio)}"
        ),
        after=promql.after(_MINUTES_5),
        severity="warning",
        summary=f"{_GPU} is held back",
        description=(
            f"The clocks of {_GPU} were held back ({{{{ $labels.reason }}}})"
            " {{ $value | humanizePercentage }} of the last quarter of an hour."
        ),
    )


def _xid_errors(promql: Promql, _limits: Thresholds) -> Alert:
    grown = promql.grown("butterfly_otel_gpu_xid_errors_total", _MINUTES_10)
    return Alert(
        name="GPUXidErrors",
        expr=f"{promql.fold('sum', *_BY, 'xid')}{grown} > 0",
        after=0,
        severity="warning",
        summary=f"{_GPU} has met XID {{{{ $labels.xid }}}}",
        description=(
            f"The driver of {_GPU} has reported the critical error XID {{{{ $labels.xid }}}}"
            ' {{ printf "%.0f" $value }} times within ten minutes.'
        ),
    )


def _a_minute(promql: Promql, link: str) -> str:
    series = promql.series("butterfly_otel_gpu_link_errors_total", f'link="{link}"')
    return f"60 * {promql.fold('sum', *_BY)}(rate({series}[{promql.window(_MINUTES_10)}]))"


def _nvlink_errors(promql: Promql, limits: Thresholds) -> Alert:
    limit = number(limits.gpu_nvlink_errors)
    return Alert(
        name="GPUNvlinkErrors",
        expr=f"{_a_minute(promql, 'nvlink')} > {limit}",
        after=promql.after(_MINUTES_10),
        severity="warning",
        summary=f"NVLink of {_GPU} has errors",
        description=(
            f"NVLink of {_GPU} has"
            f' {{{{ printf "%.1f" $value }}}} errors a minute (threshold: {limit}).'
        ),
    )


def _pcie_replays(promql: Promql, limits: Thresholds) -> Alert:
    limit = number(limits.gpu_pcie_replays)
    return Alert(
        name="GPUPcieReplays",
        expr=f"{_a_minute(promql, 'pcie')} > {limit}",
        after=promql.after(_MINUTES_10),
        severity="warning",
        summary=f"PCIe of {_GPU} sends data again",
        description=(
            f"PCIe of {_GPU} has sent data once more"
            f' {{{{ printf "%.1f" $value }}}} times a minute (threshold: {limit}).'
        ),
    )


def _memory_nearly_full(promql: Promql, limits: Thresholds) -> Alert:
    by = promql.fold("sum", *_BY)
    used = promql.series("butterfly_gpu_memory_bytes", 'state="used"')
    limit = number(round(limits.gpu_memory_ratio * 100, 9))
    return Alert(
        name="GPUMemoryNearlyFull",
        expr=(
            f"{by}({used})\n/\n{by}({promql.series('butterfly_gpu_memory_bytes')})\n"
            f"> {number(limits.gpu_memory_ratio)}"
        ),
        after=promql.after(_MINUTES_10),
        severity="warning",
        summary=f"Memory of {_GPU} is nearly full",
        description=(
            f"{_GPU} uses {{{{ $value | humanizePercentage }}}} of its memory"
            f" (threshold: {limit}%)."
        ),
    )
