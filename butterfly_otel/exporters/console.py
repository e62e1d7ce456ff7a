"""Printing collections as JSON."""

from __future__ import annotations

import json
import math
from os import linesep
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData


def build_console_exporter() -> ConsoleMetricExporter:
    """Return the SDK's exporter to the console, which prints JSON that any parser takes."""
    return ConsoleMetricExporter(formatter=as_json)


def as_json(data: MetricsData) -> str:
    """Return a collection as the SDK prints it, but that it is JSON.

    The SDK prints ``Infinity`` and ``NaN``, which JSON does not have. Here a histogram without
    minimum and maximum has neither, and any other such number is a string, as the JSON of
    protobuf has it.
    """
    return json.dumps(_clean(json.loads(data.to_json(indent=None))), indent=4) + linesep


def _clean(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can be
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        unset = found.get("min") == math.inf and found.get("max") == -math.inf
        return {
            key: _clean(each)
            for key, each in found.items()
            if not (unset and key in {"min", "max"})
        }
    if isinstance(value, list):
        return [_clean(each) for each in cast("list[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
