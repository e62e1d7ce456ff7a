"""Giving a reader more metrics than its meter provider has.

The SDK's readers know no producers. They collect by a function that their provider hands them; here
another one takes its place, which calls it and adds what producers have.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics
from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine.sdk_internals import collected_resource
from butterfly_otel.engine.sdk_readers import prefers_deltas, wrap_collect
from butterfly_otel.exporters.producing.deltas import Deltas
from butterfly_otel.exporters.producing.model import without_summaries
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import MetricReader, ScopeMetrics


class MetricProducer(Protocol):
    """Has metrics of its own, as the specification's MetricProducer."""

    def produce(self, timeout_millis: float = 10_000) -> Sequence[ScopeMetrics]:
        """Return them all, cumulative, within so many milliseconds.

        They are of the resource of whatever provider the reader belongs to.
        """
        ...


def register_producer(
    reader: MetricReader, producer: MetricProducer, *, summaries: bool = False
) -> None:
    """Let a reader collect what a producer has as well, at each of its collections.

    Where the reader prefers deltas of observable counters or of histograms, it gets deltas. What a
    producer raises is logged once, and costs none of the reader's other metrics.

    Args:
        reader: Any reader of the SDK, before or after a provider has it; of one that is pulled,
            not a producer over the registry that it is itself registered in.
        producer: What has more metrics; one may be registered with several readers.
        summaries: Whether the reader's exporter takes :class:`.model.Summary`, as our OTLP
            exporters do. Others get a histogram without boundaries instead.
    """
    deltas = Deltas(*prefers_deltas(reader))
    if not wrap_collect(reader, lambda each: _Collecting(each, producer, deltas, summaries)):
        log_once(
            f"metrics of a {type(producer).__name__} are not exported: readers of this release of"
            " OpenTelemetry take no more than their provider has; look for a newer butterfly-otel"
        )


class _Collecting:
    """Collects by a function of a provider's, and from a producer."""

    def __init__(
        self,
        collect: Callable[..., MetricsData | None],
        producer: MetricProducer,
        deltas: Deltas,
        summaries: bool,  # noqa: FBT001 - of this module alone
    ) -> None:
        self._collect = collect
        self._producer = producer
        self._deltas = deltas
        self._summaries = summaries

    @property
    def __self__(self) -> object:
        """What the function is a method of, as of any method: readers ask for its resource."""
        return getattr(self._collect, "__self__", None)

    def __call__(
        self,
        reader: MetricReader,
        timeout_millis: float = 10_000,
        **kwargs: Any,  # noqa: ANN401 - whatever a release hands over
    ) -> MetricsData | None:
        began = monotonic()
        data = self._collect(reader, timeout_millis=timeout_millis, **kwargs)
        left = timeout_millis - (monotonic() - began) * 1000
        scopes = self._produced(max(0.0, left))
        if not scopes:
            return data
        return with_scopes(data, scopes, collected_resource(self._collect))

    def _produced(self, timeout_millis: float) -> Sequence[ScopeMetrics]:
        try:
            scopes = self._producer.produce(timeout_millis)
            if not self._summaries:
                scopes = without_summaries(scopes)
            return self._deltas.of(scopes)
        except Exception as error:  # noqa: BLE001 - it must not cost what the provider has
            kind = type(self._producer).__name__
            log_once(f"metrics of a {kind} are not exported: it raised", error=error)
            return ()


def with_scopes(
    data: MetricsData | None, scopes: Sequence[ScopeMetrics], resource: Resource | None
) -> MetricsData:
    """Return a collection with more scopes, of the resource that it has.

    Args:
        data: The collection; None where there is nothing.
        scopes: What is added.
        resource: Of what they are where the collection does not tell.
    """
    if data is None or not data.resource_metrics:
        return MetricsData([ResourceMetrics(resource or Resource.get_empty(), [*scopes], "")])
    first, *rest = data.resource_metrics
    return MetricsData([replace(first, scope_metrics=[*first.scope_metrics, *scopes]), *rest])
