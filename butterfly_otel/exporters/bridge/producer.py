"""The metric producer over a registry of prometheus_client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import ScopeMetrics
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import REGISTRY

from butterfly_otel.exporters.bridge.families import metrics_of
from butterfly_otel.exporters.bridge.series import SeriesBook
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.translating.directory import TARGET_INFO
from butterfly_otel.exporters.prometheus.writing.asking import Asker
from butterfly_otel.exporters.prometheus.writing.collector import FamilyCollector
from butterfly_otel.exporters.prometheus.writing.combining import Found, combined, whole
from butterfly_otel.exporters.prometheus.writing.foreign import metric_claims
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.exporters.prometheus.writing.others import ask_others
from butterfly_otel.process import forks, timing
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry, Metric

    from butterfly_otel.exporters.producing.model import PrometheusMetric
    from butterfly_otel.exporters.prometheus.model.problems import Omission, ProblemKind
    from butterfly_otel.exporters.prometheus.writing.combining import Group

_SCOPE: Final = InstrumentationScope("butterfly_otel.exporters.bridge", __version__)
#: Where the collectors of the official exporter are, whose metrics are OpenTelemetry's.
_OFFICIAL: Final = "opentelemetry.exporter.prometheus"


class PrometheusMetricProducer:
    """Has what a registry of prometheus_client has, as OpenTelemetry metrics.

    Custom collectors are asked as at a scrape: one that raises or hangs costs its own metrics
    alone, is logged once and counted. Collectors through which OpenTelemetry's metrics are scraped
    are not asked: those metrics have readers of their own. Nor is ``target_info`` exported, which
    says what a resource does.

    Metrics are cumulative and have the names that a scrape shows. Thread-safe; survives ``fork``.

    Args:
        registry: Whose metrics; by default prometheus_client's global one.
        timeout: Seconds that collectors may take at most: an export, the last one of a process
            above all, must not wait for one that hangs.
        reserved: Which names a metric must not have; by default none.
        on_problem: Called once for each metric or series that can't be exported, with the kind of
            the problem and the name. It must neither block nor raise.
        on_omission: Called each time something is missing that another collection may have.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        timeout: float = 3.0,
        reserved: Callable[[str], bool] = lambda _name: False,
        on_problem: Callable[[ProblemKind, str], None] | None = None,
        on_omission: Callable[[Omission], None] | None = None,
    ) -> None:
        self._registry = registry
        self._timeout = timeout
        self._reserved = reserved
        self._problems = Problems(on_problem, on_omission)
        self._asker = Asker()
        self._book = SeriesBook()
        self._lock = forks.lock()

    @property
    def problems(self) -> dict[ProblemKind, int]:
        """How many distinct problems of each kind kept something from being exported."""
        return self._problems.counts

    @property
    def omissions(self) -> dict[Omission, int]:
        """How many times something was missing that another collection may have, by reason."""
        return self._problems.omissions

    def produce(self, timeout_millis: float = 10_000) -> list[ScopeMetrics]:
        """Return all metrics, in a scope of their own; no scope where there are none.

        Args:
            timeout_millis: Milliseconds it may take, if that is less than collectors have anyway.
                Those that have not answered then are left out, and counted.
        """
        seconds = min(self._timeout, timeout_millis / 1000)
        found = ask_others(self._registry, _is_foreign, self._asker, self._problems, seconds)
        return self.convert((origin, each) for origin, some in found for each in some)

    def convert(self, families: Iterable[tuple[object, Metric]]) -> list[ScopeMetrics]:
        """Return families of prometheus_client as metrics, likewise.

        Args:
            families: Each with the collector that it is from.
        """
        with self._lock:
            now = timing.time_ns()
            self._book.begin()
            metrics = [
                metric
                for group in combined(self._admitted(families), self._problems)
                for metric in self._metrics(group, now)
            ]
        return [ScopeMetrics(_SCOPE, metrics, "")] if metrics else []

    def _admitted(self, families: Iterable[tuple[object, Metric]]) -> list[Found]:
        found: list[Found] = []
        for origin, family in families:
            try:
                # Also where a registry does not tell its collectors, and is asked as a whole.
                if isinstance(family, FamilyMetric) or not self._is_admitted(metric_claims(family)):
                    continue
                found.append(Found(origin, origin, family))
            except Exception as error:  # noqa: BLE001 - somebody else's metric
                self._broken(str(getattr(family, "name", family)), error)
        return found

    def _is_admitted(self, claims: set[str]) -> bool:
        if TARGET_INFO in claims:
            return False
        taken = sorted(filter(self._reserved, claims))
        for name in taken:
            self._problems.report(
                "name_clash", clean(name), "Metric %s is not exported: its name is taken"
            )
        return not taken

    def _metrics(self, group: Group, now: int) -> list[PrometheusMetric]:
        try:
            family: Any = whole(group, self._problems)
            made = metrics_of(family, self._book, now, self._left_out)
        except Exception as error:  # noqa: BLE001 - one metric must not cost the others
            self._broken(group.name, error)
            return []
        return [each for each in made if each.data.data_points]

    def _left_out(self, name: str, error: ValueError) -> None:
        self._problems.omit(
            "broken_metric", clean(name), "A series of %s is not exported: %s", str(error)
        )

    def _broken(self, name: str, error: Exception) -> None:
        self._problems.omit(
            "broken_metric",
            clean(name),
            "Metric %s is not exported: it could not be read (%s)",
            type(error).__name__,
        )


def _is_foreign(collector: object) -> bool:
    """Tell whether a collector's metrics are prometheus_client's, not OpenTelemetry's."""
    if isinstance(collector, FamilyCollector):
        return False
    return not any(kind.__module__.startswith(_OFFICIAL) for kind in type(collector).__mro__)
