"""Prometheus pull: OpenTelemetry metrics as text 0.0.4 and OpenMetrics 1.0.

::

    from opentelemetry.sdk.metrics import MeterProvider
    from butterfly_otel.exporters.prometheus import PrometheusMetricReader

    reader = PrometheusMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    server = reader.start_server("localhost", 9464)

:mod:`.names` and :mod:`.labels` translate, :mod:`.translate` makes families of them,
:mod:`.encode` writes those, :mod:`.negotiate` chooses the format, :mod:`.reader` ties it to
a meter provider, and :mod:`.app`, :mod:`.asgi` and :mod:`.server` serve it.

A spelling is changed in the first three, how pages are served in the last three. May import:
``settings``, ``engine``, ``process``, ``errors``.
"""

from __future__ import annotations

from butterfly_otel.exporters.prometheus.app import make_wsgi_app
from butterfly_otel.exporters.prometheus.asgi import make_asgi_app
from butterfly_otel.exporters.prometheus.collector import CollectionError
from butterfly_otel.exporters.prometheus.names import STRATEGIES
from butterfly_otel.exporters.prometheus.reader import (
    AutoPrometheusMetricReader,
    PrometheusMetricReader,
)
from butterfly_otel.exporters.prometheus.server import Server, serve
from butterfly_otel.settings.exporters import TranslationStrategy

__all__ = [
    "STRATEGIES",
    "AutoPrometheusMetricReader",
    "CollectionError",
    "PrometheusMetricReader",
    "Server",
    "TranslationStrategy",
    "make_asgi_app",
    "make_wsgi_app",
    "serve",
]
