"""The custom Collector that a prometheus_client registry asks for our metrics.

Source: the OpenTelemetry specification, "Metrics Exporter - Prometheus", "Client
Libraries".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.engine.consumer import CellMeasurementConsumer
from butterfly_otel.errors import ButterflyOtelError
from butterfly_otel.exporters.prometheus.translating.directory import TARGET_INFO
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.exporters.prometheus.writing.registered import collectors_of
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry, Metric

    from butterfly_otel.exporters.prometheus.model.escaping import Escaping
    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.translating.translate import Translator
    from butterfly_otel.exporters.prometheus.writing.shared import Shown

#: Seconds a collection may take where nobody says otherwise; the SDK's own default.
DEFAULT_TIMEOUT = 10.0


class CollectionError(ButterflyOtelError):
    """OpenTelemetry metrics could not be collected: a callback raised or took too long."""


class FamilyCollector:
    """Collects from one meter provider and translates, for one scrape at a time.

    Args:
        gather: Collects everything within so many seconds.
        measured_by: Returns what a provider measures by; None while there is no provider.
        resource: Returns the provider's resource; None while there is no provider.
        translator: Makes a translator for scrapers that ask for an escaping scheme.
        registry: Where it is registered.
        escapings: Whether the scheme makes any difference.

    Attributes:
        shares: Whether what it gathers is that of several processes, other collectors included.

    Thread-safe: concurrent scrapes wait for one another and each gets everything once.
    """

    def __init__(
        self,
        gather: Callable[[float], Shown],
        measured_by: Callable[[], object],
        resource: Callable[[], Resource | None],
        translator: Callable[[Escaping], Translator],
        *,
        registry: CollectorRegistry,
        escapings: bool,
    ) -> None:
        self._gather = gather
        self._measured_by = measured_by
        self._resource = resource
        self._make_translator = translator
        self._registry = registry
        self._escapings = escapings
        self._translators: dict[Escaping, Translator] = {}
        self._has_target = False
        self.shares = False
        self._lock = forks.lock()

    def describe(self) -> list[Metric]:
        """Return nothing: which metrics there will be is not known beforehand."""
        return []

    def origin(self) -> object:
        """Return what tells the metrics of one provider from another's."""
        return self._measured_by() or self

    def prompt(self) -> bool:
        """Tell whether collecting keeps its time by itself: our engine does, the SDK does not."""
        return isinstance(self._measured_by(), CellMeasurementConsumer)

    def collect(self) -> Iterator[Metric]:
        """Yield what prometheus_client's own encoders can show.

        Raises:
            CollectionError: When nothing could be collected.
        """
        for family in self.families():
            # The specification wants one in an exposition, however many providers share it.
            if family.name != TARGET_INFO or self._leads():
                yield FamilyMetric(family)

    def _leads(self) -> bool:
        """Tell whether nothing that is registered before has a ``target_info``."""
        if self._registry.get_target_info():
            return False
        for each in collectors_of(self._registry):
            if each is self:
                break
            if isinstance(each, FamilyCollector) and each.has_target():
                return False
        return True

    def has_target(self) -> bool:
        """Tell whether the last collection had a ``target_info``."""
        return self._has_target

    def families(
        self, *, escaping: Escaping = "underscores", timeout: float = DEFAULT_TIMEOUT
    ) -> list[Family]:
        """Collect and return all families.

        Args:
            escaping: How names outside the legacy alphabet are written.
            timeout: Seconds it may take, waiting for other scrapes included.

        Raises:
            CollectionError: When nothing could be collected.
        """
        return self.everything(escaping=escaping, timeout=timeout)[0]

    def everything(
        self,
        *,
        escaping: Escaping = "underscores",
        timeout: float = DEFAULT_TIMEOUT,
        natives: bool = False,
    ) -> tuple[list[Family], list[Metric]]:
        """Likewise, and return what other collectors have in all processes, where it shares.

        Args:
            escaping: As above.
            timeout: As above.
            natives: Whether exponential histograms can be shown.

        Raises:
            CollectionError: When nothing could be collected.
        """
        if not self._lock.acquire(timeout=timeout):
            raise CollectionError("metrics could not be collected: another scrape is still at it")
        try:
            try:
                collected, others = self._gather(timeout)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a callback may raise SystemExit or CancelledError
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise CollectionError(f"metrics could not be collected: {reason}") from error
            if not self._escapings:
                escaping = "underscores"
            families = self._translate(escaping, collected, natives=natives)
            return families, others
        finally:
            self._lock.release()

    def _translate(
        self, escaping: Escaping, collected: MetricsData | None, *, natives: bool
    ) -> list[Family]:
        if escaping not in self._translators:
            self._translators[escaping] = self._make_translator(escaping)
        resource = self._resource()
        families: list[Family] = []
        # Each collection empties the SDK's exemplar reservoirs, so a translator that is not
        # asked this time has to see the exemplars nevertheless.
        for key, translator in self._translators.items():
            asked = key == escaping
            translated = translator.translate(collected, resource, natives=natives or not asked)
            if asked:
                families = translated
        self._has_target = any(family.name == TARGET_INFO for family in families)
        return families
