"""The settings, declared: one frozen value made from arguments and environment.

The only module that reads the environment. Arguments beat environment variables, which beat
defaults. Whatever is wrong is one :class:`~butterfly_otel.ConfigurationError` that says what,
where it was set and how to mend it, a line for each setting.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.catalog.model import Across
from butterfly_otel.process.frozen import dataclass
from butterfly_otel.settings import relations
from butterfly_otel.settings.contracts import CATALOGS
from butterfly_otel.settings.declaration import (
    Declared,
    Setting,
    build,
    group,
    setting,
    settings_of,
)
from butterfly_otel.settings.declarative import CONFIG_FILE, Declarative, file_shown
from butterfly_otel.settings.exporters import OtlpSettings, PrometheusSettings
from butterfly_otel.settings.kinds import (
    FLAG,
    LABEL,
    PATHS,
    REGISTRY,
    SECONDS,
    SECONDS_BY_NAME,
    TEXT,
    Given,
    Kind,
    choice,
    choices_by_name,
    names,
    objects,
    one_of,
    pairs,
    unquoted,
)
from butterfly_otel.settings.processes import ProcessSettings
from butterfly_otel.settings.reading import Reading
from butterfly_otel.settings.spelling import tell_of_misspelt
from butterfly_otel.settings.viewed import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from prometheus_client import CollectorRegistry

    from butterfly_otel.catalog.contracts import Contracts
    from butterfly_otel.catalog.model import Catalog
    from butterfly_otel.settings.kinds import Others

NodeRole = Literal["coordinator", "compute", "observer"]
ExporterName = Literal["prometheus", "otlp", "console", "none"]
Engine = Literal["butterfly", "sdk"]
ExemplarFilter = Literal["trace_based", "always_on", "always_off"]
GpuId = Literal["uuid", "index", "pci"]


def _exporters(given: Given) -> tuple[ExporterName, ...]:
    found = (
        # What opentelemetry-instrument knows our reader by.
        each.replace("butterfly_prometheus", "prometheus")
        for each in names(given, like="prometheus")
    )
    checked = (one_of(given, each, get_args(ExporterName)) for each in found)
    return cast("tuple[ExporterName, ...]", tuple(dict.fromkeys(checked)))


def _resource_attributes(given: Given) -> tuple[tuple[str, str], ...]:
    """Return those of both places; of equal keys the argument's stand."""
    below = cast("dict[str, str]", given.file or {}) | unquoted(given.text, given.variable)
    return tuple(sorted({**below, **pairs(given)}.items()))


@dataclass(frozen=True, repr=False, slots=True, kw_only=True)
class Config(Declared):
    """Everything ``configure()`` decides by; equal settings compare equal."""

    node_id: str = setting(
        "node_id",
        LABEL,
        "BUTTERFLY_NODE_ID",
        otherwise=relations.node_id,
        tells="This node's name, at most 128 characters. Required.",
    )
    node_role: NodeRole = setting(
        "node_role",
        choice(NodeRole),
        "BUTTERFLY_NODE_ROLE",
        otherwise=relations.node_role,
        tells="``coordinator``, ``compute`` or ``observer``. Required.",
    )
    exporters: tuple[ExporterName, ...] = setting(
        "exporter",
        Kind(_exporters, "ExporterName | Sequence[ExporterName]", "comma-separated"),
        "OTEL_METRICS_EXPORTER",
        default=("prometheus",),
        tells=f"``{'``, ``'.join(get_args(ExporterName))}``, or several.",
    )
    service_name: str = setting(
        "service_name",
        TEXT,
        "OTEL_SERVICE_NAME",
        otherwise=relations.service_name,
        tells="Resource attribute ``service.name``. By default ``butterfly-`` and the role.",
    )
    service_version: str | None = setting(
        "service_version", TEXT, default=None, tells="Resource attribute ``service.version``."
    )
    resource_attributes: tuple[tuple[str, str], ...] = setting(
        "resource_attributes",
        Kind(_resource_attributes, "Mapping[str, str]", "key=value,key=value"),
        "OTEL_RESOURCE_ATTRIBUTES",
        default=(),
        tells="More resource attributes. Ours stand: ``service.namespace`` is ``butterfly``,"
        " ``service.instance.id`` the node's name.",
    )
    prometheus: PrometheusSettings = group(PrometheusSettings)
    registry: CollectorRegistry | None = setting(
        "registry",
        REGISTRY,
        default=None,
        tells="prometheus_client registry whose metrics share the endpoint; by default its"
        " global one.",
    )
    push_registry: bool = setting(
        "push_registry",
        FLAG,
        "BUTTERFLY_OTEL_PUSH_REGISTRY",
        default=False,
        tells="Whether each exporter that pushes, such as ``otlp``, has that registry's metrics as"
        " well.",
    )
    otlp: OtlpSettings = group(OtlpSettings)
    processes: ProcessSettings = group(ProcessSettings)
    config_file: Declarative | None = setting(
        "config_file",
        CONFIG_FILE,
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        default=None,
        tells="File in OpenTelemetry's declarative configuration: its resource, readers, views and"
        " exemplar filter. Needs the extra ``views``.",
        secret=file_shown,
    )
    export_interval: float = setting(
        "export_interval",
        SECONDS,
        "OTEL_METRIC_EXPORT_INTERVAL",
        default=60.0,
        tells="Seconds between pushes.",
    )
    export_timeout: float = setting(
        "export_timeout",
        SECONDS,
        "OTEL_METRIC_EXPORT_TIMEOUT",
        default=30.0,
        tells="Seconds a collection may take.",
    )
    exemplar_filter: ExemplarFilter = setting(
        "exemplar_filter",
        choice(ExemplarFilter),
        "OTEL_METRICS_EXEMPLAR_FILTER",
        default="trace_based",
        tells="Which measurements become exemplars: ``trace_based``, those in a sampled span,"
        " ``always_on`` or ``always_off``.",
    )
    views: tuple[Path | View, ...] = setting(
        "views",
        VIEWS,
        "BUTTERFLY_OTEL_VIEWS",
        default=(),
        tells="Overlay file, shipped overlay's name such as ``low-cardinality``, a View of the SDK,"
        " or several: they narrow the contract, and say what is exported of all else. Files need"
        " the extra ``views``.",
    )
    catalogs: tuple[Catalog, ...] = setting(
        "catalogs",
        CATALOGS,
        "BUTTERFLY_OTEL_CATALOGS",
        default=(),
        tells="Contracts of your own beside Butterfly's: :class:`~butterfly_otel.Catalog` objects,"
        " files of YAML in the format of OpenTelemetry's semantic conventions (which needs the"
        " extra ``views``), or ``module:ATTRIBUTE``.",
    )
    strict: bool = setting(
        "strict",
        FLAG,
        "BUTTERFLY_OTEL_STRICT",
        default=False,
        tells="Raise on a measurement that breaks the contract, for tests and development;"
        " otherwise it is mended and counted.",
    )
    zero_init: bool = setting(
        "zero_init",
        FLAG,
        "BUTTERFLY_OTEL_ZERO_INIT",
        default=True,
        tells="Start the series that are known beforehand at zero.",
    )
    handle_signals: bool = setting(
        "handle_signals",
        FLAG,
        "BUTTERFLY_OTEL_HANDLE_SIGNALS",
        default=True,
        tells="Flush on SIGTERM and SIGINT. Only where called from the main thread.",
    )
    set_global: bool = setting(
        "set_global",
        FLAG,
        "BUTTERFLY_OTEL_SET_GLOBAL",
        default=True,
        tells="Become OpenTelemetry's global meter provider.",
    )
    engine: Engine = setting(
        "engine",
        choice(Engine),
        "BUTTERFLY_OTEL_ENGINE",
        default="butterfly",
        tells="``butterfly``, which measures by cells, or ``sdk``, the stock OpenTelemetry SDK.",
    )
    collectors: tuple[str, ...] = setting(
        "collectors",
        Kind(
            partial(names, like="auto", mixed=True),
            "str | Sequence[str | Source]",
            "comma-separated",
        ),
        "BUTTERFLY_OTEL_COLLECTORS",
        default=("auto",),
        tells="What reads the hardware in the background, by threads of its own: names such as"
        " ``cpu``, ``auto`` for those that find theirs, ``none``, and"
        " :class:`~butterfly_otel.collectors.Source` objects of your own, in a list. A collector"
        " that is named is reported as down where it finds nothing; by ``auto`` it is just not"
        " there.",
    )
    sampling_interval: float | None = setting(
        "sampling_interval",
        SECONDS,
        "BUTTERFLY_OTEL_SAMPLING_INTERVAL",
        default=None,
        tells="Seconds between two readings of each collector that ships with this. By default"
        " each has its own, which is 5 for most. Some read no more often than makes sense.",
    )
    cpu_per_core: bool = setting(
        "cpu_per_core",
        FLAG,
        "BUTTERFLY_OTEL_CPU_PER_CORE",
        default=False,
        tells="Whether the CPU's usage is reported a core, instead of as a whole.",
    )
    gpu_id: GpuId = setting(
        "gpu_id",
        choice(GpuId),
        "BUTTERFLY_OTEL_GPU_ID",
        default="uuid",
        tells="What the label ``gpu_id`` has: ``uuid``, which is the same after a reboot and in"
        " a container, ``index`` or ``pci``.",
    )
    hardware_metrics: bool = setting(
        "hardware_metrics",
        FLAG,
        "BUTTERFLY_OTEL_HARDWARE_METRICS",
        default=False,
        tells="Whether GPUs report more than the contract has: power, energy, ECC errors and"
        " others, named ``hw.*`` as OpenTelemetry does.",
    )
    checkpoint_dir: tuple[Path, ...] = setting(
        "checkpoint_dir",
        PATHS,
        "BUTTERFLY_OTEL_CHECKPOINT_DIR",
        default=(),
        tells="Where checkpoints are, whose space is reported: a path or several. By default none.",
    )
    time_to_live: tuple[tuple[str, float], ...] = setting(
        "time_to_live",
        SECONDS_BY_NAME,
        "BUTTERFLY_OTEL_TIME_TO_LIVE",
        default=(),
        tells="Seconds by metric name: a series of that metric that nobody measures for longer"
        " is left out.",
    )
    across: tuple[tuple[str, Across], ...] = setting(
        "across",
        choices_by_name(Across, "Across"),
        "BUTTERFLY_OTEL_ACROSS",
        default=(),
        tells="What the values of several processes make together, by the name of a gauge of your"
        f" own: {', '.join(get_args(Across))}. By default, the one that changed last.",
    )
    metric_readers: tuple[MetricReader, ...] = setting(
        "metric_readers",
        objects("MetricReader"),
        default=(),
        tells="Further readers of the OpenTelemetry SDK.",
    )
    disabled: bool = setting(
        "",
        FLAG,
        relations.DISABLED,
        default=False,
        tells="``true``: handles do nothing, no port is opened, no name is needed.",
    )

    @property
    def contracts(self) -> Contracts:
        """Butterfly's contract and those of :attr:`catalogs`."""
        return _in_force(self.catalogs)


#: All that is declared, in the order of the page and of the signature.
SETTINGS: Final[tuple[Setting, ...]] = settings_of(Config)


def load_config(
    arguments: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    rules: Iterable[Callable[[Others], None]] = (),
) -> Config:
    """Return the settings that arguments and environment together ask for.

    Args:
        arguments: What ``configure()`` was given, by name; None where it was given nothing.
        environ: The environment; by default that of the process.
        rules: What must hold besides; each raises ConfigurationError where it does not.

    Raises:
        ConfigurationError: When settings are missing or wrong: a line for each.
    """
    variables = os.environ if environ is None else environ
    tell_of_misspelt(variables, SETTINGS)
    reading = Reading(SETTINGS, arguments, variables)
    return build(Config, reading.complete((*relations.RULES, *rules)))


def load_prometheus(environ: Mapping[str, str] | None = None) -> PrometheusSettings:
    """Return the settings of the pull endpoint alone, from the environment.

    Raises:
        ConfigurationError: When some are wrong: a line for each.
    """
    variables = os.environ if environ is None else environ
    reading = Reading(settings_of(PrometheusSettings), {}, variables)
    return build(PrometheusSettings, reading.complete(relations.PROMETHEUS_RULES))


def load_contracts(environ: Mapping[str, str] | None = None) -> Contracts:
    """Return Butterfly's contract and those that the environment names.

    Raises:
        ConfigurationError: When one of them can't be read.
    """
    variables = os.environ if environ is None else environ
    reading = Reading([each for each in SETTINGS if each.key == "catalogs"], {}, variables)
    return _in_force(reading.complete(())("catalogs"))


def _in_force(catalogs: tuple[Catalog, ...]) -> Contracts:
    if not catalogs:
        return OURS
    from butterfly_otel.catalog.joining import in_force  # noqa: PLC0415 - only for those

    return in_force(catalogs)
