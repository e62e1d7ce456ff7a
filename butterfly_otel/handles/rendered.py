"""What a module of handles that `butterfly-otel render --catalog` wrote imports.

It measures in line as ``butterfly_otel.metrics`` does, so it belongs to the release that rendered
it: after an update of butterfly-otel, ``butterfly-otel render --check`` tells whether it is to be
rendered anew. Nothing here is for use by hand.
"""

from __future__ import annotations

from bisect import bisect_left

from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.handles.bound import (
    BoundCounter,
    BoundGauge,
    BoundHistogram,
    BoundUpDownCounter,
    negated,
)
from butterfly_otel.handles.handles import (
    CounterHandle,
    GaugeHandle,
    HistogramHandle,
    ObservableHandle,
    UpDownCounterHandle,
    int_text,
)
from butterfly_otel.handles.lookups import APART
from butterfly_otel.handles.timer import Timer
from butterfly_otel.process import tracing
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

__all__ = [
    "APART",
    "HIGHEST",
    "ONE",
    "SMALL",
    "BoundCounter",
    "BoundGauge",
    "BoundHistogram",
    "BoundUpDownCounter",
    "Catalog",
    "CounterHandle",
    "GaugeHandle",
    "HistogramHandle",
    "Label",
    "Metric",
    "ObservableHandle",
    "Timer",
    "UpDownCounterHandle",
    "bisect_left",
    "int_text",
    "negated",
    "tracing",
]
