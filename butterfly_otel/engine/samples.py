"""Exemplar reservoirs of our own in place of the SDK's two default ones.

They draw and keep what the SDK's do, but of a measurement only four things, from which an
exemplar is made when it is collected. They take no lock: where the cell has one, it is held,
and where it has none, statements can't be interrupted (``cells``).
"""

from __future__ import annotations

from bisect import bisect_left
from random import getrandbits
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk.metrics import (
    AlignedHistogramBucketExemplarReservoir,
    Exemplar,
    SimpleFixedSizeExemplarReservoir,
)

from butterfly_otel.engine.histograms import HistogramCell
from butterfly_otel.engine.sdk_names import OLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.engine.cells import Cell, Sample, Taken


class Samples(Protocol):
    """The reservoir of one series; under its cell's lock, if there is one."""

    def keep(self, sample: Sample) -> None:
        """Keep a sample, or not."""
        ...

    def collected(self, attributes: Mapping[str, Any]) -> list[Exemplar]:
        """Return the exemplars of a series with these attributes, and start from nothing."""
        ...

    def taken(self) -> Taken:
        """Return what there is as it was kept, where it was, and start from nothing."""
        ...


class BucketSamples:
    """The last sample of each bucket, as ``AlignedHistogramBucketExemplarReservoir``."""

    __slots__ = ("_bounds", "_kept")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._kept: dict[int, Sample] = {}

    def keep(self, sample: Sample) -> None:
        """Keep a sample in place of the one before."""
        index = bisect_left(self._bounds, sample[0])
        self._kept[index] = sample

    def collected(self, attributes: Mapping[str, Any]) -> list[Exemplar]:
        """Return the exemplars by bucket, and start from nothing."""
        kept, self._kept = self._kept, {}
        return [exemplar(kept[index], attributes) for index in sorted(kept)]

    def taken(self) -> dict[int, Sample]:
        """Return the samples by bucket, and start from nothing."""
        kept, self._kept = self._kept, {}
        return kept


class OneSample:
    """One of all samples, each as likely, as ``SimpleFixedSizeExemplarReservoir`` of size 1."""

    __slots__ = ("_kept", "_seen")

    def __init__(self) -> None:
        self._kept: Sample | None = None
        self._seen = 0

    def keep(self, sample: Sample) -> None:
        """Keep the first sample, the second one in two times, the third one in three."""
        seen = self._seen = self._seen + 1
        if seen > 1:
            # As random.randrange(seen) draws, which takes four times as long.
            bits = seen.bit_length()
            drawn = getrandbits(bits)
            while drawn >= seen:
                drawn = getrandbits(bits)
            if drawn:
                return
        self._kept = sample

    def collected(self, attributes: Mapping[str, Any]) -> list[Exemplar]:
        """Return the exemplar there is, if any, and start from nothing."""
        kept, self._kept, self._seen = self._kept, None, 0
        return [] if kept is None else [exemplar(kept, attributes)]

    def taken(self) -> dict[int, Sample]:
        """Return the sample there is, if any, as that of bucket 0, and start from nothing."""
        kept, self._kept, self._seen = self._kept, None, 0
        return {} if kept is None else {0: kept}


def exemplar(sample: Sample, attributes: Mapping[str, Any]) -> Exemplar:
    """Return a sample as the SDK's exemplar of a series with these attributes."""
    value, time, parent, its = sample
    left: dict[str, Any] | None = None
    if its is None:
        left = {} if attributes else None
    elif its:
        left = {}
        if its != attributes:
            left = {key: each for key, each in its.items() if key not in attributes}
    made: Exemplar = _new(Exemplar)
    # Written into the instance, as data points are (``points``).
    fields = made.__dict__
    fields["filtered_attributes"] = left
    fields["value"] = value
    fields["time_unix_nano"] = time
    fields["span_id"] = None if parent is None else parent.span_id
    fields["trace_id"] = None if parent is None else parent.trace_id
    return made


_new: Any = object.__new__


def samples_for(cell: Cell, made: object) -> Samples | None:
    """Return our reservoir for a cell in place of one of the SDK's, None for any other."""
    if isinstance(cell, HistogramCell):
        if made is AlignedHistogramBucketExemplarReservoir:
            return BucketSamples(cell.bounds)
    elif made is SimpleFixedSizeExemplarReservoir and not OLDER:
        # Older releases draw otherwise: theirs is asked, for the exemplars that it would have.
        return OneSample()
    return None
