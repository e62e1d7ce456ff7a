"""The OTLP exporters, built from our settings.

They are the official ones, but that a collection becomes bytes by our own encoder.
"""

from __future__ import annotations

import ssl
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

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.otlp import internals

if TYPE_CHECKING:
    from pathlib import Path

    import grpc
    from opentelemetry.sdk.metrics.export import MetricExporter

    from butterfly_otel.settings.exporters import OtlpSettings, Temporality

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

    Every setting is passed, so that the exporters' own reading of the environment (which
    takes the timeout for seconds, against the specification) never decides anything.

    Raises:
        ConfigurationError: When the TLS files can't be used.
    """
    _check_tls(settings)
    if settings.protocol == "grpc":
        return _grpc_exporter(settings)
    return _http_exporter(settings)


def temporalities(preference: Temporality) -> dict[type, AggregationTemporality]:
    """Return the temporality of each instrument kind under a preference."""
    deltas = _DELTA_KINDS[preference]
    return {kind: _DELTA if kind in deltas else _CUMULATIVE for kind in _KINDS}


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
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )

    insecure = settings.endpoint.startswith("http://")
    compression = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
    arguments = {
        "endpoint": settings.endpoint,
        "insecure": insecure,
        "credentials": None if insecure else _credentials(settings),
        "headers": list(settings.headers),
        "timeout": settings.timeout,
        "compression": compression[settings.compression],
        "preferred_temporality": temporalities(settings.temporality),
        "max_export_batch_size": settings.batch_size,
    }
    return internals.build(OTLPMetricExporter, internals.GRPC, _ours_for_grpc, arguments)


def _ours_for_grpc() -> type[MetricExporter]:
    from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter  # noqa: PLC0415

    return GrpcExporter


def _credentials(settings: OtlpSettings) -> grpc.ChannelCredentials:
    import grpc  # noqa: PLC0415

    return grpc.ssl_channel_credentials(
        _bytes(settings.certificate),
        _bytes(settings.client_key),
        _bytes(settings.client_certificate),
    )


def _http_exporter(settings: OtlpSettings) -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )

    arguments = {
        "endpoint": settings.endpoint,
        "certificate_file": _text(settings.certificate),
        "client_key_file": _text(settings.client_key),
        "client_certificate_file": _text(settings.client_certificate),
        "headers": dict(settings.headers),
        "timeout": settings.timeout,
        "compression": Compression(settings.compression),
        "preferred_temporality": temporalities(settings.temporality),
        "max_export_batch_size": settings.batch_size,
    }
    return internals.build(OTLPMetricExporter, internals.HTTP, _ours_for_http, arguments)


def _ours_for_http() -> type[MetricExporter]:
    from butterfly_otel.exporters.otlp.http_exporter import HttpExporter  # noqa: PLC0415

    return HttpExporter


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
