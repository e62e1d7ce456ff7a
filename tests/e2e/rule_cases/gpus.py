"""Stories of the alerts on GPUs that fail, or are about to."""

from __future__ import annotations

from .model import AlertCase, Fire, s

A, B = {"instance": "a", "job": "butterfly-x"}, {"instance": "b", "job": "butterfly-x"}
ONE = {"node_id": "n1", "gpu_id": "0"}
TWO = {"node_id": "n1", "gpu_id": "1"}


def _up(device: str, **target: str) -> str:
    return s("butterfly_otel_device_up", collector="nvml", device=device, **target)


LOST = AlertCase(
    "GPULost",
    "one GPU of two, until it answers again; a round that fails is none",
    {
        _up("GPU-0", **A): "1x20 0x20 1x40",
        _up("GPU-1", **A): "1x20 0x2 1x58",
    },
    {
        "5m45s": (),
        "7m": (
            Fire(
                {**A, "collector": "nvml", "device": "GPU-0"},
                "A GPU of a is lost",
                "GPU-0 of a (job butterfly-x) no longer answers the collector nvml.",
            ),
        ),
        "12m": (),
    },
    severity="critical",
)


def _errors(kind: str, **gpu: str) -> str:
    return s("butterfly_otel_gpu_memory_errors_total", kind=kind, **gpu, **A)


MEMORY_ERRORS = AlertCase(
    "GPUMemoryErrors",
    "new ones alone: not those of a GPU's past, nor those that ECC corrects",
    {
        _errors("uncorrected", **ONE): "3x20 4x80",
        _errors("uncorrected", **TWO): "_x10 7x90",
        _errors("corrected", **TWO): "0+1x100",
    },
    {
        "5m": (),
        "6m": (
            Fire(
                dict(ONE),
                "Memory of GPU 0 of n1 has lost data",
                "GPU 0 of n1 has met memory errors that ECC could not correct, within the last"
                " quarter of an hour.",
            ),
        ),
        "22m": (),
    },
)


def _rows(state: str, **labels: str) -> str:
    return s("butterfly_otel_gpu_row_remapping", state=state, **labels)


ROW_REMAPPING = AlertCase(
    "GPURowRemapping",
    "pending until the GPU is reset, for one of two that report it; another GPU has none",
    {
        _rows("pending", **ONE, **A): "0x4 1x40 0x40",
        _rows("pending", **ONE, **B): "0x84",
        _rows("failed", **ONE, **A): "0x84",
        _rows("pending", **TWO, **A): "0x84",
    },
    {
        "5m": (),
        "8m": (
            Fire(
                {**ONE, "state": "pending"},
                "GPU 0 of n1 has broken rows of memory",
                "The replacement of broken rows of memory of GPU 0 of n1 is pending: pending waits"
                " for a reset of the GPU, failed means that it has none left.",
            ),
        ),
        "13m": (),
    },
)


def _held(reason: str, **labels: str) -> str:
    return s("butterfly_otel_gpu_throttled", reason=reason, **labels)


THROTTLED = AlertCase(
    "GPUThrottled",
    "most of the time, for one of two that report it; neither seldom, nor by the power limit",
    {
        _held("thermal", **ONE, **A): "0.6x140 0x100",
        _held("thermal", **ONE, **B): "0x240",
        _held("power_cap", **ONE, **A): "1x240",
        _held("hardware", **TWO, **A): "0.4x240",
    },
    {
        "4m": (),
        "12m": (
            Fire(
                {**ONE, "reason": "thermal"},
                "GPU 0 of n1 is held back",
                "The clocks of GPU 0 of n1 were held back (thermal) 60% of the last quarter of an"
                " hour.",
            ),
        ),
        "38m30s": (),
    },
)


def _xid(number: str, **labels: str) -> str:
    return s("butterfly_otel_gpu_xid_errors_total", xid=number, **labels)


XID_ERRORS = AlertCase(
    "GPUXidErrors",
    "the first one counts, though its series is born with it; old ones are over",
    {
        s("up", **A): "1x120",
        _xid("79", **ONE, **A): "_x20 1x100",
        _xid("63", **ONE, **A): "2x20 3x100",
        _xid("63", **ONE, **B): "4x20 5x100",
        _xid("31", **TWO, **A): "5x120",
    },
    {
        "4m": (),
        "8m": (
            Fire(
                {**ONE, "xid": "79"},
                "GPU 0 of n1 has met XID 79",
                "The driver of GPU 0 of n1 has reported the critical error XID 79 1 times within"
                " ten minutes.",
            ),
            Fire(
                {**ONE, "xid": "63"},
                "GPU 0 of n1 has met XID 63",
                "The driver of GPU 0 of n1 has reported the critical error XID 63 2 times within"
                " ten minutes.",
            ),
        ),
        "17m": (),
    },
)


def _link(link: str, error: str, **labels: str) -> str:
    return s("butterfly_otel_gpu_link_errors_total", link=link, error=error, **labels)


NVLINK_ERRORS = AlertCase(
    "GPUNvlinkErrors",
    "more than one a minute, of all kinds together; fewer are none, nor are PCIe's",
    {
        _link("nvlink", "replay", **ONE, **A): "0+0.15x120 18x120",
        _link("nvlink", "crc", **ONE, **A): "0+0.15x120 18x120",
        _link("nvlink", "replay", **TWO, **A): "0+0.2x240",
        _link("pcie", "replay", **ONE, **A): "0+1x240",
    },
    {
        "9m": (),
        "25m": (
            Fire(
                dict(ONE),
                "NVLink of GPU 0 of n1 has errors",
                "NVLink of GPU 0 of n1 has 1.2 errors a minute (threshold: 1).",
            ),
        ),
        "45m": (),
    },
)

PCIE_REPLAYS = AlertCase(
    "GPUPcieReplays",
    "ten a minute of all that report it, until they end; six a minute happen, as do NVLink's",
    {
        _link("pcie", "replay", **ONE, **A): "0+1.2x120 144x120",
        _link("pcie", "replay", **ONE, **B): "0+1.2x120 144x120",
        _link("pcie", "replay", **TWO, **A): "0+1.6x240",
        _link("nvlink", "replay", **TWO, **A): "0+9x240",
    },
    {
        "9m": (),
        "25m": (
            Fire(
                dict(ONE),
                "PCIe of GPU 0 of n1 sends data again",
                "PCIe of GPU 0 of n1 has sent data once more 9.6 times a minute (threshold: 8).",
            ),
        ),
        "45m": (),
    },
)


def _memory(state: str, **gpu: str) -> str:
    return s("butterfly_gpu_memory_bytes", state=state, **gpu, **A)


MEMORY_NEARLY_FULL = AlertCase(
    "GPUMemoryNearlyFull",
    "98 % for long, until some is freed; a server's 90 % are none",
    {
        _memory("used", **ONE): "98x60 50x60",
        _memory("free", **ONE): "2x60 50x60",
        _memory("used", **TWO): "90x120",
        _memory("free", **TWO): "10x120",
    },
    {
        "9m": (),
        "11m": (
            Fire(
                dict(ONE),
                "Memory of GPU 0 of n1 is nearly full",
                "GPU 0 of n1 uses 98% of its memory (threshold: 97%).",
            ),
        ),
        "16m": (),
    },
)

CASES = (
    *(LOST, MEMORY_ERRORS, ROW_REMAPPING, THROTTLED, XID_ERRORS),
    *(NVLINK_ERRORS, PCIE_REPLAYS, MEMORY_NEARLY_FULL),
)
