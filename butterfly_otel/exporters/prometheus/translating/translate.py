"""OpenTelemetry metrics to Prometheus families.

Source of the rules: the OpenTelemetry specification, "Prometheus and OpenMetrics
Compatibility", section "OTLP Metric points to Prometheus".
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    Histogram,
    NumberDataPoint,
)

from butterfly_otel.exporters.prometheus.model.families import Family
from butterfly_otel.exporters.prometheus.model.labels import join_labels
from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.model.series import Series
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.translating.directory import (
    TARGET_HELP,
    TARGET_INFO,
    Directory,
)
from butterfly_otel.exporters.prometheus.translating.merging import Merger, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.metrics.export import Metric, MetricsData
    from opentelemetry.sdk.resources import Resource

    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.names import MetricKind
    from butterfly_otel.exporters.prometheus.translating.directory import Scope, Verbatim
    from butterfly_otel.exporters.prometheus.translating.streams import Data, Point, Stream


class Translator:
    """Turns each collection into families and remembers what repeats between them.

    Args:
        naming: How metrics and labels are named.
        verbatim: Which ``(scope name, metric name)`` keep their OpenTelemetry name exactly
            and carry neither scope labels nor ``_created``; asked once a metric.
        scope_labels: Whether the other metrics carry ``otel_scope_*`` labels.
        resource_labels: Which resource attributes, by their original key, every metric
            carries as labels, the verbatim ones too; none by default.
        target_info: Whether ``target_info`` is exposed.
        created: Whether OpenMetrics shows ``_created`` of the metrics that aren't verbatim.
        problems: Where what is left out is reported.

    Not thread-safe. Memory is bounded by the series of the last collection.
    """

    def __init__(
        self,
        naming: Naming | None = None,
        *,
        verbatim: Verbatim | None = None,
        scope_labels: bool = True,
        resource_labels: Callable[[str], bool] | None = None,
        target_info: bool = True,
        created: bool = False,
        problems: Problems | None = None,
    ) -> None:
        self._naming = naming or Naming()
        self._target_info = target_info
        self._problems = problems or Problems()
        self._directory = Directory(
            self._naming,
            verbatim=verbatim,
            scope_labels=scope_labels,
            resource_labels=resource_labels,
            created=created,
            problems=self._problems,
        )
        self._merger = Merger(self._problems)
        self._resource: Resource | None = None
        self._target: Family | None = None

    def translate(
        self,
        metrics_data: MetricsData | None,
        resource: Resource | None = None,
        *,
        natives: bool = False,
    ) -> list[Family]:
        """Return the families of one collection; never raises on what it holds.

        Args:
            metrics_data: What was collected; None where there is nothing yet.
            resource: The provider's resource; by default that of ``metrics_data``.
            natives: Whether the format has exponential histograms. Where it has none, their
                names and exemplars are kept nevertheless, for a scraper whose format has.
        """
        if resource is None and metrics_data is not None and metrics_data.resource_metrics:
            resource = metrics_data.resource_metrics[0].resource
        self._follow(resource)
        found = list(self._streams_of(metrics_data)) if metrics_data is not None else []
        self._directory.settle({stream for stream, _ in found})
        self._merger.begin()
        by_name: dict[str, list[tuple[Stream, Data]]] = {}
        for stream, data in found:
            if stream.kind == "exponential" and not natives:
                self._leave_out(stream, data)
            elif stream.accepted:
                by_name.setdefault(stream.name, []).append((stream, data))
        exposed = [self._family(members) for members in by_name.values()]
        families = [family for family in exposed if not family.empty]
        return [self._target, *families] if self._target is not None else families

    def _follow(self, resource: Resource | None) -> None:
        """Start anew when the resource is another one, as it is after a fork."""
        if resource is self._resource:
            return
        if self._resource is None or resource != self._resource:
            self._target = self._target_family(resource)
            self._directory.restart(resource, has_target=self._target is not None)
        self._resource = resource

    def _target_family(self, resource: Resource | None) -> Family | None:
        if not self._target_info or resource is None or not resource.attributes:
            return None
        labels = join_labels((), resource.attributes, self._naming, histogram=False)
        point = NumberDataPoint({}, 0, 0, 1)
        series = Series(TARGET_INFO, labels)
        return Family(TARGET_INFO, "info", TARGET_HELP, "", series=[series], points=[point])

    def _streams_of(self, metrics_data: MetricsData) -> Iterator[tuple[Stream, Data]]:
        for resource_metrics in metrics_data.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                scope = self._directory.scope(scope_metrics.scope)
                for metric in scope_metrics.metrics:
                    found = self._stream_of(scope, metric)
                    if found is not None:
                        yield found

    def _leave_out(self, stream: Stream, data: Data) -> None:
        """Report an exponential histogram where the format has none, and keep its exemplars."""
        self._problems.report(
            "exponential_histogram",
            stream.name,
            "Metric %s is not exposed as text, which has no exponential histograms: let Prometheus"
            " scrape native ones (scrape_native_histograms), or give it boundaries by a View",
        )
        self._series(stream, data)

    def _stream_of(self, scope: Scope, metric: Metric) -> tuple[Stream, Data] | None:
        data = metric.data
        if _is_delta(data):
            self._problems.report(
                "delta_temporality",
                clean(metric.name),
                "Metric %s is not exposed: its temporality is delta, Prometheus' cumulative",
            )
            return None
        try:
            return self._directory.stream(scope, metric, _kind(data)), data
        except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
            self._report_broken(metric.name, error)
            return None

    def _family(self, members: list[tuple[Stream, Data]]) -> Family:
        """Return the family of all streams that have one name, the first of which leads."""
        first = members[0][0]
        help_text, unit = self._directory.comments(first)
        family = Family(first.name, first.type, help_text, unit, created=first.created)
        family.exact = first.exact
        if len(members) == 1:
            family.block = self._block(*members[0])
            if family.block is not None:
                return family
        pieces: list[Piece] = []
        for stream, data in members:
            series, points = self._series(stream, data)
            if len(members) == 1 and stream.distinct:
                return family.of(series, points)
            pieces += map(Piece, repeat(stream), series, points)
        return family.of(*self._merger.merge(pieces))

    def _block(self, stream: Stream, data: Data) -> Block | None:
        try:
            return stream.block_of(data)
        except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
            self._report_broken(stream.name, error)
            return None

    def _series(self, stream: Stream, data: Data) -> tuple[list[Series], list[Point]]:
        try:
            return stream.series_of(data, self._problems)
        except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
            self._report_broken(stream.name, error)
            return [], []

    def _report_broken(self, name: str, error: Exception) -> None:
        self._problems.omit(
            "broken_metric",
            clean(name),
            "Metric %s is not exposed: it could not be translated (%s)",
            type(error).__name__,
        )


def _is_delta(data: Data) -> bool:
    if isinstance(data, Gauge):
        return False
    return data.aggregation_temporality != AggregationTemporality.CUMULATIVE


def _kind(data: Data) -> MetricKind:
    if isinstance(data, Gauge):
        return "gauge"
    if isinstance(data, Histogram):
        return "histogram"
    if isinstance(data, ExponentialHistogram):
        return "exponential"
    return "counter" if data.is_monotonic else "up_down_counter"


def translate(
    metrics_data: MetricsData | None,
    *,
    verbatim: Verbatim | None = None,
    naming: Naming | None = None,
    scope_labels: bool = True,
    resource_labels: Callable[[str], bool] | None = None,
    target_info: bool = True,
    resource: Resource | None = None,
    problems: Problems | None = None,
) -> list[Family]:
    """Return the families of one collection, remembering nothing; see :class:`Translator`."""
    translator = Translator(
        naming,
        verbatim=verbatim,
        scope_labels=scope_labels,
        resource_labels=resource_labels,
        target_info=target_info,
        problems=problems,
    )
    return translator.translate(metrics_data, resource)
