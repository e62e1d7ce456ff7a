"""Settings: one frozen value made from arguments and environment, checked in one place.

The only module that reads the environment. Arguments beat environment variables, which beat
defaults. Whatever is wrong is one :class:`~butterfly_otel.ConfigurationError` that says what,
where it was set and how to mend it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.settings import Source, strings, unquote_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NodeRole = Literal["coordinator", "compute", "observer"]
ExporterName = Literal["prometheus", "otlp", "console", "none"]
OtlpProtocol = Literal["grpc", "http/protobuf"]
Engine = Literal["butterfly", "sdk"]
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


@dataclass(frozen=True, slots=True)
class Config:
    """Everything ``configure()`` decides by; equal settings compare equal."""

    node_id: str
    node_role: NodeRole
    exporters: tuple[ExporterName, ...]
    service_name: str
    service_version: str | None = None
    resource_attributes: tuple[tuple[str, str], ...] = ()
    prometheus: PrometheusSettings = field(default_factory=PrometheusSettings)
    otlp: OtlpSettings = field(default_factory=OtlpSettings)
    export_interval: float = 60.0
    export_timeout: float = 30.0
    views: tuple[Path, ...] = ()
    strict: bool = False
    zero_init: bool = True
    handle_signals: bool = True
    set_global: bool = True
    engine: Engine = "butterfly"
    collectors: tuple[str, ...] = ("auto",)
    sampling_interval: float | None = None
    cpu_per_core: bool = False
    disabled: bool = False


#: What ``configure()`` was given, by argument name; ``None`` where it was given nothing.
Arguments = dict[str, object]


def load_config(arguments: Arguments, environ: Mapping[str, str] | None = None) -> Config:
    """Return the settings that arguments and environment together ask for.

    Raises:
        ConfigurationError: When a setting is missing or wrong.
    """
    source = Source(arguments, os.environ if environ is None else environ)
    disabled = source.flag(None, "OTEL_SDK_DISABLED", default=False)
    role = cast("NodeRole", _role(source, disabled=disabled))
    exporters = _exporters(source)
    return Config(
        node_id=_node_id(source, disabled=disabled),
        node_role=role,
        exporters=exporters,
        service_name=source.text("service_name", "OTEL_SERVICE_NAME")
        or dict(_resource_attributes(source)).get("service.name")
        or f"butterfly-{role}",
        service_version=source.text("service_version", None),
        resource_attributes=_resource_attributes(source),
        prometheus=_prometheus(source),
        otlp=_otlp(source),
        export_interval=source.milliseconds(
            "export_interval", "OTEL_METRIC_EXPORT_INTERVAL", default=60.0
        ),
        export_timeout=source.milliseconds(
            "export_timeout", "OTEL_METRIC_EXPORT_TIMEOUT", default=30.0
        ),
        views=_views(source),
        strict=source.flag("strict", "BUTTERFLY_OTEL_STRICT", default=False),
        zero_init=source.flag("zero_init", "BUTTERFLY_OTEL_ZERO_INIT", default=True),
        handle_signals=source.flag("handle_signals", "BUTTERFLY_OTEL_HANDLE_SIGNALS", default=True),
        set_global=source.flag("set_global", "BUTTERFLY_OTEL_SET_GLOBAL", default=True),
        engine=cast(
            "Engine",
            source.one_of(
                source.text("engine", "BUTTERFLY_OTEL_ENGINE") or "butterfly",
                get_args(Engine),
                "engine",
                "BUTTERFLY_OTEL_ENGINE",
            ),
        ),
        collectors=source.names(
            "collectors", "BUTTERFLY_OTEL_COLLECTORS", default="auto", objects=True
        ),
        sampling_interval=source.duration("sampling_interval", "BUTTERFLY_OTEL_SAMPLING_INTERVAL"),
        cpu_per_core=source.flag("cpu_per_core", "BUTTERFLY_OTEL_CPU_PER_CORE", default=False),
        disabled=disabled,
    )


def _node_id(source: Source, *, disabled: bool) -> str:
    node_id = source.text("node_id", "BUTTERFLY_NODE_ID")
    if node_id is None and not disabled:
        msg = (
            "node_id is not set: pass configure(node_id=...) or set BUTTERFLY_NODE_ID to this"
            " node's name, such as compute-node-1"
        )
        raise ConfigurationError(msg)
    return node_id or ""


def _role(source: Source, *, disabled: bool) -> str:
    role = source.text("node_role", "BUTTERFLY_NODE_ROLE")
    if role is None and disabled:
        return "observer"
    if role is None:
        msg = (
            "node_role is not set: pass configure(node_role=...) or set BUTTERFLY_NODE_ROLE to"
            " coordinator, compute or observer"
        )
        raise ConfigurationError(msg)
    return source.one_of(role, get_args(NodeRole), "node_role", "BUTTERFLY_NODE_ROLE")


def _exporters(source: Source) -> tuple[ExporterName, ...]:
    chosen: list[ExporterName] = []
    for name in source.names("exporter", "OTEL_METRICS_EXPORTER", default="prometheus"):
        text = name.replace("butterfly_prometheus", "prometheus")
        checked = source.one_of(text, get_args(ExporterName), "exporter", "OTEL_METRICS_EXPORTER")
        if checked not in chosen:
            chosen.append(cast("ExporterName", checked))
    return tuple(chosen)


def _resource_attributes(source: Source) -> tuple[tuple[str, str], ...]:
    given = source.argument("resource_attributes")
    pairs = unquote_pairs(
        source.text(None, "OTEL_RESOURCE_ATTRIBUTES") or "", "OTEL_RESOURCE_ATTRIBUTES"
    )
    if given is not None:
        if not isinstance(given, dict):
            msg = f"resource_attributes is {given!r}; pass a dict of strings"
            raise ConfigurationError(msg)
        pairs.update(strings(cast("object", given)))
    return tuple(sorted(pairs.items()))


def _prometheus(source: Source) -> PrometheusSettings:
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


def _otlp(source: Source) -> OtlpSettings:
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
    )


def _endpoint(source: Source, protocol: OtlpProtocol) -> str:
    """Return the complete URL, built as the OTLP exporter specification says.

    Given for metrics alone, it is used as it is; given for all signals, ``/v1/metrics`` is
    added to it for HTTP.
    """
    own = source.url(
        "otlp_endpoint", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", grpc=protocol == "grpc"
    )
    if own is not None:
        return own
    shared = source.url(None, "OTEL_EXPORTER_OTLP_ENDPOINT", grpc=protocol == "grpc")
    base = shared or _DEFAULT_ENDPOINTS[protocol]
    return base if protocol == "grpc" else f"{base.rstrip('/')}/v1/metrics"


def _views(source: Source) -> tuple[Path, ...]:
    given = source.argument("views")
    if given is None:
        text = source.text(None, "BUTTERFLY_OTEL_VIEWS") or ""
        return tuple(Path(part) for part in text.split(os.pathsep) if part)
    if isinstance(given, (str, os.PathLike)):
        return (Path(cast("str", given)),)
    if isinstance(given, (list, tuple)):
        return tuple(Path(part) for part in cast("Sequence[str]", given))
    msg = f"views is {given!r}; pass the path of an overlay or a list of paths"
    raise ConfigurationError(msg)
