# Rendered from butterfly_otel/settings by `butterfly-otel render`: edit the declarations, not this.
"""``configure()``, with an argument for each setting; what it does is in ``lifecycle.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from butterfly_otel.runtime.lifecycle import start
from butterfly_otel.settings.spelling import suggests_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from prometheus_client import CollectorRegistry

    from butterfly_otel.catalog.model import Across, Catalog
    from butterfly_otel.collectors import Source
    from butterfly_otel.runtime.lifecycle import Runtime
    from butterfly_otel.settings.config import Engine, ExemplarFilter, ExporterName, GpuId, NodeRole
    from butterfly_otel.settings.exporters import (
        Compression,
        Histograms,
        OtlpProtocol,
        Temporality,
        TranslationStrategy,
    )
    from butterfly_otel.settings.processes import Processes, PushedBy


class Arguments(TypedDict, total=False):
    """What :func:`configure` takes, where each is described, for what passes settings on."""

    node_id: str | None
    node_role: NodeRole | None
    exporter: ExporterName | Sequence[ExporterName] | None
    service_name: str | None
    service_version: str | None
    resource_attributes: Mapping[str, str] | None
    prometheus_server: bool | None
    prometheus_host: str | None
    prometheus_port: int | None
    prometheus_web_config: str | PathLike[str] | None
    prometheus_certificate: str | PathLike[str] | None
    prometheus_key: str | PathLike[str] | None
    prometheus_client_ca: str | PathLike[str] | None
    prometheus_bearer_token_file: str | PathLike[str] | None
    prometheus_health_public: bool | None
    prometheus_page: bool | None
    translation_strategy: TranslationStrategy | None
    scope_labels: bool | None
    target_info: bool | None
    registry: CollectorRegistry | None
    push_registry: bool | None
    otlp_protocol: OtlpProtocol | None
    otlp_endpoint: str | None
    otlp_insecure: bool | None
    otlp_headers: Mapping[str, str] | None
    otlp_timeout: float | None
    otlp_compression: Compression | None
    otlp_certificate: str | PathLike[str] | None
    otlp_client_key: str | PathLike[str] | None
    otlp_client_certificate: str | PathLike[str] | None
    otlp_temporality: Temporality | None
    otlp_histograms: Histograms | None
    otlp_batch_size: int | None
    processes: Processes | None
    process_group: str | None
    processes_directory: str | None
    otlp_processes: PushedBy | None
    config_file: str | PathLike[str] | None
    export_interval: float | None
    export_timeout: float | None
    exemplar_filter: ExemplarFilter | None
    views: str | PathLike[str] | View | Sequence[str | PathLike[str] | View] | None
    catalogs: Sequence[Catalog | str | PathLike[str]] | None
    strict: bool | None
    zero_init: bool | None
    handle_signals: bool | None
    set_global: bool | None
    engine: Engine | None
    collectors: str | Sequence[str | Source] | None
    sampling_interval: float | None
    cpu_per_core: bool | None
    gpu_id: GpuId | None
    hardware_metrics: bool | None
    checkpoint_dir: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    time_to_live: Mapping[str, float] | None
    across: Mapping[str, Across] | None
    metric_readers: Sequence[MetricReader] | None


@suggests_names
def configure(  # noqa: PLR0913 - one parameter a setting, all keyword-only
    *,
    node_id: str | None = None,
    node_role: NodeRole | None = None,
    exporter: ExporterName | Sequence[ExporterName] | None = None,
    service_name: str | None = None,
    service_version: str | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    prometheus_server: bool | None = None,
    prometheus_host: str | None = None,
    prometheus_port: int | None = None,
    prometheus_web_config: str | PathLike[str] | None = None,
    prometheus_certificate: str | PathLike[str] | None = None,
    prometheus_key: str | PathLike[str] | None = None,
    prometheus_client_ca: str | PathLike[str] | None = None,
    prometheus_bearer_token_file: str | PathLike[str] | None = None,
    prometheus_health_public: bool | None = None,
    prometheus_page: bool | None = None,
    translation_strategy: TranslationStrategy | None = None,
    scope_labels: bool | None = None,
    target_info: bool | None = None,
    registry: CollectorRegistry | None = None,
    push_registry: bool | None = None,
    otlp_protocol: OtlpProtocol | None = None,
    otlp_endpoint: str | None = None,
    otlp_insecure: bool | None = None,
    otlp_headers: Mapping[str, str] | None = None,
    otlp_timeout: float | None = None,
    otlp_compression: Compression | None = None,
    otlp_certificate: str | PathLike[str] | None = None,
    otlp_client_key: str | PathLike[str] | None = None,
    otlp_client_certificate: str | PathLike[str] | None = None,
    otlp_temporality: Temporality | None = None,
    otlp_histograms: Histograms | None = None,
    otlp_batch_size: int | None = None,
    processes: Processes | None = None,
    process_group: str | None = None,
    processes_directory: str | None = None,
    otlp_processes: PushedBy | None = None,
    config_file: str | PathLike[str] | None = None,
    export_interval: float | None = None,
    export_timeout: float | None = None,
    exemplar_filter: ExemplarFilter | None = None,
    views: str | PathLike[str] | View | Sequence[str | PathLike[str] | View] | None = None,
    catalogs: Sequence[Catalog | str | PathLike[str]] | None = None,
    strict: bool | None = None,
    zero_init: bool | None = None,
    handle_signals: bool | None = None,
    set_global: bool | None = None,
    engine: Engine | None = None,
    collectors: str | Sequence[str | Source] | None = None,
    sampling_interval: float | None = None,
    cpu_per_core: bool | None = None,
    gpu_id: GpuId | None = None,
    hardware_metrics: bool | None = None,
    checkpoint_dir: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    time_to_live: Mapping[str, float] | None = None,
    across: Mapping[str, Across] | None = None,
    metric_readers: Sequence[MetricReader] | None = None,
) -> Runtime:
    """Start measuring and exporting.

    Every argument that is left out comes from the environment variable in parentheses, of
    several from the first that is set, else from its default. Calling it again with equal
    settings returns the same runtime. Thread-safe.

    Args:
        node_id: This node's name, at most 128 characters. Required. (BUTTERFLY_NODE_ID)
        node_role: ``coordinator``, ``compute`` or ``observer``. Required. (BUTTERFLY_NODE_ROLE)
        exporter: ``prometheus``, ``otlp``, ``console``, ``none``, or several. Default
            ``prometheus``. (OTEL_METRICS_EXPORTER; comma-separated)
        service_name: Resource attribute ``service.name``. By default ``butterfly-`` and the role.
            (OTEL_SERVICE_NAME)
        service_version: Resource attribute ``service.version``.
        resource_attributes: More resource attributes. Ours stand: ``service.namespace`` is
            ``butterfly``, ``service.instance.id`` the node's name. (OTEL_RESOURCE_ATTRIBUTES;
            key=value,key=value)
        prometheus_server: Whether an HTTP server of our own serves Prometheus; False where the
            application does, by ``metrics_app()`` of ``butterfly_otel.integrations.asgi`` or
            ``.wsgi``. Default True. (BUTTERFLY_OTEL_PROMETHEUS_SERVER)
        prometheus_host: The address that server listens on. Default ``localhost``.
            (OTEL_EXPORTER_PROMETHEUS_HOST)
        prometheus_port: Its port; 0 takes a free one. Default 9464. (OTEL_EXPORTER_PROMETHEUS_PORT)
        prometheus_web_config: Web configuration file of Prometheus' exporters: TLS, users, headers,
            a rate limit. Read again when it changes. Needs the extra ``secure``.
            (BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG)
        prometheus_certificate: PEM file of that server's certificate, to speak TLS without such a
            file. (BUTTERFLY_OTEL_PROMETHEUS_CERTIFICATE)
        prometheus_key: PEM file of its key, which nobody else may read.
            (BUTTERFLY_OTEL_PROMETHEUS_KEY)
        prometheus_client_ca: PEM file of the authority that clients' certificates must be signed
            by. (BUTTERFLY_OTEL_PROMETHEUS_CLIENT_CA)
        prometheus_bearer_token_file: File of the tokens by which clients are let in, one a line.
            Read again when it changes. (BUTTERFLY_OTEL_PROMETHEUS_BEARER_TOKEN_FILE)
        prometheus_health_public: Whether ``/-/healthy`` and ``/-/ready`` are answered without
            authentication, as probes need it. Default True.
            (BUTTERFLY_OTEL_PROMETHEUS_HEALTH_PUBLIC)
        prometheus_page: Whether a browser that asks that server for ``/`` gets a page about this
            node. Default True. (BUTTERFLY_OTEL_PROMETHEUS_PAGE)
        translation_strategy: How names outside the contract are translated. Default
            ``UnderscoreEscapingWithSuffixes``. (BUTTERFLY_OTEL_TRANSLATION_STRATEGY)
        scope_labels: Whether metrics outside the contract carry ``otel_scope_…`` labels. Default
            False. (BUTTERFLY_OTEL_SCOPE_LABELS)
        target_info: Whether ``target_info`` is served. Default True. (BUTTERFLY_OTEL_TARGET_INFO)
        registry: prometheus_client registry whose metrics share the endpoint; by default its global
            one.
        push_registry: Whether each exporter that pushes, such as ``otlp``, has that registry's
            metrics as well. Default False. (BUTTERFLY_OTEL_PUSH_REGISTRY)
        otlp_protocol: ``http/protobuf`` or ``grpc``. Default ``http/protobuf``.
            (OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL)
        otlp_endpoint: Complete URL, for HTTP with its path; to that of the variable for all signals
            ``/v1/metrics`` is added. By gRPC ``host:port`` means TLS, see ``otlp_insecure``. By
            default port 4318, by gRPC 4317, of localhost, without TLS.
            (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT)
        otlp_insecure: Whether gRPC goes without TLS to an endpoint that has no scheme. ``https://``
            and ``http://`` decide by themselves. Default False.
            (OTEL_EXPORTER_OTLP_METRICS_INSECURE, OTEL_EXPORTER_OTLP_INSECURE)
        otlp_headers: Sent with each export. (OTEL_EXPORTER_OTLP_METRICS_HEADERS,
            OTEL_EXPORTER_OTLP_HEADERS; key=value,key=value)
        otlp_timeout: Seconds an export may take, retries included. Default 10.
            (OTEL_EXPORTER_OTLP_METRICS_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT; in milliseconds)
        otlp_compression: ``none``, ``gzip``, by HTTP ``deflate``. Default ``none``.
            (OTEL_EXPORTER_OTLP_METRICS_COMPRESSION, OTEL_EXPORTER_OTLP_COMPRESSION)
        otlp_certificate: PEM file of the server's authority.
            (OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE, OTEL_EXPORTER_OTLP_CERTIFICATE)
        otlp_client_key: PEM file of our own key. (OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY,
            OTEL_EXPORTER_OTLP_CLIENT_KEY)
        otlp_client_certificate: PEM file of our own certificate.
            (OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)
        otlp_temporality: ``cumulative``, ``delta`` or ``lowmemory``. Default ``cumulative``.
            (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE)
        otlp_histograms: What histograms outside the contract are by OTLP, where no View says
            otherwise: ``explicit_bucket_histogram`` or ``base2_exponential_bucket_histogram``.
            Default ``explicit_bucket_histogram``.
            (OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION)
        otlp_batch_size: Points of one request; an export of more goes in several. Default 5000.
            (BUTTERFLY_OTEL_OTLP_BATCH_SIZE)
        processes: ``shared`` where several processes are one node, such as the workers of a web
            server: whichever is scraped gives the totals of all of them. ``separate``: each process
            is a node of its own. Default ``separate``. (BUTTERFLY_OTEL_PROCESSES)
        process_group: A name for the processes that go together, where they are started by hand or
            by a supervisor. By default they are those that one parent has forked, or started by
            ``multiprocessing``. (BUTTERFLY_OTEL_PROCESS_GROUP)
        processes_directory: Where those processes meet and keep the totals of the ones that have
            ended: a local directory, in memory if possible. By default the first that can be
            written to of XDG_RUNTIME_DIR, TMPDIR, /tmp, /var/tmp and /dev/shm.
            (BUTTERFLY_OTEL_PROCESSES_DIRECTORY)
        otlp_processes: Who pushes where processes are shared: the ``node``, one push with the
            totals of all, or each ``process`` its own, under a ``service.instance.id`` of its own.
            Default ``node``. (BUTTERFLY_OTEL_OTLP_PROCESSES)
        config_file: File in OpenTelemetry's declarative configuration: its resource, readers, views
            and exemplar filter. Needs the extra ``views``. (OTEL_CONFIG_FILE,
            OTEL_EXPERIMENTAL_CONFIG_FILE)
        export_interval: Seconds between pushes. Default 60. (OTEL_METRIC_EXPORT_INTERVAL; in
            milliseconds)
        export_timeout: Seconds a collection may take. Default 30. (OTEL_METRIC_EXPORT_TIMEOUT; in
            milliseconds)
        exemplar_filter: Which measurements become exemplars: ``trace_based``, those in a sampled
            span, ``always_on`` or ``always_off``. Default ``trace_based``.
            (OTEL_METRICS_EXEMPLAR_FILTER)
        views: Overlay file, shipped overlay's name such as ``low-cardinality``, a View of the SDK,
            or several: they narrow the contract, and say what is exported of all else. Files need
            the extra ``views``. (BUTTERFLY_OTEL_VIEWS; separated as PATH is)
        catalogs: Contracts of your own beside Butterfly's: :class:`~butterfly_otel.Catalog`
            objects, files of YAML in the format of OpenTelemetry's semantic conventions (which
            needs the extra ``views``), or ``module:ATTRIBUTE``. (BUTTERFLY_OTEL_CATALOGS;
            comma-separated)
        strict: Raise on a measurement that breaks the contract, for tests and development;
            otherwise it is mended and counted. Default False. (BUTTERFLY_OTEL_STRICT)
        zero_init: Start the series that are known beforehand at zero. Default True.
            (BUTTERFLY_OTEL_ZERO_INIT)
        handle_signals: Flush on SIGTERM and SIGINT. Only where called from the main thread. Default
            True. (BUTTERFLY_OTEL_HANDLE_SIGNALS)
        set_global: Become OpenTelemetry's global meter provider. Default True.
            (BUTTERFLY_OTEL_SET_GLOBAL)
        engine: ``butterfly``, which measures by cells, or ``sdk``, the stock OpenTelemetry SDK.
            Default ``butterfly``. (BUTTERFLY_OTEL_ENGINE)
        collectors: What reads the hardware in the background, by threads of its own: names such as
            ``cpu``, ``auto`` for those that find theirs, ``none``, and
            :class:`~butterfly_otel.collectors.Source` objects of your own, in a list. A collector
            that is named is reported as down where it finds nothing; by ``auto`` it is just not
            there. Default ``auto``. (BUTTERFLY_OTEL_COLLECTORS; comma-separated)
        sampling_interval: Seconds between two readings of each collector that ships with this. By
            default each has its own, which is 5 for most. Some read no more often than makes sense.
            (BUTTERFLY_OTEL_SAMPLING_INTERVAL; in milliseconds)
        cpu_per_core: Whether the CPU's usage is reported a core, instead of as a whole. Default
            False. (BUTTERFLY_OTEL_CPU_PER_CORE)
        gpu_id: What the label ``gpu_id`` has: ``uuid``, which is the same after a reboot and in a
            container, ``index`` or ``pci``. Default ``uuid``. (BUTTERFLY_OTEL_GPU_ID)
        hardware_metrics: Whether GPUs report more than the contract has: power, energy, ECC errors
            and others, named ``hw.*`` as OpenTelemetry does. Default False.
            (BUTTERFLY_OTEL_HARDWARE_METRICS)
        checkpoint_dir: Where checkpoints are, whose space is reported: a path or several. By
            default none. (BUTTERFLY_OTEL_CHECKPOINT_DIR; separated as PATH is)
        time_to_live: Seconds by metric name: a series of that metric that nobody measures for
            longer is left out. (BUTTERFLY_OTEL_TIME_TO_LIVE; ``name=seconds,name=seconds``)
        across: What the values of several processes make together, by the name of a gauge of your
            own: sum, max, min, latest, each, node. By default, the one that changed last.
            (BUTTERFLY_OTEL_ACROSS; ``name=choice,name=choice``)
        metric_readers: Further readers of the OpenTelemetry SDK.

    Raises:
        ConfigurationError: When settings are missing or wrong (a line for each), the port is in
            use, or the SDK is already configured differently. Nothing is left running then.
        TypeError: When there is no such argument.
    """
    return start(locals())
