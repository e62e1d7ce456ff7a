"""Our own families as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from butterfly_otel.exporters.prometheus.packing.fields import NUMBERS, TYPES, family, unit_of
from butterfly_otel.exporters.prometheus.packing.histograms import (
    block_histograms,
    point_histograms,
)
from butterfly_otel.exporters.prometheus.packing.numbers import block_numbers, point_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

    from butterfly_otel.exporters.prometheus.model.families import Family


def pack_family(shown: Family) -> bytes:
    """Return a family, under the name that it has in text format 0.0.4."""
    kind = TYPES[shown.type]
    unit = "" if shown.type == "info" else unit_of(shown.name, shown.unit)
    return family(shown.name, kind, shown.help, unit, [*_metrics(shown, kind)])


def _metrics(shown: Family, kind: int) -> Iterator[bytes]:
    block = None if shown.created else shown.block
    if shown.type == "histogram":
        if block is not None:
            return block_histograms(block)
        histograms = cast("Sequence[HistogramDataPoint]", shown.points)
        return point_histograms(shown.series, histograms, created=shown.created)
    if block is not None:
        return block_numbers(block, NUMBERS[kind])
    numbers = cast("Sequence[NumberDataPoint]", shown.points)
    return point_numbers(shown.series, numbers, NUMBERS[kind], created=shown.created)
