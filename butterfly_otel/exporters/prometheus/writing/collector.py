"""The custom Collector that a prometheus_client registry asks for our metrics.

Source: the OpenTelemetry specification, "Metrics Exporter - Prometheus", "Client
Libraries".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.errors import ButterflyOtelError
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import Metric

    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.translating.translate import Translator

#: Seconds a collection may take where nobody says otherwise; the SDK's own default.
DEFAULT_TIMEOUT = 10.0


class CollectionError(ButterflyOtelError):
    """OpenTelemetry metrics could not be collected: a callback raised or took too long."""


class FamilyCollector:
    """Collects from one meter provider and translates, for one scrape at a time.

    Args:
        gather: Collects everything within so many seconds; None while there is nothing.
        resource: Returns the provider's resource; None while there is no provider.
        translator: Makes a translator; its argument tells whether names may be UTF-8.
        utf8: Whether that makes any difference.

    Thread-safe: concurrent scrapes wait for one another and each gets everything once.
    """

    def __init__(
        self,
        gather: Callable[[float], MetricsData | None],
        resource: Callable[[], Resource | None],
        translator: Callable[[bool], Translator],
        *,
        utf8: bool,
    ) -> None:
        self._gather = gather
        self._resource = resource
        self._make_translator = translator
        self._utf8 = utf8
        self._translators: dict[bool, Translator] = {}
        self._lock = forks.lock()

    def describe(self) -> list[Metric]:
        """Return nothing: which metrics there will be is not known beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what prometheus_client's own encoders can show.

        Raises:
            CollectionError: When nothing could be collected.
        """
        for family in self.families():
            yield FamilyMetric(family)

    def families(self, *, utf8: bool = False, timeout: float = DEFAULT_TIMEOUT) -> list[Family]:
        """Collect and return all families.

        Args:
            utf8: Whether the scraper takes names outside the legacy alphabet.
            timeout: Seconds it may take, waiting for other scrapes included.

        Raises:
            CollectionError: When nothing could be collected.
        """
        if not self._lock.acquire(timeout=timeout):
            raise CollectionError("metrics could not be collected: another scrape is still at it")
        try:
            try:
                collected = self._gather(timeout)
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise CollectionError(f"metrics could not be collected: {reason}") from error
            return self._translate(utf8 and self._utf8, collected)
        finally:
            self._lock.release()

    def _translate(self, utf8: bool, collected: MetricsData | None) -> list[Family]:  # noqa: FBT001
        if utf8 not in self._translators:
            self._translators[utf8] = self._make_translator(utf8)
        resource = self._resource()
        families: list[Family] = []
        # Each collection empties the SDK's exemplar reservoirs, so a translator that is not
        # asked this time has to see the exemplars nevertheless.
        for key, translator in self._translators.items():
            translated = translator.translate(collected, resource)
            if key == utf8:
                families = translated
        return families
