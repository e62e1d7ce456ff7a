"""The pull reader: a drop-in for the official one, with exact names and its own encoders."""

from __future__ import annotations

import os
from functools import partial
from threading import local
from typing import TYPE_CHECKING, Any
from weakref import ref

from opentelemetry.exporter.prometheus import PrometheusMetricReader as OfficialReader
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from prometheus_client import REGISTRY, CollectorRegistry

from butterfly_otel.engine.sdk_internals import collected_resource, provider_resource
from butterfly_otel.engine.sdk_readers import begin_reader, introduce_stock
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.prometheus.model.names import STRATEGIES, Naming
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.serving.app import NO_SITE
from butterfly_otel.exporters.prometheus.serving.health import health_routes
from butterfly_otel.exporters.prometheus.serving.negotiate import choose_format
from butterfly_otel.exporters.prometheus.serving.server import PLAIN, serve
from butterfly_otel.exporters.prometheus.translating.translate import Translator
from butterfly_otel.exporters.prometheus.writing import exposition
from butterfly_otel.exporters.prometheus.writing.asking import Asker
from butterfly_otel.exporters.prometheus.writing.callbacks import observe
from butterfly_otel.exporters.prometheus.writing.collector import DEFAULT_TIMEOUT, FamilyCollector
from butterfly_otel.exporters.prometheus.writing.others import ask_others
from butterfly_otel.exporters.prometheus.writing.registered import collectors_of
from butterfly_otel.exporters.prometheus.writing.shared import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import CardinalityLimits, MetricsData
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

    from butterfly_otel.exporters.prometheus.model.problems import Omission, ProblemKind
    from butterfly_otel.exporters.prometheus.serving.server import Server
    from butterfly_otel.exporters.prometheus.serving.site import Gate, Site
    from butterfly_otel.exporters.prometheus.serving.stream import Transport
    from butterfly_otel.exporters.prometheus.translating.directory import Verbatim
    from butterfly_otel.exporters.prometheus.writing.shared import Showing
    from butterfly_otel.settings.exporters import TranslationStrategy

#: The specification's default address ("Metrics Exporter - Prometheus", "Configuration").
DEFAULT_HOST = "localhost"
DEFAULT_PORT = 9464


class PrometheusMetricReader(OfficialReader):
    """Exposes a meter provider's metrics to Prometheus.

    Takes the options of ``opentelemetry.exporter.prometheus.PrometheusMetricReader``, and
    some more by keyword. It registers a collector, so metrics that prometheus_client itself
    keeps in ``registry`` share the endpoint, and prometheus_client's own
    ``generate_latest(registry)`` shows ours too.

    Args:
        disable_target_info: Whether to leave out ``target_info``.
        prefix: Prefix, with an underscore, of every name that isn't verbatim.
        scope_info_enabled: Whether metrics that aren't verbatim carry ``otel_scope_*``.
        resource_attribute_filter: Which resource attributes, by their original key, every
            metric carries as labels, the verbatim ones too; none by default.
        registry: Where the collector is registered.
        cardinality_limits: As in the SDK's MetricReader.
        verbatim: Which ``(scope name, metric name)`` keep their OpenTelemetry name exactly
            and carry neither scope labels nor ``_created``: a callable or a collection of
            pairs; none by default.
        translation_strategy: How the other names are translated; one of :data:`STRATEGIES`.
        created: Whether OpenMetrics shows ``_created`` from start timestamps.
        on_problem: Called once for each problem, as in :class:`Problems`.
        on_omission: Called each time something is missing from a scrape, likewise.

    Raises:
        ConfigurationError: When ``translation_strategy`` is unknown.

    Thread-safe.
    """

    #: Tells our engine that no data points need be made; see ``engine/points.py``.
    reads_cells = True

    def __init__(  # noqa: PLR0913 - the official reader's options and ours
        self,
        disable_target_info: bool = False,  # noqa: FBT001, FBT002 - the official signature
        prefix: str = "",
        scope_info_enabled: bool = True,  # noqa: FBT001, FBT002 - the official signature
        *,
        resource_attribute_filter: Callable[[str], bool] | None = None,
        registry: CollectorRegistry = REGISTRY,
        cardinality_limits: CardinalityLimits | None = None,
        verbatim: Verbatim | None = None,
        translation_strategy: TranslationStrategy = "UnderscoreEscapingWithSuffixes",
        created: bool = False,
        on_problem: Callable[[ProblemKind, str], None] | None = None,
        on_omission: Callable[[Omission], None] | None = None,
    ) -> None:
        _check_strategy(translation_strategy)
        self._inbox = local()
        self._provider: Callable[[], MeterProvider | None] = lambda: None
        self._server: Server | None = None
        self._ended = False
        self._problems = Problems(on_problem, on_omission)
        self._asker = Asker()
        self._showing: Showing | None = None
        # Not the official reader's own: before 0.64b0 it registers its collector, which nobody
        # must ask, where everybody does.
        begin_reader(self, "prometheus_http_text_metric_exporter", cardinality_limits)
        #: How metrics and labels are named that the contract does not name exactly.
        self.naming = naming = Naming(translation_strategy, prefix)
        make = partial(
            Translator,
            verbatim=verbatim,
            scope_labels=scope_info_enabled,
            resource_labels=resource_attribute_filter,
            target_info=not disable_target_info,
            created=created,
            problems=self._problems,
        )
        self._families = FamilyCollector(
            self._shown,
            self._measured_by,
            self._resource,
            lambda escaping: make(naming._replace(escaping=escaping)),
            registry=registry,
            escapings=not naming.escapes,
        )
        self._registry = registry
        registry.register(self._families)

    @property
    def problems(self) -> dict[ProblemKind, int]:
        """How many distinct problems of each kind kept something out of an exposition."""
        return self._problems.counts

    @property
    def omissions(self) -> dict[Omission, int]:
        """How many times something was missing from a scrape that another may have, by reason."""
        return self._problems.omissions

    def render(
        self,
        accept: str | None = None,
        names: Collection[str] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> tuple[str, bytes]:
        """Return the Content-Type and the body of a scrape of the whole registry.

        Args:
            accept: The scraper's Accept header.
            names: Only families that have one of these names, or a sample of one of them.
            timeout: Seconds that collecting may take.

        Raises:
            CollectionError: When OpenTelemetry metrics could not be collected.
        """
        return exposition.render(
            self._registry,
            choose_format(accept),
            self._problems,
            self._asker,
            names=names,
            timeout=timeout,
        )

    def start_server(
        self,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        *,
        site: Site = NO_SITE,
        gate: Gate | None = None,
        transport: Transport = PLAIN,
    ) -> Server:
        """Serve over HTTP, as :func:`serve` does, with health checks, until :meth:`shutdown`.

        Raises:
            OSError: When the address can't be had.
        """
        # It is ready for as long as it is served.
        site = {**health_routes(lambda: None), **site}
        self._server = serve(self, host, port, site=site, gate=gate, transport=transport)
        return self._server

    def share(self, showing: Showing | None) -> None:
        """Show the metrics of all processes of a node from now on; None: this one's own again.

        They stand for the other collectors of the registry as well. prometheus_client's own
        ``generate_latest`` asks those itself, of this process alone.
        """
        self._showing = showing
        self._families.shares = showing is not None

    def own(self, timeout: float) -> MetricsData | None:
        """Collect this process' metrics within so many seconds; None while there are none.

        Raises:
            BaseException: What a callback raised, where the stock SDK measures.
        """
        return self._gather(timeout)

    def others(
        self, timeout: float, asked: Callable[[Collector], bool]
    ) -> list[tuple[Collector, list[Metric]]]:
        """Return what other collectors of the registry have in this process.

        Args:
            timeout: Seconds it may take; what has not answered then is counted, and left out.
            asked: Which of them to ask.
        """
        return ask_others(
            self._registry,
            lambda each: each is not self._families and asked(each),
            self._asker,
            self._problems,
            timeout,
        )

    def collectors(self) -> list[Collector]:
        """Return the other collectors of the registry, in the order they were registered in."""
        return [each for each in collectors_of(self._registry) if each is not self._families]

    def omit(self, reason: Omission, subject: str, sentence: str, *details: str) -> None:
        """Count something that a scrape lacks each time, and warn of it once."""
        self._problems.omit(reason, subject, sentence, *details)

    def ask_callbacks(
        self, instruments: Sequence[Any], timeout: float
    ) -> list[tuple[Any, list[Any]]]:
        """Return what the callbacks of our engine's instruments observe within so many seconds.

        An instrument whose callbacks take longer, or end by an exception that isn't one of
        ``Exception``, is left out, counted, and told once.
        """
        return observe(instruments, timeout, self._asker, self._problems)

    def stream_failed(self, name: str, error: Exception) -> None:
        """Report a stream of our engine's that could not be collected."""
        self._problems.omit(
            "broken_metric",
            clean(name),
            "Metric %s is not exposed: it could not be collected (%s)",
            type(error).__name__,
        )

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Do nothing, successfully: what is pulled is always current."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:  # noqa: ARG002
        """Leave the registry and close an own server; harmless when done again."""
        if self._ended:
            return
        self._ended = True
        if self._server is not None:
            self._server.close()
        try:
            self._registry.unregister(self._families)
        except KeyError:
            # Somebody else unregistered it.
            return

    def _set_meter_provider(self, meter_provider: MeterProvider) -> None:
        introduce_stock(self, meter_provider)
        self._provider = ref(meter_provider)

    def _measured_by(self) -> object:
        # The provider's consumer of measurements: a provider does not tell its name to readers
        # that are added later.
        return getattr(getattr(self, "_collect", None), "__self__", None)

    def _resource(self) -> Resource | None:
        if self._ended:
            return None
        if self._showing is not None and self._showing.resource is not None:
            return self._showing.resource
        # Asked for at each scrape: the provider's resource changes after a fork.
        provider = self._provider()
        if isinstance(provider, SdkMeterProvider):
            return provider_resource(provider)
        return collected_resource(getattr(self, "_collect", None))

    def _shown(self, timeout: float) -> Shown:
        if self._showing is not None and not self._ended:
            return self._showing.shown(timeout)
        return Shown(self._gather(timeout), [])

    def _gather(self, timeout: float) -> MetricsData | None:
        if self._ended or getattr(self, "_collect", True) is None:
            return None
        inbox = self._inbox
        inbox.open, inbox.data = True, None
        try:
            self.collect(timeout_millis=timeout * 1000)
            data: MetricsData | None = inbox.data
        finally:
            inbox.open, inbox.data = False, None
        return data

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **kwargs: object,  # noqa: ARG002
    ) -> None:
        # Only what this thread's scrape asked for: a collection by anyone else is nothing
        # to keep, least of all to queue.
        if getattr(self._inbox, "open", False):
            self._inbox.data = metrics_data


class AutoPrometheusMetricReader(PrometheusMetricReader):
    """What ``opentelemetry-instrument`` makes for OTEL_METRICS_EXPORTER=butterfly_prometheus.

    It serves on OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT (by default
    ``localhost:9464``), as secured as our other variables say. Metrics of our contract, and of
    those that BUTTERFLY_OTEL_CATALOGS names, keep their exact names.

    Raises:
        ConfigurationError: When the address can't be had, or a variable is wrong.
    """

    def __init__(self) -> None:
        host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "").strip() or DEFAULT_HOST
        port = os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT", "").strip() or str(DEFAULT_PORT)
        if not port.isascii() or not port.isdigit():
            raise ConfigurationError(
                f"OTEL_EXPORTER_PROMETHEUS_PORT is {port!r}; set it to a number from 0 to 65535"
            )
        # Only this reader knows of settings and contracts.
        from butterfly_otel.exporters.prometheus.securing import ambient  # noqa: PLC0415
        from butterfly_otel.settings.config import load_contracts  # noqa: PLC0415

        gate, transport = ambient.security()
        super().__init__(verbatim=load_contracts().is_exact)
        try:
            self.start_server(host, int(port), gate=gate, transport=transport)
        except OSError as error:
            self.shutdown()
            raise ConfigurationError(
                f"the Prometheus endpoint can't be opened on {host}:{port}:"
                f" {error.strerror or error}; choose another address by"
                " OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT"
            ) from error


def _check_strategy(strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise ConfigurationError(
            f"translation_strategy is {strategy!r}; use one of {', '.join(STRATEGIES)}"
        )
