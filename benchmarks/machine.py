"""What figures depend on: the machine, the interpreter, the packages and the date."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "butterfly-otel",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-exporter-otlp-proto-common",
    "prometheus-client",
    "protobuf",
)


def describe(without_gil: str | None = None) -> dict[str, str]:
    """Return what is to be known beside the figures, in the order in which it is shown.

    Args:
        without_gil: The interpreter of the rows that say so, where there is one.
    """
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load average at the start": _load(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Python without a GIL": without_gil or "none on this machine",
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "unknown"


def _load() -> str:
    try:
        return " ".join(f"{each:.1f}" for each in os.getloadavg())
    except (AttributeError, OSError):
        return "unknown"
