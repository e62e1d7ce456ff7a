"""What series have, as JSON: numbers, histograms, exponential ones."""

from __future__ import annotations

from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any

from butterfly_otel.sharing.payload import dumps, runs

if TYPE_CHECKING:
    from collections.abc import Sequence


def values_line(kind: str, states: Sequence[Any], times: Sequence[int]) -> bytes:
    """Return the second line of a record.

    Args:
        kind: What the metric measures by.
        states: What each series has.
        times: Of gauges, when each was seen to change, in nanoseconds.
    """
    if kind == "gauge":
        return dumps([states, runs(time // 1_000_000 for time in times)])
    if kind == "histogram":
        return dumps(
            [
                list(chain.from_iterable(state[0] for state in states)),
                [state[1] for state in states],
                *_extremes(states),
            ]
        )
    if kind == "exponential":
        return dumps([exponential(each) for each in states])
    return dumps(states)


def _extremes(states: Sequence[Any]) -> tuple[list[float] | None, list[float] | None]:
    """Return the smallest and the largest values, None where they are not kept."""
    lows = [state[2] for state in states]
    if min(lows, default=inf) == inf:
        return None, None
    return lows, [state[3] for state in states]


def changed(
    before: Sequence[Any], after: Sequence[Any], times: Sequence[int], now: int
) -> list[int]:
    """Return when each value was seen to change last."""
    if before == after:
        return list(times)
    return [
        time if one == other or (one != one and other != other) else now  # noqa: PLR0124 - NaN
        for one, other, time in zip(before, after, times, strict=True)
    ]


def exponential(point: Any) -> dict[str, Any]:  # noqa: ANN401 - of either shape
    """Return an exponential histogram as JSON has it; one that is so already as it is."""
    if isinstance(point, dict):
        return point  # pyright: ignore[reportUnknownVariableType]
    return {
        "count": point.count,
        "sum": point.sum,
        "scale": point.scale,
        "zero": point.zero_count,
        "threshold": getattr(point, "zero_threshold", 0.0),
        "positive": [point.positive.offset, list(point.positive.bucket_counts)],
        "negative": [point.negative.offset, list(point.negative.bucket_counts)],
        "min": point.min,
        "max": point.max,
    }
