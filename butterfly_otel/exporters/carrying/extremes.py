"""Minimum and maximum of two points of a histogram."""

from __future__ import annotations

from typing import Any


def merged_extremes(older: Any, newer: Any) -> dict[str, Any]:  # noqa: ANN401 - of either kind
    """Return ``min`` and ``max`` of both; None where one has none, of which nothing is known."""
    lowest, highest = (older.min, newer.min), (older.max, newer.max)
    return {
        "min": None if None in lowest else min(lowest),
        "max": None if None in highest else max(highest),
    }
