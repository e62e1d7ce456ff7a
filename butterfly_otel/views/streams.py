"""What is exported of each metric: the contract, or less of it where an overlay says so.

A :class:`Stream` is the one place that Views and label enforcement are both built from,
so they cannot disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from butterfly_otel.catalog.contracts import Contracts
    from butterfly_otel.catalog.model import Label, Metric


class Stream(NamedTuple):
    """One metric as it leaves this process.

    Attributes:
        metric: The catalogue's entry.
        labels: The labels that are kept, in the contract's order, as narrow as they are here.
        buckets: Upper bounds of a histogram, without ``+Inf``.
        limit: Cardinality limit; beyond it OpenTelemetry's overflow point takes over.
        dropped: Whether the whole metric is switched off.
        meter: The name of the meter on which it is measured.
    """

    metric: Metric
    labels: tuple[Label, ...]
    buckets: tuple[float, ...]
    limit: int
    dropped: bool = False
    meter: str = catalog.METER_NAME

    @classmethod
    def of(cls, metric: Metric, meter: str = catalog.METER_NAME) -> Stream:
        """Return the stream that exports ``metric`` exactly as the contract has it."""
        return cls(
            metric, metric.labels, metric.buckets, metric.stream_limit, dropped=False, meter=meter
        )


def default_streams(contracts: Contracts = OURS) -> tuple[Stream, ...]:
    """Return the streams of all contracts, without any overlay."""
    return tuple(
        Stream(
            each.metric,
            each.labels,
            each.metric.buckets,
            each.metric.stream_limit,
            meter=each.meter,
        )
        for each in contracts.entries
    )
