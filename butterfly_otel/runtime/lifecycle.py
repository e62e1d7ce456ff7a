"""The composition root: :func:`configure`, :func:`force_flush` and :func:`shutdown`.

The only functions that change anything for the whole process. All are thread-safe.
"""

from __future__ import annotations

import atexit
import logging
from dataclasses import fields
from time import monotonic
from typing import TYPE_CHECKING

from butterfly_otel.collectors.collection import Collection
from butterfly_otel.collectors.registry import choose, own_sources
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.push import PushMetricReader
from butterfly_otel.memory.books import POOLS
from butterfly_otel.process import forks
from butterfly_otel.runtime import assembly, global_provider
from butterfly_otel.runtime.signals import SignalFlush
from butterfly_otel.settings.config import Config, load_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from opentelemetry.sdk.metrics.export import MetricReader
    from prometheus_client import CollectorRegistry

    from butterfly_otel.collectors import Source
    from butterfly_otel.engine import GatedMeterProvider
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.exporters.prometheus.server import Server
    from butterfly_otel.exporters.push import Wait
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import (
        Engine,
        ExporterName,
        GpuId,
        NodeRole,
    )
    from butterfly_otel.settings.exporters import (
        Compression,
        OtlpProtocol,
        Temporality,
        TranslationStrategy,
    )

_logger = logging.getLogger("butterfly_otel")
_lock = forks.rlock()
_current: Runtime | None = None


class Runtime:
    """What :func:`configure` has started; ended by :meth:`shutdown`, once.

    Attributes:
        config: The settings it was started with.
    """

    def __init__(
        self,
        config: Config,
        registry: CollectorRegistry | None,
        readers: Sequence[MetricReader],
        sources: Sequence[Source] = (),
    ) -> None:
        self.config = config
        self.inputs = (registry, *readers, *sources)
        self._pipeline: Pipeline | None = None
        self._collection: Collection | None = None
        self._server: Server | None = None
        self._ended = False
        if config.disabled:
            return
        chosen = choose(config, sources)
        self._pipeline = assembly.assemble(config, registry, readers)
        POOLS.attach(strict=config.strict, count=self._pipeline.telemetry.count)
        try:
            self._server = _serve(config, self._pipeline)
            # Where nobody reads, there is nothing to sample for.
            if chosen and self._pipeline.readers:
                self._collection = Collection(
                    chosen,
                    self._pipeline.provider,
                    self._pipeline.telemetry.count,
                    interval=config.sampling_interval,
                )
        except BaseException:
            self._end(timeout=0)
            raise
        if config.set_global:
            global_provider.install(self._pipeline.provider)
        self._signals = SignalFlush(self.force_flush, self.shutdown)
        if config.handle_signals:
            self._signals.install()

    def __repr__(self) -> str:
        """Say whose metrics these are and where they are served."""
        where = "ended" if self._ended else self.prometheus_url or "not served"
        return f"<Runtime of {self.config.node_role} {self.config.node_id!r}: {where}>"

    @property
    def meter_provider(self) -> GatedMeterProvider | None:
        """The OpenTelemetry meter provider; None where the SDK is disabled."""
        return None if self._pipeline is None else self._pipeline.provider

    @property
    def prometheus_reader(self) -> PrometheusMetricReader | None:
        """What renders the metrics for Prometheus; None where nothing does, or not any more."""
        return None if self._pipeline is None or self._ended else self._pipeline.prometheus

    @property
    def prometheus_url(self) -> str | None:
        """Where metrics are served for Prometheus; None where they are not, or not any more."""
        return None if self._server is None or self._ended else self._server.url

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Export now what was measured; return whether every reader did within ``timeout`` s."""
        if self._pipeline is None or self._ended:
            return self._pipeline is None
        return _each_reader(self._pipeline.readers, "force_flush", timeout)

    def shutdown(self, timeout: float = 10.0) -> bool:
        """Export what is left, close the port and stop; harmless when done twice.

        Handles measure nothing afterwards, until the next :func:`configure`.

        Args:
            timeout: Seconds all of it may take.

        Returns:
            Whether everything was exported in time.
        """
        global _current  # noqa: PLW0603 - the process has one runtime
        with _lock:
            if _current is self:
                _current = None
            return self._end(timeout)

    def _end(self, timeout: float) -> bool:
        if self._ended or self._pipeline is None:
            return True
        self._ended = True
        if signals := getattr(self, "_signals", None):
            signals.uninstall()
        if self._server is not None:
            self._server.close()
        deadline = monotonic() + timeout
        if self._collection is not None:
            self._collection.stop()
        succeeded = _each_reader(self._pipeline.readers, "shutdown", timeout)
        if self._collection is not None:
            self._collection.end(deadline - monotonic())
        assembly.detach_handles()
        POOLS.detach()
        global_provider.uninstall(self._pipeline.provider)
        return succeeded


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
    translation_strategy: TranslationStrategy | None = None,
    scope_labels: bool | None = None,
    target_info: bool | None = None,
    registry: CollectorRegistry | None = None,
    otlp_protocol: OtlpProtocol | None = None,
    otlp_endpoint: str | None = None,
    otlp_headers: Mapping[str, str] | None = None,
    otlp_timeout: float | None = None,
    otlp_compression: Compression | None = None,
    otlp_certificate: str | PathLike[str] | None = None,
    otlp_client_key: str | PathLike[str] | None = None,
    otlp_client_certificate: str | PathLike[str] | None = None,
    otlp_temporality: Temporality | None = None,
    otlp_batch_size: int | None = None,
    export_interval: float | None = None,
    export_timeout: float | None = None,
    views: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
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
    metric_readers: Sequence[MetricReader] = (),
) -> Runtime:
    """Start measuring and exporting.

    Every argument that is left out comes from the environment variable in parentheses, else
    from its default. Calling it again with equal settings returns the same runtime.

    Args:
        node_id: This node's name (BUTTERFLY_NODE_ID), at most 128 characters. Required.
        node_role: ``coordinator``, ``compute`` or ``observer`` (BUTTERFLY_NODE_ROLE). Required.
        exporter: ``prometheus``, ``otlp``, ``console``, ``none``, or several
            (OTEL_METRICS_EXPORTER, comma-separated). Default ``prometheus``.
        service_name: (OTEL_SERVICE_NAME) Default ``butterfly-`` and the role.
        service_version: Resource attribute ``service.version``.
        resource_attributes: More resource attributes (OTEL_RESOURCE_ATTRIBUTES). Ours stand:
            ``service.namespace`` is ``butterfly``, ``service.instance.id`` the node's name.
        prometheus_server: Whether an HTTP server of our own serves Prometheus
            (BUTTERFLY_OTEL_PROMETHEUS_SERVER). Default True; False where the application does,
            by ``metrics_app()`` of ``butterfly_otel.integrations.asgi`` or ``.wsgi``.
        prometheus_host: (OTEL_EXPORTER_PROMETHEUS_HOST) Default ``localhost``.
        prometheus_port: (OTEL_EXPORTER_PROMETHEUS_PORT) Default 9464; 0 takes a free one.
        translation_strategy: How names outside the contract are translated
            (BUTTERFLY_OTEL_TRANSLATION_STRATEGY). Default ``UnderscoreEscapingWithSuffixes``.
        scope_labels: Whether metrics outside the contract carry ``otel_scope_…`` labels
            (BUTTERFLY_OTEL_SCOPE_LABELS). Default False.
        target_info: Whether ``target_info`` is served (BUTTERFLY_OTEL_TARGET_INFO). Default True.
        registry: prometheus_client registry whose metrics share the endpoint; by default its
            global one.
        otlp_protocol: ``http/protobuf`` or ``grpc`` (OTEL_EXPORTER_OTLP_PROTOCOL).
            Default ``http/protobuf``.
        otlp_endpoint: Complete URL, for HTTP with its path (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
            or OTEL_EXPORTER_OTLP_ENDPOINT, to which ``/v1/metrics`` is added).
        otlp_headers: Sent with each export (OTEL_EXPORTER_OTLP_HEADERS, key=value,key=value).
        otlp_timeout: Seconds an export may take (OTEL_EXPORTER_OTLP_TIMEOUT, in
            milliseconds). Default 10.
        otlp_compression: ``none``, ``gzip``, by HTTP ``deflate`` (OTEL_EXPORTER_OTLP_COMPRESSION).
        otlp_certificate: PEM file (OTEL_EXPORTER_OTLP_CERTIFICATE).
        otlp_client_key: PEM file (OTEL_EXPORTER_OTLP_CLIENT_KEY).
        otlp_client_certificate: PEM file (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE).
        otlp_temporality: ``cumulative``, ``delta`` or ``lowmemory``
            (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE). Default ``cumulative``.
        otlp_batch_size: Points of one request; an export of more goes in several
            (BUTTERFLY_OTEL_OTLP_BATCH_SIZE). Default 5000.
        export_interval: Seconds between pushes (OTEL_METRIC_EXPORT_INTERVAL, in milliseconds).
            Default 60.
        export_timeout: Seconds a collection may take (OTEL_METRIC_EXPORT_TIMEOUT, in
            milliseconds). Default 30.
        views: Overlay file, shipped overlay's name such as ``low-cardinality``, or several
            (BUTTERFLY_OTEL_VIEWS). Needs the extra ``views``.
        strict: Raise on a measurement that breaks the contract, for tests and development
            (BUTTERFLY_OTEL_STRICT). Default False: it is mended and counted.
        zero_init: Start the series that are known beforehand at zero
            (BUTTERFLY_OTEL_ZERO_INIT). Default True.
        handle_signals: Flush on SIGTERM and SIGINT (BUTTERFLY_OTEL_HANDLE_SIGNALS).
            Default True. Only where called from the main thread.
        set_global: Become OpenTelemetry's global meter provider (BUTTERFLY_OTEL_SET_GLOBAL).
            Default True.
        engine: ``butterfly``, which measures by cells, or ``sdk``, the stock OpenTelemetry SDK
            (BUTTERFLY_OTEL_ENGINE). Default ``butterfly``.
        collectors: What reads the hardware in the background, by threads of its own: names
            such as ``cpu``, ``auto`` for those that find theirs, ``none``, and
            :class:`~butterfly_otel.collectors.Source` objects of your own, in a list
            (BUTTERFLY_OTEL_COLLECTORS, comma-separated). Default ``auto``. A collector that is
            named is reported as down where it finds nothing; by ``auto`` it is just not there.
        sampling_interval: Seconds between two readings of each collector that ships with this
            (BUTTERFLY_OTEL_SAMPLING_INTERVAL, in milliseconds). By default each has its own,
            which is 5 for most. Some read no more often than makes sense.
        cpu_per_core: Whether the CPU's usage is reported a core, instead of as a whole
            (BUTTERFLY_OTEL_CPU_PER_CORE). Default False.
        gpu_id: What the label ``gpu_id`` has: ``uuid``, which is the same after a reboot and in
            a container, ``index`` or ``pci`` (BUTTERFLY_OTEL_GPU_ID). Default ``uuid``.
        hardware_metrics: Whether GPUs report more than the contract has: power, energy, ECC
            errors and others, named ``hw.*`` as OpenTelemetry does
            (BUTTERFLY_OTEL_HARDWARE_METRICS). Default False.
        checkpoint_dir: Where checkpoints are, whose space is reported: a path or several
            (BUTTERFLY_OTEL_CHECKPOINT_DIR, separated as PATH is). By default none.
        time_to_live: Seconds by metric name: a series of that metric that nobody measures for
            longer is left out (BUTTERFLY_OTEL_TIME_TO_LIVE, ``name=seconds,name=seconds``).
        metric_readers: Further readers of the OpenTelemetry SDK.

    Raises:
        ConfigurationError: When a setting is missing or wrong, the port is in use, or the SDK
            is already configured differently. Nothing is left running then.
    """
    arguments: dict[str, object] = {**locals()}
    readers = tuple(metric_readers)
    sources = own_sources(collectors)
    for name in ("registry", "metric_readers"):
        arguments.pop(name)
    global _current  # noqa: PLW0603 - the process has one runtime
    with _lock:
        config = load_config(arguments)
        if _current is not None:
            _require_same(_current, config, (registry, *readers, *sources))
            return _current
        _current = Runtime(config, registry, readers, sources)
        return _current


def current() -> Runtime | None:
    """Return what :func:`configure` has started and nothing has shut down; None before."""
    return _current


def force_flush(timeout: float = 10.0) -> bool:
    """Export now what was measured.

    Args:
        timeout: Seconds it may take.

    Returns:
        Whether every reader succeeded in time; True where nothing is configured.
    """
    runtime = _current
    return True if runtime is None else runtime.force_flush(timeout)


def shutdown(timeout: float = 10.0) -> bool:
    """Export what is left, close the port and stop; harmless when nothing is configured.

    Args:
        timeout: Seconds it may take.

    Returns:
        Whether everything was exported in time.
    """
    runtime = _current
    return True if runtime is None else runtime.shutdown(timeout)


def _serve(config: Config, pipeline: Pipeline) -> Server | None:
    if pipeline.prometheus is None or not config.prometheus.server:
        return None
    from butterfly_otel.exporters.prometheus.server import serve  # noqa: PLC0415

    host, port = config.prometheus.host, config.prometheus.port
    try:
        return serve(pipeline.prometheus, host, port)
    except OSError as error:
        msg = (
            f"the Prometheus endpoint can't be opened on {host}:{port}: {error.strerror or error};"
            " choose another address by prometheus_host and prometheus_port, or by"
            " OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT"
        )
        raise ConfigurationError(msg) from error


def _require_same(runtime: Runtime, config: Config, inputs: tuple[object, ...]) -> None:
    different = [
        each.name
        for each in fields(Config)
        if getattr(runtime.config, each.name) != getattr(config, each.name)
    ]
    if runtime.inputs != inputs:
        different.append("registry, metric_readers or source among its collectors")
    if different:
        msg = (
            f"butterfly-otel is already configured with another {' and '.join(different)};"
            " call butterfly_otel.shutdown() first, or configure it in one place"
        )
        raise ConfigurationError(msg)


def _each_reader(readers: Sequence[MetricReader], action: str, timeout: float) -> bool:
    """Flush or shut down each reader within the time that is left; never raises.

    Readers of ours that push all begin first, on threads of their own, so that a receiver that
    hangs takes no time from the others.
    """
    deadline = monotonic() + timeout
    begun: dict[MetricReader, Wait] = {
        reader: getattr(reader, f"begin_{action}")()
        for reader in readers
        if isinstance(reader, PushMetricReader)
    }
    succeeded = True
    for reader in sorted(readers, key=begun.__contains__):
        left = max(0.0, deadline - monotonic())
        try:
            wait = begun.get(reader)
            result = wait(left) if wait else getattr(reader, action)(timeout_millis=left * 1000)
        except Exception as error:  # noqa: BLE001 - the other readers must have their turn
            _logger.warning("%s of %s failed: %r", action, type(reader).__name__, error)
            result = False
        succeeded = succeeded and result is not False
    return succeeded


def _at_exit() -> None:
    # A shutdown that is going on in a daemon thread, such as after SIGTERM, is to end first.
    with _lock:
        shutdown()


atexit.register(_at_exit)
