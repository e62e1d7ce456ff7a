"""What this process has in memory."""

from __future__ import annotations

import gc
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident() -> int | None:
    """Return the bytes of this process that are in memory now; None where nothing tells them.

    After a garbage collection: what nothing refers to is not what is asked for.
    """
    gc.collect()
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def grown(before: int | None, after: int | None) -> int | None:
    """Return by how much it has grown, where that is known."""
    return None if before is None or after is None else after - before
