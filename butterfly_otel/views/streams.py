"""What is exported of each metric: the contract, or less of it where an overlay says so.

A :class:`Stream` is the one place that Views and label enforcement are both built from,
so they cannot disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Label, Metric


class Stream(NamedTuple):
    """One metric as it leaves this process.

    Attributes:
        metric: The catalogue's entry.
        labels: The labels that are kept, in the contract's order.
        buckets: Upper bounds of a histogram, without ``+Inf``.
        limit: Cardinality limit; beyond it OpenTelemetry's overflow point takes over.
        dropped: Whether the whole metric is switched off.
    """

    metric: Metric
    labels: tuple[Label, ...]
    buckets: tuple[float, ...]
    limit: int
    dropped: bool = False

    @classmethod
    def of(cls, metric: Metric) -> Stream:
        """Return the stream that exports ``metric`` exactly as the contract has it."""
        return cls(metric, metric.labels, metric.buckets, metric.stream_limit)


def default_streams() -> tuple[Stream, ...]:
    """Return the streams of the whole catalogue, without any overlay."""
    return tuple(Stream.of(metric) for metric in catalog.ALL)
