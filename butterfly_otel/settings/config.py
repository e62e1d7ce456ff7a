"""Settings: one frozen value made from arguments and environment, checked in one place.

The only module that reads the environment. Arguments beat environment variables, which beat
defaults. Whatever is wrong is one :class:`~butterfly_otel.ConfigurationError` that says what,
where it was set and how to mend it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast, get_args

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.settings.exporters import (
    OtlpSettings,
    PrometheusSettings,
    otlp_settings,
    prometheus_settings,
)
from butterfly_otel.settings.source import Source, strings, unquote_pairs

if TYPE_CHECKING:
    from pathlib import Path

NodeRole = Literal["coordinator", "compute", "observer"]
ExporterName = Literal["prometheus", "otlp", "console", "none"]
Engine = Literal["butterfly", "sdk"]
GpuId = Literal["uuid", "index", "pci"]


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
    gpu_id: GpuId = "uuid"
    hardware_metrics: bool = False
    checkpoint_dir: tuple[Path, ...] = ()
    time_to_live: tuple[tuple[str, float], ...] = ()
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
    config = Config(
        node_id=_node_id(source, disabled=disabled),
        node_role=role,
        exporters=exporters,
        service_name=source.text("service_name", "OTEL_SERVICE_NAME")
        or dict(_resource_attributes(source)).get("service.name")
        or f"butterfly-{role}",
        service_version=source.text("service_version", None),
        resource_attributes=_resource_attributes(source),
        prometheus=prometheus_settings(source),
        otlp=otlp_settings(source),
        export_interval=source.milliseconds(
            "export_interval", "OTEL_METRIC_EXPORT_INTERVAL", default=60.0
        ),
        export_timeout=source.milliseconds(
            "export_timeout", "OTEL_METRIC_EXPORT_TIMEOUT", default=30.0
        ),
        views=source.paths("views", "BUTTERFLY_OTEL_VIEWS"),
        strict=source.flag("strict", "BUTTERFLY_OTEL_STRICT", default=False),
        zero_init=source.flag("zero_init", "BUTTERFLY_OTEL_ZERO_INIT", default=True),
        handle_signals=source.flag("handle_signals", "BUTTERFLY_OTEL_HANDLE_SIGNALS", default=True),
        set_global=source.flag("set_global", "BUTTERFLY_OTEL_SET_GLOBAL", default=True),
        engine=cast("Engine", source.choice("engine", "BUTTERFLY_OTEL_ENGINE", get_args(Engine))),
        collectors=source.names(
            "collectors", "BUTTERFLY_OTEL_COLLECTORS", default="auto", objects=True
        ),
        sampling_interval=source.duration("sampling_interval", "BUTTERFLY_OTEL_SAMPLING_INTERVAL"),
        cpu_per_core=source.flag("cpu_per_core", "BUTTERFLY_OTEL_CPU_PER_CORE", default=False),
        gpu_id=cast("GpuId", source.choice("gpu_id", "BUTTERFLY_OTEL_GPU_ID", get_args(GpuId))),
        hardware_metrics=source.flag(
            "hardware_metrics", "BUTTERFLY_OTEL_HARDWARE_METRICS", default=False
        ),
        checkpoint_dir=source.paths("checkpoint_dir", "BUTTERFLY_OTEL_CHECKPOINT_DIR"),
        time_to_live=source.seconds_by_name("time_to_live", "BUTTERFLY_OTEL_TIME_TO_LIVE"),
        disabled=disabled,
    )
    _require_together(config)
    return config


def _require_together(config: Config) -> None:
    """Refuse settings that need another one.

    Raises:
        ConfigurationError: When one is missing.
    """
    if "disk" in config.collectors and not config.checkpoint_dir:
        raise ConfigurationError(
            "collectors names 'disk', which reads the space of checkpoints: say where they are by"
            " configure(checkpoint_dir=...) or BUTTERFLY_OTEL_CHECKPOINT_DIR"
        )
    if config.time_to_live and config.engine == "sdk":
        raise ConfigurationError(
            "time_to_live needs engine 'butterfly', and engine is 'sdk'; leave one of them out"
        )


def _node_id(source: Source, *, disabled: bool) -> str:
    node_id = source.label("node_id", "BUTTERFLY_NODE_ID")
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
        if not isinstance(given, Mapping):
            msg = f"resource_attributes is {given!r}; pass a dict of strings"
            raise ConfigurationError(msg)
        pairs.update(strings(cast("object", given), "resource_attributes"))
    return tuple(sorted(pairs.items()))
