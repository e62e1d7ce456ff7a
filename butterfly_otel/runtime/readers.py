"""The readers that settings ask for: what pulls, what pushes, and for how many processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.exporters.bridge import PrometheusMetricProducer
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.settings.config import Config, ExporterName

    #: Adds to one of the SDK's own counters: its name, labels and how many.
    Count = Callable[[str, Mapping[str, str], int], None]


class Readers(NamedTuple):
    """All readers of a runtime.

    Attributes:
        ours: Those made here.
        given: The application's.
        pull: The one that is scraped, where pull is configured.
        own: Where several processes are one node, the one of what this process has measured.
        for_all: There, those that push what all of them have measured; they read no provider.
    """

    ours: tuple[MetricReader, ...]
    given: tuple[MetricReader, ...]
    pull: PrometheusMetricReader | None
    own: PrometheusMetricReader | None
    for_all: tuple[MetricReader, ...]

    @property
    def every(self) -> tuple[MetricReader, ...]:
        """What is flushed and shut down."""
        return *self.ours, *self.given

    @property
    def measured(self) -> tuple[MetricReader, ...]:
        """Those that a provider is read by."""
        return tuple(each for each in self.every if each not in self.for_all)

    def give_up(self) -> None:
        """End those made here, where nothing comes of it."""
        for reader in self.ours:
            reader.shutdown(timeout_millis=0)


def build_readers(config: Config, count: Count) -> Readers:
    """Return the readers that are configured.

    Raises:
        ConfigurationError: When a TLS file is wrong.
    """
    shared = config.processes.mode == "shared"
    # What pushes first: it can fail, and what pulls is then not registered anywhere yet.
    pushing = _pushing(config, count)
    for_all = pushing if shared and config.processes.pushed_by == "node" else ()
    pull = own = None
    if "prometheus" in config.exporters:
        pull = own = _prometheus_reader(config, count)
    elif shared:
        # What else is pushed for all processes is in that registry.
        own = _prometheus_reader(config, count, apart=not config.push_registry)
    ours = pushing if own is None else (*pushing, own)
    return Readers(ours, config.metric_readers, pull, own if shared else None, for_all)


def _pushing(config: Config, count: Count) -> tuple[MetricReader, ...]:
    names: list[ExporterName] = [each for each in config.exporters if each != "prometheus"]
    if not names:
        return ()
    from butterfly_otel.runtime.pushing import push_reader  # noqa: PLC0415 - only where it pushes

    made: list[MetricReader] = []
    shared = config.processes.mode == "shared" and config.processes.pushed_by == "node"
    try:
        for name in names:
            # Where all processes are pushed as one, what pushes has the registries of all of them.
            bridged = config.push_registry and not shared
            producers = (registry_producer(config, count),) if bridged else ()
            made.append(push_reader(name, config, count, producers))
    except BaseException:
        for reader in made:
            reader.shutdown(timeout_millis=0)
        raise
    return tuple(made)


def registry_producer(config: Config, count: Count) -> PrometheusMetricProducer:
    """Return what pushes the metrics of the registry that shares the endpoint.

    Each exporter has one of its own: what was missing is missing for each of them.
    """
    from prometheus_client import REGISTRY  # noqa: PLC0415 - only where its metrics are pushed

    from butterfly_otel.exporters.bridge import PrometheusMetricProducer  # noqa: PLC0415

    return PrometheusMetricProducer(
        REGISTRY if config.registry is None else config.registry,
        reserved=config.contracts.__contains__,
        on_omission=_omissions(count),
    )


def _omissions(count: Count) -> Callable[[str], None]:
    return lambda reason: count("butterfly_otel_scrape_omissions_total", {"reason": reason}, 1)


def _prometheus_reader(
    config: Config, count: Count, *, apart: bool = False
) -> PrometheusMetricReader:
    """Return the reader that is scraped; ``apart`` from any registry, where none is."""
    from prometheus_client import REGISTRY, CollectorRegistry  # noqa: PLC0415 - only where it pulls

    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader  # noqa: PLC0415

    settings = config.prometheus
    registry = CollectorRegistry() if apart else config.registry
    return PrometheusMetricReader(
        disable_target_info=not settings.target_info,
        scope_info_enabled=settings.scope_labels,
        registry=REGISTRY if registry is None else registry,
        verbatim=config.contracts.is_exact,
        translation_strategy=settings.translation_strategy,
        on_omission=_omissions(count),
    )
