"""Settings of the exporters, declared: of the pull endpoint and of OTLP push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from butterfly_otel.process.frozen import dataclass
from butterfly_otel.settings import urls
from butterfly_otel.settings.declaration import Declared, setting
from butterfly_otel.settings.kinds import (
    COUNT,
    FILE,
    FLAG,
    PORT,
    SECONDS,
    TEXT,
    Given,
    Kind,
    choice,
    one_of,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

OtlpProtocol = Literal["grpc", "http/protobuf"]
Temporality = Literal["cumulative", "delta", "lowmemory"]
Histograms = Literal["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]
Compression = Literal["none", "gzip", "deflate"]
TranslationStrategy = Literal[
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
]


def _otlp(suffix: str) -> tuple[str, str]:
    """Return the variables of an OTLP setting: the one for metrics beats the shared one."""
    return f"OTEL_EXPORTER_OTLP_METRICS_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}"


def _compression(given: Given) -> Any:  # noqa: ANN401 - a Compression, as is checked
    allowed = get_args(Compression)
    grpc = given.other("otlp_protocol") == "grpc"
    return one_of(given, text(given), allowed[:2] if grpc else allowed)


@dataclass(frozen=True, repr=False, slots=True, kw_only=True)
class PrometheusSettings(Declared):
    """The pull endpoint."""

    server: bool = setting(
        "prometheus_server",
        FLAG,
        "BUTTERFLY_OTEL_PROMETHEUS_SERVER",
        default=True,
        tells="Whether an HTTP server of our own serves Prometheus; False where the application"
        " does, by ``metrics_app()`` of ``butterfly_otel.integrations.asgi`` or ``.wsgi``.",
    )
    host: str = setting(
        "prometheus_host",
        TEXT,
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        default="localhost",
        tells="The address that server listens on.",
    )
    port: int = setting(
        "prometheus_port",
        PORT,
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        default=9464,
        tells="Its port; 0 takes a free one.",
    )
    web_config: Path | None = setting(
        "prometheus_web_config",
        FILE,
        "BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG",
        default=None,
        tells="Web configuration file of Prometheus' exporters: TLS, users, headers, a rate limit."
        " Read again when it changes. Needs the extra ``secure``.",
    )
    certificate: Path | None = setting(
        "prometheus_certificate",
        FILE,
        "BUTTERFLY_OTEL_PROMETHEUS_CERTIFICATE",
        default=None,
        tells="PEM file of that server's certificate, to speak TLS without such a file.",
    )
    key: Path | None = setting(
        "prometheus_key",
        FILE,
        "BUTTERFLY_OTEL_PROMETHEUS_KEY",
        default=None,
        tells="PEM file of its key, which nobody else may read.",
    )
    client_ca: Path | None = setting(
        "prometheus_client_ca",
        FILE,
        "BUTTERFLY_OTEL_PROMETHEUS_CLIENT_CA",
        default=None,
        tells="PEM file of the authority that clients' certificates must be signed by.",
    )
    bearer_token_file: Path | None = setting(
        "prometheus_bearer_token_file",
        FILE,
        "BUTTERFLY_OTEL_PROMETHEUS_BEARER_TOKEN_FILE",
        default=None,
        tells="File of the tokens by which clients are let in, one a line. Read again when it"
        " changes.",
    )
    health_public: bool = setting(
        "prometheus_health_public",
        FLAG,
        "BUTTERFLY_OTEL_PROMETHEUS_HEALTH_PUBLIC",
        default=True,
        tells="Whether ``/-/healthy`` and ``/-/ready`` are answered without authentication, as"
        " probes need it.",
    )
    page: bool = setting(
        "prometheus_page",
        FLAG,
        "BUTTERFLY_OTEL_PROMETHEUS_PAGE",
        default=True,
        tells="Whether a browser that asks that server for ``/`` gets a page about this node.",
    )
    translation_strategy: TranslationStrategy = setting(
        "translation_strategy",
        choice(TranslationStrategy),
        "BUTTERFLY_OTEL_TRANSLATION_STRATEGY",
        default="UnderscoreEscapingWithSuffixes",
        tells="How names outside the contract are translated.",
    )
    scope_labels: bool = setting(
        "scope_labels",
        FLAG,
        "BUTTERFLY_OTEL_SCOPE_LABELS",
        default=False,
        tells="Whether metrics outside the contract carry ``otel_scope_…`` labels.",
    )
    target_info: bool = setting(
        "target_info",
        FLAG,
        "BUTTERFLY_OTEL_TARGET_INFO",
        default=True,
        tells="Whether ``target_info`` is served.",
    )

    @property
    def is_secured(self) -> bool:
        """Whether anything decides who may scrape, or TLS is spoken."""
        return (self.web_config, self.certificate, self.bearer_token_file) != (None, None, None)


@dataclass(frozen=True, repr=False, slots=True, kw_only=True)
class OtlpSettings(Declared):
    """The push exporter."""

    protocol: OtlpProtocol = setting(
        "otlp_protocol",
        choice(OtlpProtocol),
        *_otlp("PROTOCOL"),
        default="http/protobuf",
        tells="``http/protobuf`` or ``grpc``.",
    )
    endpoint: str = setting(
        "otlp_endpoint",
        urls.ENDPOINT,
        *_otlp("ENDPOINT"),
        otherwise=urls.default_endpoint,
        tells="Complete URL, for HTTP with its path; to that of the variable for all signals"
        " ``/v1/metrics`` is added. By gRPC ``host:port`` means TLS, see ``otlp_insecure``."
        " By default port 4318, by gRPC 4317, of localhost, without TLS.",
        secret=urls.url_without_secrets,
    )
    insecure: bool = setting(
        "otlp_insecure",
        FLAG,
        *_otlp("INSECURE"),
        default=False,
        tells="Whether gRPC goes without TLS to an endpoint that has no scheme. ``https://`` and"
        " ``http://`` decide by themselves.",
        # What it decides is in the endpoint's scheme.
        compare=False,
    )
    headers: tuple[tuple[str, str], ...] = setting(
        "otlp_headers",
        urls.HEADERS,
        *_otlp("HEADERS"),
        default=(),
        tells="Sent with each export.",
        secret=urls.pairs_without_values,
    )
    timeout: float = setting(
        "otlp_timeout",
        SECONDS,
        *_otlp("TIMEOUT"),
        default=10.0,
        tells="Seconds an export may take, retries included.",
    )
    compression: Compression = setting(
        "otlp_compression",
        Kind(_compression),
        *_otlp("COMPRESSION"),
        default="none",
        tells="``none``, ``gzip``, by HTTP ``deflate``.",
    )
    certificate: Path | None = setting(
        "otlp_certificate",
        FILE,
        *_otlp("CERTIFICATE"),
        default=None,
        tells="PEM file of the server's authority.",
    )
    client_key: Path | None = setting(
        "otlp_client_key",
        FILE,
        *_otlp("CLIENT_KEY"),
        default=None,
        tells="PEM file of our own key.",
    )
    client_certificate: Path | None = setting(
        "otlp_client_certificate",
        FILE,
        *_otlp("CLIENT_CERTIFICATE"),
        default=None,
        tells="PEM file of our own certificate.",
    )
    temporality: Temporality = setting(
        "otlp_temporality",
        choice(Temporality, fold=True),
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        default="cumulative",
        tells="``cumulative``, ``delta`` or ``lowmemory``.",
    )
    histograms: Histograms = setting(
        "otlp_histograms",
        choice(Histograms, fold=True),
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        default="explicit_bucket_histogram",
        tells="What histograms outside the contract are by OTLP, where no View says otherwise:"
        " ``explicit_bucket_histogram`` or ``base2_exponential_bucket_histogram``.",
    )
    # So many histograms of the contract stay well below the 4 MiB that a gRPC server takes.
    batch_size: int = setting(
        "otlp_batch_size",
        COUNT,
        "BUTTERFLY_OTEL_OTLP_BATCH_SIZE",
        default=5000,
        tells="Points of one request; an export of more goes in several.",
    )

    @property
    def address(self) -> str:
        """The endpoint as logs may show it: without a user's name, a password and a query."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
