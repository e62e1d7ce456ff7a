"""The official exporters as they are, without their logs and one batch at a time."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from butterfly_otel.exporters.delivery import Delivery, DetailedExporter
from butterfly_otel.exporters.extremes import without_unset
from butterfly_otel.exporters.otlp.secrets import Secrets, shown
from butterfly_otel.exporters.outage import Outage
from butterfly_otel.exporters.parts import split

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter
    from opentelemetry.sdk.metrics.view import Aggregation

    from butterfly_otel.settings.exporters import OtlpSettings

#: What the official exporters and the libraries below them log by.
_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.grpc.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "urllib3.connectionpool",
)


class OfficialExporter(DetailedExporter):
    """An official exporter whose logs become the reason of an outage, told once.

    Other users of the official exporters in the process keep their logs: only what is logged
    by the thread that exports here, while it does, is kept back.
    """

    def __init__(
        self,
        inner: Any,  # noqa: ANN401
        settings: OtlpSettings,
        preference: dict[type, AggregationTemporality],
        aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        super().__init__(preference, aggregation)
        self._inner = inner
        self._batch_size = settings.batch_size
        self._secrets = Secrets(settings.endpoint, settings.headers)
        self._outage = Outage(f"otlp to {shown(settings.endpoint)}")

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002
        **_kwargs: Any,  # noqa: ANN401 - as in the SDK
    ) -> MetricExportResult:
        """Export; a failure is logged once an outage."""
        delivery = self.deliver(metrics_data)
        if delivery.undelivered is None:
            self._outage.succeeded()
            return MetricExportResult.SUCCESS
        self._outage.failed(delivery.reason)
        return MetricExportResult.FAILURE

    def deliver(self, metrics_data: MetricsData) -> Delivery:
        """Export in parts, and return those that were not taken."""
        failed: list[Any] = []
        reason = ""
        for part in split(metrics_data, self._batch_size):
            with _kept_back() as said:
                result = self._inner.export(_cleaned(part))
            if result is not MetricExportResult.SUCCESS:
                failed += part.resource_metrics
                reason = reason or self._secrets.hide(said[-1] if said else "it reported failure")
        return Delivery(MetricsData(failed) if failed else None, reason)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush it."""
        return bool(self._inner.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:  # noqa: ANN401
        """Shut it down."""
        self._inner.shutdown(timeout_millis=timeout_millis)


def _cleaned(data: MetricsData) -> MetricsData:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            found: Any = scope.metrics
            found[:] = map(without_unset, found)
    return data


class _KeepBack(logging.Filter):
    """Keeps back what a thread logs while it exports."""

    def __init__(self) -> None:
        super().__init__()
        self.by_thread: dict[int, list[str]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = self.by_thread.get(threading.get_ident())
        if said is None:
            return True
        said.append(record.getMessage())
        return False


_keep_back = _KeepBack()


@contextmanager
def _kept_back() -> Generator[list[str]]:
    """Let this thread's messages of the official exporters be in a list instead of the log."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _keep_back not in logger.filters:
            # The first: others, such as one against duplicates, must not see it either.
            logger.filters.insert(0, _keep_back)
    thread, said = threading.get_ident(), list[str]()
    _keep_back.by_thread[thread] = said
    try:
        yield said
    finally:
        del _keep_back.by_thread[thread]


def official_exporter(
    settings: OtlpSettings,
    preference: dict[type, AggregationTemporality],
    aggregation: dict[type, Aggregation] | None = None,
) -> OfficialExporter:
    """Return the official exporter for the settings.

    Every setting is passed, so that its own reading of the environment (which takes the timeout
    for seconds, against the specification) never decides anything.
    """
    make = _grpc if settings.protocol == "grpc" else _http
    inner = make(settings, {"preferred_temporality": preference, "timeout": settings.timeout})
    return OfficialExporter(inner, settings, preference, aggregation)


def _grpc(settings: OtlpSettings, more: dict[str, Any]) -> MetricExporter:
    import grpc  # noqa: PLC0415 - heavy, and only needed here
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )

    files = (settings.certificate, settings.client_key, settings.client_certificate)
    contents = [None if path is None else path.read_bytes() for path in files]
    insecure = settings.endpoint.lower().startswith("http://")
    compression = grpc.Compression.Gzip if settings.compression == "gzip" else None
    return OTLPMetricExporter(
        endpoint=settings.endpoint,
        insecure=insecure,
        credentials=None if insecure else grpc.ssl_channel_credentials(*contents),
        headers=list(settings.headers),
        compression=compression or grpc.Compression.NoCompression,
        **more,
    )


def _http(settings: OtlpSettings, more: dict[str, Any]) -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )

    files = {
        "certificate_file": settings.certificate,
        "client_key_file": settings.client_key,
        "client_certificate_file": settings.client_certificate,
    }
    return OTLPMetricExporter(
        endpoint=settings.endpoint,
        headers=dict(settings.headers),
        compression=Compression(settings.compression),
        **{name: None if path is None else str(path) for name, path in files.items()},  # type: ignore[arg-type]
        **more,
    )
