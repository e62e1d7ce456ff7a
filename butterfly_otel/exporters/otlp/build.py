"""The OTLP exporters, built from our settings.

Ours, but for two cases, in which the official ones are used as they are: a credential provider
is set in the environment, which makes a session for the official exporter, or a release of
OpenTelemetry or gRPC lacks something that ours need, which is said once.
"""

from __future__ import annotations

import logging
import os
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.otlp.official import official_exporter

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.metrics.view import Aggregation

    from butterfly_otel.settings.exporters import Histograms, OtlpSettings, Temporality

_logger = logging.getLogger("butterfly_otel")

#: By these the official exporter for HTTP is given a session that authenticates.
_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
)
_CUMULATIVE = AggregationTemporality.CUMULATIVE
_DELTA = AggregationTemporality.DELTA

#: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE of the OTLP exporter specification:
#: the instrument kinds that are exported as deltas.
_DELTA_KINDS: dict[Temporality, tuple[type, ...]] = {
    "cumulative": (),
    "delta": (Counter, ObservableCounter, Histogram),
    "lowmemory": (Counter, Histogram),
}
_KINDS = (
    Counter,
    UpDownCounter,
    Histogram,
    ObservableCounter,
    ObservableUpDownCounter,
    ObservableGauge,
)


def build_otlp_exporter(settings: OtlpSettings) -> MetricExporter:
    """Return the exporter for the protocol that is asked for.

    Raises:
        ConfigurationError: When the TLS files can't be used, or the endpoint has a user or a
            password, which gRPC can't send.
    """
    _check_tls(settings)
    if any(map(os.environ.get, _CREDENTIAL_PROVIDERS)) and settings.protocol != "grpc":
        return _official(settings)
    try:
        if settings.protocol == "grpc":
            return _grpc_exporter(settings)
        return _http_exporter(settings)
    except (ImportError, AttributeError) as error:
        _report(f"{type(error).__name__}: {error}")
        return _official(settings)


def _official(settings: OtlpSettings) -> MetricExporter:
    preferences = temporalities(settings.temporality), aggregations(settings.histograms)
    return official_exporter(settings, *preferences)


@lru_cache
def _report(reason: str) -> None:
    """Say once that exports will be slower than they could be."""
    _logger.warning(
        "OpenTelemetry has changed (%s), so OTLP exports use the official exporter, which is"
        " slower and takes any answer for a success; a newer butterfly-otel may know this release",
        reason,
    )


def temporalities(preference: Temporality) -> dict[type, AggregationTemporality]:
    """Return the temporality of each instrument kind under a preference."""
    deltas = _DELTA_KINDS[preference]
    return {kind: _DELTA if kind in deltas else _CUMULATIVE for kind in _KINDS}


def aggregations(preference: Histograms) -> dict[type, Aggregation] | None:
    """Return the aggregation of histograms that no View has; None for the SDK's own."""
    exponential = preference == "base2_exponential_bucket_histogram"
    return {Histogram: ExponentialBucketHistogramAggregation()} if exponential else None


def _check_tls(settings: OtlpSettings) -> None:
    """Refuse TLS files that no export could use; gRPC ends the process over half a pair."""
    key, certificate = settings.client_key, settings.client_certificate
    if key and not certificate:
        msg = "otlp_client_key is set without otlp_client_certificate; set both or neither"
        raise ConfigurationError(msg)
    if certificate and not key and settings.protocol == "grpc":
        msg = "otlp_client_certificate is set without otlp_client_key; by gRPC set both or neither"
        raise ConfigurationError(msg)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    name = "otlp_certificate"
    try:
        if settings.certificate:
            context.load_verify_locations(settings.certificate)
        name = "otlp_client_certificate with its key"
        if certificate:
            # Nobody is there to be asked for a password.
            context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        msg = f"{name} can't be used: {error.reason or error}; it must be PEM without a password"
        raise ConfigurationError(msg) from error


def _grpc_exporter(settings: OtlpSettings) -> MetricExporter:
    import grpc  # noqa: PLC0415 - heavy, and only needed here

    from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter  # noqa: PLC0415

    compression = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
    return GrpcExporter(
        endpoint=settings.endpoint,
        headers=settings.headers,
        compression=compression[settings.compression],
        credentials=grpc.ssl_channel_credentials(
            _bytes(settings.certificate),
            _bytes(settings.client_key),
            _bytes(settings.client_certificate),
        ),
        timeout=settings.timeout,
        preferred_temporality=temporalities(settings.temporality),
        preferred_aggregation=aggregations(settings.histograms),
        max_export_batch_size=settings.batch_size,
    )


def _http_exporter(settings: OtlpSettings) -> MetricExporter:
    from butterfly_otel.exporters.otlp.http_exporter import (  # noqa: PLC0415 - needed here only
        HttpExporter,
        tls_context,
    )

    secure = settings.endpoint.lower().startswith("https://")
    return HttpExporter(
        endpoint=settings.endpoint,
        headers=dict(settings.headers),
        compression=settings.compression,
        context=tls_context(settings.certificate, settings.client_certificate, settings.client_key)
        if secure
        else None,
        timeout=settings.timeout,
        preferred_temporality=temporalities(settings.temporality),
        preferred_aggregation=aggregations(settings.histograms),
        max_export_batch_size=settings.batch_size,
    )


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
