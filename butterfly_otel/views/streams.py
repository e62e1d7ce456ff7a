"""What is exported of each metric: the contract, or less of it where an overlay says so.

A :class:`Stream` is the one place that Views and label enforcement are both built from,
so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.catalog.contracts import BUTTERFLY_ALONE
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

    def narrowed(self, to: Metric) -> Stream:
        """Return what another contract makes of the metric, which is less."""
        chosen = {label.key: label for label in to.labels}
        labels = tuple(
            _narrowed(each, chosen[each.key]) for each in self.labels if each.key in chosen
        )
        limit = min(self.limit, to.stream_limit)
        return self._replace(labels=labels, buckets=to.buckets or self.buckets, limit=limit)


def _narrowed(label: Label, to: Label) -> Label:
    """Return a label with another's vocabulary and budget; what it means stays as it is."""
    budget = to.budget if to.kind != "closed" else 0
    return replace(label, kind=to.kind, values=to.values or label.values, budget=budget)


def default_streams(contracts: Contracts = BUTTERFLY_ALONE) -> tuple[Stream, ...]:
    """Return the streams of all contracts, without any overlay."""
    streams = [Stream.of(metric, meter) for meter, metric in contracts]
    narrowed = contracts.narrowed
    return tuple(
        each.narrowed(narrowed[each.metric.name])
        if each.metric.name in narrowed and each.meter == catalog.METER_NAME
        else each
        for each in streams
    )
