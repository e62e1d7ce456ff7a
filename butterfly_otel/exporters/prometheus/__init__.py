"""Prometheus pull: OpenTelemetry metrics as text 0.0.4, OpenMetrics 1.0 and protobuf.

::

    from opentelemetry.sdk.metrics import MeterProvider
    from butterfly_otel.exporters.prometheus import PrometheusMetricReader

    reader = PrometheusMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    server = reader.start_server("localhost", 9464)

:mod:`.model` has names, labels and families, :mod:`.translating` makes families of what was
collected, :mod:`.packing` writes families as protobuf, :mod:`.writing` a registry as a
page, :mod:`.serving` chooses the format and answers requests, :mod:`.securing` says whose, and
:mod:`.reader` ties it to a meter provider.

A spelling is changed in the first two, how pages are served in the last three. May import:
``settings``, ``engine``, ``process``, ``errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.exporters.prometheus.model.names import STRATEGIES
from butterfly_otel.exporters.prometheus.reader import (
    AutoPrometheusMetricReader,
    PrometheusMetricReader,
)
from butterfly_otel.exporters.prometheus.serving.app import make_wsgi_app
from butterfly_otel.exporters.prometheus.serving.server import Server, serve
from butterfly_otel.exporters.prometheus.writing.collector import CollectionError
from butterfly_otel.settings.exporters import TranslationStrategy

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.serving.asgi import make_asgi_app

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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as any module's attribute
    """Import the ASGI application, and with it asyncio, only for who asks for it."""
    if name == "make_asgi_app":
        from butterfly_otel.exporters.prometheus.serving.asgi import make_asgi_app  # noqa: PLC0415

        return make_asgi_app
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
