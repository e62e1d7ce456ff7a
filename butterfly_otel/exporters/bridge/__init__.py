"""prometheus_client's metrics as OpenTelemetry's: a metric producer over any of its registries.

::

    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from butterfly_otel.exporters.bridge import PrometheusMetricProducer, register_producer

    reader = PeriodicExportingMetricReader(exporter)
    register_producer(reader, PrometheusMetricProducer(registry))

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", section "Prometheus
Metric points to OTLP". :mod:`.producer` asks the collectors, :mod:`.families` makes metrics of
what they have, :mod:`.series` remembers when each series began, :mod:`.units` finds units.

May import: ``exporters.prometheus``, which asks the same collectors for a scrape, and
``exporters.producing``.
"""

from butterfly_otel.exporters.bridge.producer import PrometheusMetricProducer
from butterfly_otel.exporters.producing.registering import MetricProducer, register_producer

__all__ = ["MetricProducer", "PrometheusMetricProducer", "register_producer"]
