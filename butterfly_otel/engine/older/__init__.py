"""Releases 1.39 to 1.45.1 of the SDK, made to measure as 1.45.2 does.

Those have no cardinality limits, tell 1 and True apart as little as Python does, and raise at an
attribute value that is a list. Before 1.45 a collection forgets gauges; before 1.44 values may
be NaN and a forked child finds the parent's locks; before 1.43 no reader can be added. What
stands here extends their classes, which change no more, by what the later ones do. It can go
when 1.45.2 is the oldest release that is supported.
"""

from __future__ import annotations

from butterfly_otel.engine.older.attributes import (
    OVERFLOW_ATTRIBUTES,
    OVERFLOW_KEY,
    Measurement,
    hash_attributes,
)
from butterfly_otel.engine.older.provider import MeterProvider, SynchronousMeasurementConsumer
from butterfly_otel.engine.older.streams import MetricReaderStorage, ViewInstrumentMatch

__all__ = [
    "OVERFLOW_ATTRIBUTES",
    "OVERFLOW_KEY",
    "Measurement",
    "MeterProvider",
    "MetricReaderStorage",
    "SynchronousMeasurementConsumer",
    "ViewInstrumentMatch",
    "hash_attributes",
]
