"""Adding exponential histograms, at the coarsest of their scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

from butterfly_otel.sharing.exact import kept, rounded
from butterfly_otel.sharing.identity import attributes_of
from butterfly_otel.sharing.payload import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.sharing.identity import Layout

#: Buckets of either sign, beyond which the scale is made coarser: the SDK's own default.
MOST = 160

_State = dict[str, Any]


def exponentials(told: Sequence[tuple[Layout, Sequence[_State]]], now: int) -> list[Any]:
    """Return the data points of one metric of all processes."""
    starts: dict[str, int] = {}
    rows: dict[str, dict[str, Any]] = {}
    states: dict[str, list[_State]] = {}
    for layout, values in told:
        for row, start, state in zip(layout.rows, layout.starts, values, strict=True):
            text = text_of(row)
            rows[text] = row
            starts[text] = min(start, starts.get(text, start))
            states.setdefault(text, []).append(state)
    return [
        _point(attributes_of(rows[text]), starts[text], now, added(each))
        for text, each in states.items()
    ]


def added(states: Sequence[_State]) -> _State:
    """Return the sum of histograms; its buckets are exact, at the scale that all can have."""
    if len(states) == 1:
        return dict(states[0])
    scale = min(each["scale"] for each in states)
    positive = _common(states, "positive", scale)
    negative = _common(states, "negative", scale)
    while max(_width(positive), _width(negative)) > MOST:
        scale -= 1
        positive, negative = _coarser(positive, 1), _coarser(negative, 1)
    return {
        "count": sum(each["count"] for each in states),
        "sum": kept([each["sum"] for each in states]),
        "scale": scale,
        "zero": sum(each["zero"] for each in states),
        "threshold": max(each["threshold"] for each in states),
        "positive": _listed(positive),
        "negative": _listed(negative),
        "min": min(each["min"] for each in states),
        "max": max(each["max"] for each in states),
    }


def _common(states: Sequence[_State], side: str, scale: int) -> dict[int, int]:
    """Return bucket counts by index at a scale."""
    found: dict[int, int] = {}
    for each in states:
        offset, counts = each[side]
        steps = each["scale"] - scale
        for turn, count in enumerate(counts):
            if count:
                index = (offset + turn) >> steps
                found[index] = found.get(index, 0) + count
    return found


def _coarser(counts: Mapping[int, int], steps: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in counts.items():
        found[index >> steps] = found.get(index >> steps, 0) + count
    return found


def _width(counts: Mapping[int, int]) -> int:
    return max(counts) - min(counts) + 1 if counts else 0


def _listed(counts: Mapping[int, int]) -> list[Any]:
    if not counts:
        return [0, []]
    first = min(counts)
    return [first, [counts.get(index, 0) for index in range(first, max(counts) + 1)]]


def _point(
    attributes: Mapping[str, Any], start: int, now: int, state: _State
) -> ExponentialHistogramDataPoint:
    return ExponentialHistogramDataPoint(
        attributes,
        start,
        now,
        state["count"],
        rounded(state["sum"]),
        state["scale"],
        state["zero"],
        Buckets(*state["positive"]),
        Buckets(*state["negative"]),
        0,
        state["min"],
        state["max"],
    )
