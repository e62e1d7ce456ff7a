"""Settings of the exporters: of the pull endpoint and of OTLP push."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from butterfly_otel.settings.source import Source

OtlpProtocol = Literal["grpc", "http/protobuf"]
Temporality = Literal["cumulative", "delta", "lowmemory"]
Compression = Literal["none", "gzip", "deflate"]
TranslationStrategy = Literal[
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
]

_DEFAULT_ENDPOINTS: Final[dict[OtlpProtocol, str]] = {
    "grpc": "http://localhost:4317",
    "http/protobuf": "http://localhost:4318",
}


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """The pull endpoint. ``host`` and ``port``: OTEL_EXPORTER_PROMETHEUS_HOST and _PORT."""

    server: bool = True
    host: str = "localhost"
    port: int = 9464
    translation_strategy: TranslationStrategy = "UnderscoreEscapingWithSuffixes"
    scope_labels: bool = False
    target_info: bool = True


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """The push exporter: OTEL_EXPORTER_OTLP_METRICS_… beats OTEL_EXPORTER_OTLP_….

    Attributes:
        protocol: ``grpc`` or ``http/protobuf`` (the specification's default).
        endpoint: Complete URL; for HTTP with its path.
        headers: Sent with each export.
        timeout: Seconds one export may take, retries included. The environment variable is
            in milliseconds, as the specification says.
        compression: ``none``, ``gzip`` or, by HTTP only, ``deflate``.
        certificate: PEM file of the server's authority.
        client_key: PEM file of our own key.
        client_certificate: PEM file of our own certificate.
        temporality: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.
        batch_size: Points of one request: an export of more is sent in several. So many
            histograms of the contract stay well below the 4 MiB that a gRPC server takes.
    """

    protocol: OtlpProtocol = "http/protobuf"
    endpoint: str = "http://localhost:4318/v1/metrics"
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    compression: Compression = "none"
    certificate: Path | None = None
    client_key: Path | None = None
    client_certificate: Path | None = None
    temporality: Temporality = "cumulative"
    batch_size: int = 5000

    @property
    def address(self) -> str:
        """The endpoint as logs may show it: without a user's name, a password and a query."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def prometheus_settings(source: Source) -> PrometheusSettings:
    """Return how the pull endpoint is served.

    Raises:
        ConfigurationError: When a setting is wrong.
    """
    strategy = source.text("translation_strategy", "BUTTERFLY_OTEL_TRANSLATION_STRATEGY")
    default = PrometheusSettings()
    return PrometheusSettings(
        server=source.flag("prometheus_server", "BUTTERFLY_OTEL_PROMETHEUS_SERVER", default=True),
        host=source.text("prometheus_host", "OTEL_EXPORTER_PROMETHEUS_HOST") or default.host,
        port=source.port("prometheus_port", "OTEL_EXPORTER_PROMETHEUS_PORT", default.port),
        translation_strategy=cast(
            "TranslationStrategy",
            source.one_of(
                strategy or default.translation_strategy,
                get_args(TranslationStrategy),
                "translation_strategy",
                "BUTTERFLY_OTEL_TRANSLATION_STRATEGY",
            ),
        ),
        scope_labels=source.flag("scope_labels", "BUTTERFLY_OTEL_SCOPE_LABELS", default=False),
        target_info=source.flag("target_info", "BUTTERFLY_OTEL_TARGET_INFO", default=True),
    )


def otlp_settings(source: Source) -> OtlpSettings:
    """Return how metrics are pushed by OTLP.

    Raises:
        ConfigurationError: When a setting is wrong.
    """
    protocol = cast(
        "OtlpProtocol",
        source.one_of(
            source.otlp_text("otlp_protocol", "PROTOCOL") or "http/protobuf",
            get_args(OtlpProtocol),
            "otlp_protocol",
            source.otlp_variable("PROTOCOL"),
        ),
    )
    compression = source.otlp_text("otlp_compression", "COMPRESSION") or "none"
    allowed = get_args(Compression)
    temporality = source.text(
        "otlp_temporality", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    )
    return OtlpSettings(
        protocol=protocol,
        endpoint=_endpoint(source, protocol),
        headers=source.headers(),
        timeout=source.otlp_timeout(default=10.0),
        compression=cast(
            "Compression",
            source.one_of(
                compression,
                allowed if protocol != "grpc" else allowed[:2],
                "otlp_compression",
                source.otlp_variable("COMPRESSION"),
            ),
        ),
        certificate=source.otlp_file("otlp_certificate", "CERTIFICATE"),
        client_key=source.otlp_file("otlp_client_key", "CLIENT_KEY"),
        client_certificate=source.otlp_file("otlp_client_certificate", "CLIENT_CERTIFICATE"),
        temporality=cast(
            "Temporality",
            source.one_of(
                (temporality or "cumulative").lower(),
                get_args(Temporality),
                "otlp_temporality",
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            ),
        ),
        batch_size=source.count(
            "otlp_batch_size", "BUTTERFLY_OTEL_OTLP_BATCH_SIZE", OtlpSettings().batch_size
        ),
    )


def _endpoint(source: Source, protocol: OtlpProtocol) -> str:
    """Return the complete URL, built as the OTLP exporter specification says.

    Given for metrics alone, it is used as it is; given for all signals, ``/v1/metrics`` is
    added to it for HTTP.
    """
    grpc = protocol == "grpc"
    path = "" if grpc else "/v1/metrics"
    default = _DEFAULT_ENDPOINTS[protocol]
    like = default.replace("localhost", "collector")
    own = source.url(
        "otlp_endpoint", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", like=like + path, grpc=grpc
    )
    if own is not None:
        return own
    shared = source.url(None, "OTEL_EXPORTER_OTLP_ENDPOINT", like=like, grpc=grpc)
    base = shared or default
    return base if grpc else f"{base.rstrip('/')}{path}"
