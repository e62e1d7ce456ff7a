"""What the console exporter prints is JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from butterfly_otel import metrics
from butterfly_otel.exporters.console import as_json
from tests.conftest import Measured
from tests.unit.exporters.prometheus.support import (
    collected,
    distribution,
    gauge,
    histogram,
    number,
)


def strictly(text: str) -> Any:
    """Parse JSON as every other parser does, which knows no other numbers."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_contract_histograms_have_no_infinity(start: Any) -> None:
    """A histogram without minimum and maximum is printed without both."""
    measured: Measured = start()
    metrics.request_duration_seconds.record(0.5, method="inference")
    data = measured.reader.get_metrics_data()
    assert data is not None
    text = as_json(data)
    strictly(text)
    assert '"bucket_counts"' in text
    assert '"min"' not in text


def test_values_that_json_does_not_have() -> None:
    """They are strings, as in the JSON of protobuf; a minimum that was measured is there."""
    points = (number({"k": str(each)}, each) for each in (math.nan, math.inf, -math.inf, 1.5))
    extremes = replace(distribution({}, [1], ()), min=-math.inf, max=math.inf)
    found = strictly(as_json(collected(gauge("g", *points), histogram("h", extremes))))
    one, other = found["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    values = [point["value"] for point in one["data"]["data_points"]]
    assert values == ["NaN", "Infinity", "-Infinity", 1.5]
    [point] = other["data"]["data_points"]
    assert (point["min"], point["max"]) == ("-Infinity", "Infinity")
