"""The metrics of prometheus_client's registries of all processes, pushed as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.runtime.readers import registry_producer
from butterfly_otel.sharing.showing import from_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import MetricReader, ScopeMetrics
    from prometheus_client import Metric

    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import Config


def registry_bridge(
    config: Config, pipeline: Pipeline, reader: MetricReader, own: PrometheusMetricReader
) -> Callable[[Sequence[Metric], float], Sequence[ScopeMetrics]] | None:
    """Return what makes metrics of what other collectors have; None where it isn't asked for.

    Args:
        config: The settings.
        pipeline: What counts what is missing.
        reader: What pushes them.
        own: Reads the files that prometheus_client shares between processes.
    """
    if not config.push_registry:
        return None
    from butterfly_otel.exporters.producing.model import without_summaries  # noqa: PLC0415

    producer = registry_producer(config, pipeline.telemetry.count)

    def bridge(families: Sequence[Metric], timeout: float) -> Sequence[ScopeMetrics]:
        every = [*families, *from_files(own, timeout)]
        scopes = producer.convert((producer, each) for each in every)
        return scopes if getattr(reader, "takes_summaries", False) else without_summaries(scopes)

    return bridge
