"""AMD GPUs by AMD SMI, through the package `amdsmi`; nothing of it is imported before it is opened.

Calls into the library stand in :mod:`.api` alone. May import what ``collectors`` may.
"""

from __future__ import annotations

from butterfly_otel.collectors.amd.source import AmdSource

__all__ = ["AmdSource"]
