"""The SDK's exponential histogram without its defect: "Incorrect merge scale".

A collection adds what was measured since the last one to what was there before. Where one side of
that, the values above zero or those below, had no values before, the SDK looks for their bucket
near 1 and gives up where it is too far away; and what was measured is lost.
"""
# pyright: reportPrivateUsage=false

from __future__ import annotations

from copy import deepcopy
from threading import RLock
from typing import Any

from butterfly_otel.engine.sdk_internals import ExponentialAggregation

_SIDES = ("_value_positive", "_value_negative")
#: What a collection changes.
_STATE = (
    *("_value_positive", "_value_negative", "_sum", "_min", "_max", "_count", "_zero_count"),
    *("_scale", "_previous_scale", "_previous_value_positive", "_previous_value_negative"),
    *("_previous_sum", "_previous_min", "_previous_max", "_previous_count"),
    "_previous_zero_count",
)


class Exponential(ExponentialAggregation):
    """An exponential histogram whose collections do not fail. Made by :func:`mend`."""

    def collect(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the SDK's own
        """Return the point."""
        state: dict[str, Any] = vars(self)
        with self._lock:
            new = [side for side in _SIDES if _new(state[f"_previous{side}"], state[side])]
            if not new:
                return super().collect(*arguments, **named)
            before = deepcopy({name: state[name] for name in _STATE})
            try:
                return super().collect(*arguments, **named)
            except Exception:  # noqa: BLE001 - the defect; any other one is raised again below
                state.update(before)
            if not any(_used(state[f"_previous{side}"]) for side in _SIDES):
                # Of zeros alone the SDK says 0, which means nothing.
                state["_previous_scale"] = state["_scale"]
            for side in new:
                # Empty, but where the first value is.
                state[f"_previous{side}"] = bucket = type(state[side])()
                up = state["_previous_scale"] - state["_scale"]
                first = state[side].index_start
                first = first << up if up > 0 else first >> -up
                bucket.index_start = bucket.index_end = bucket.index_base = first
            return super().collect(*arguments, **named)


def _used(buckets: Any) -> bool:  # noqa: ANN401 - the SDK's own
    return buckets is not None and any(buckets.counts)


def _new(previous: Any, buckets: Any) -> bool:  # noqa: ANN401
    return previous is not None and _used(buckets) and not _used(previous)


def mend(aggregation: Any) -> Any:  # noqa: ANN401
    """Return the SDK's aggregation of one series, mended where it is an exponential histogram."""
    if type(aggregation) is ExponentialAggregation:
        aggregation.__class__ = Exponential
        # Taken again by the SDK's own `collect`.
        vars(aggregation)["_lock"] = RLock()
    return aggregation
