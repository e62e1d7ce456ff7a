"""NVIDIA GPUs by NVML, through nvidia-ml-py; nothing of it is imported before it is opened.

Calls into the driver stand in :mod:`.api` alone, so that tests replace it. May import what
``collectors`` may.
"""

from __future__ import annotations

from butterfly_otel.collectors.nvml.extension_metrics import EXTENSIONS
from butterfly_otel.collectors.nvml.source import NvmlSource

__all__ = ["EXTENSIONS", "NvmlSource"]
