"""PromQL that several entries and examples are made of."""

from __future__ import annotations


def new_within_hour(by: str, name: str) -> str:
    """Count over an hour, with what series born within it began with: no increase() sees that.

    What was there at any time in the hour before is not new, if it missed a scrape or not.

    Args:
        by: The aggregation, such as ``sum by (node_id)`` with a space behind it.
        name: A counter's.
    """
    before = f"last_over_time({name}[1h] offset 1h)"
    return f"{by}((increase({name}[1h]) and {before}) or ({name} unless {before})) > 0"
