"""Capturing what code measures."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.catalog.model import Catalog
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
from butterfly_otel.lint.expositions.check import check_exposition
from butterfly_otel.runtime import lifecycle as runtime
from butterfly_otel.runtime.configure import Arguments, configure
from butterfly_otel.settings.spelling import refuse_unknown
from butterfly_otel.testing.isolation import isolated
from butterfly_otel.testing.selection import Wanted, of_metric, one, wanted
from butterfly_otel.testing.series import HistogramValue, series_of, violations_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from typing_extensions import Unpack

    from butterfly_otel.catalog.contracts import Contracts
    from butterfly_otel.lint.findings import Finding
    from butterfly_otel.runtime.lifecycle import Runtime
    from butterfly_otel.testing.clock import Clock
    from butterfly_otel.testing.selection import Target
    from butterfly_otel.testing.series import Series, Violation

#: pytest shows the test that asks, not what is in here.
__tracebackhide__ = True

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"

_current: Captured | None = None


class Captured:
    """What has been measured since a capture began; made by :func:`capture_metrics`.

    A metric is named by its name or by its handle (``metrics.requests_total``, or what its
    ``bind()`` returns). Of the labels only those have to be given that tell one series from
    another; those of this node, such as ``node_id``, mean this node. Each question collects
    anew, so it asks observation callbacks, too.

    Attributes:
        runtime: What ``configure()`` returned.
        clock: The clock that was given to the capture.
    """

    def __init__(
        self,
        running: Runtime,
        reader: InMemoryMetricReader,
        prometheus: PrometheusMetricReader,
        clock: Clock | None,
    ) -> None:
        self.runtime = running
        self.clock = clock
        self._reader = reader
        self._prometheus = prometheus
        self._marked: dict[object, Series] = {}

    def series(self, metric: Target | None = None, /, **labels: object) -> list[Series]:
        """Return every series of a metric that has these labels; of all metrics without one.

        Raises:
            CatalogError: When the contract has no such metric or label.
        """
        everything = self._collect()
        if metric is None:
            return everything
        asked = wanted(metric, labels, self.contracts)
        return [each for each in of_metric(asked.name, everything) if asked.matches(each)]

    def value(self, metric: Target, /, **labels: object) -> float | None:
        """Return the value of one series, None where there is no such series.

        Raises:
            CatalogError: When the contract has no such metric or label.
            AssertionError: When several series have these labels.
            TypeError: When it is a histogram; see :meth:`histogram`.
        """
        found = self.find(metric, **labels)
        return None if found is None else _plain(found)

    def total(self, metric: Target, /, **labels: object) -> float:
        """Return the sum over all series that have these labels, 0 where there are none."""
        return sum(_plain(each) for each in self.series(metric, **labels))

    def histogram(self, metric: Target, /, **labels: object) -> HistogramValue | None:
        """Return count, sum and buckets of one series, None where there is no such series.

        Raises:
            CatalogError, AssertionError: As :meth:`value` does.
            TypeError: When it is no histogram.
        """
        found = self.find(metric, **labels)
        return None if found is None else self._distribution(found)

    def find(self, metric: Target, /, **labels: object) -> Series | None:
        """Return one series, None where there is none; raises as :meth:`value` does."""
        asked = wanted(metric, labels, self.contracts)
        return one(asked, of_metric(asked.name, self._collect()), self.own, self.contracts)

    def mark(self) -> None:
        """Let :meth:`delta` and :meth:`histogram_delta` count from now on."""
        self._marked = {each.key: each for each in self._collect()}

    def delta(self, metric: Target, /, **labels: object) -> float:
        """Return by how much one series has changed since :meth:`mark`, or since the start.

        Where there is no such series, that is 0. Raises as :meth:`value` does.
        """
        found = self.find(metric, **labels)
        if found is None:
            return 0
        before = self._marked.get(found.key)
        return _plain(found) - (0 if before is None else _plain(before))

    def histogram_delta(self, metric: Target, /, **labels: object) -> HistogramValue:
        """Return what one series of a histogram recorded since :meth:`mark`, or the start."""
        found = self.find(metric, **labels)
        if found is None:
            return HistogramValue(0, 0.0, {})
        before = self._marked.get(found.key)
        now = self._distribution(found)
        return now if before is None else now.minus(self._distribution(before))

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Measurements that broke the contract; with ``strict=True`` they raised instead."""
        return violations_of(self._collect())

    def exposition(self, *, openmetrics: bool = False) -> str:
        """Return what a scrape would give now: text 0.0.4, or OpenMetrics 1.0."""
        accept = _OPENMETRICS if openmetrics else None
        return self._prometheus.render(accept)[1].decode("utf-8")

    def lint(self, *, openmetrics: bool = False) -> list[Finding]:
        """Return what ``butterfly-otel check`` would find in :meth:`exposition`."""
        return check_exposition(self.exposition(openmetrics=openmetrics))

    def asked(self, metric: Target, /, **labels: object) -> tuple[Wanted, list[Series]]:
        """Return what is asked for and all series of the metric, for an assertion to explain."""
        asked = wanted(metric, labels, self.contracts)
        return asked, of_metric(asked.name, self._collect())

    @property
    def contracts(self) -> Contracts:
        """The contracts in force, which know the metrics that are asked for by name."""
        return self.runtime.config.contracts

    @property
    def own(self) -> dict[str, str]:
        """What labels with a default have on this node, by the kind of default."""
        config = self.runtime.config
        return {"node_id": config.node_id, "node_role": config.node_role, "empty": ""}

    def _distribution(self, series: Series) -> HistogramValue:
        if not isinstance(series.value, HistogramValue):
            metric = self.contracts.get(series.metric)
            kind = "number" if metric is None else metric.type
            msg = f"{series.metric} is no histogram but a {kind}: ask for its value()"
            raise TypeError(msg)
        return series.value

    def _collect(self) -> list[Series]:
        # Also after a shutdown by the code under test: what was measured stays in the reader.
        return series_of(self._reader.get_metrics_data())


@contextmanager
def capture_metrics(
    *,
    clock: Clock | None = None,
    env: Mapping[str, str] | None = None,
    **settings: Unpack[Arguments],
) -> Generator[Captured, None, None]:
    """Configure butterfly-otel for the block, and capture what is measured in it.

    Nothing is exported or served, no thread is started, no signal handled. In the block the
    global meter provider of OpenTelemetry is ours. At its end everything is undone: the
    configuration, callbacks and memory pools registered meanwhile, the global meter provider,
    the environment. It works the same in a coroutine.

    Args:
        clock: A clock that is used for the block instead of the real one; one that runs already
            goes on.
        env: ``OTEL_…`` and ``BUTTERFLY_OTEL_…`` variables, instead of those from outside.
        settings: What :func:`butterfly_otel.configure` takes. By default ``node_id`` is ``node-1``,
            ``node_role`` is ``coordinator``, and ``strict`` is True, so that every measurement
            that breaks the contract raises; False mends and counts it, as production does
            (:attr:`Captured.violations`).

    Raises:
        TypeError: When there is no such setting.
        ConfigurationError: When something is captured or configured already (a process has one
            set of handles, so captures can't be nested or run in parallel threads), or a setting
            is wrong.
    """
    global _current  # noqa: PLW0603 - there is one capture at a time
    given = settings.get("catalogs")
    listed = given if isinstance(given, (list, tuple)) else ()
    handles = [each for owner in listed if isinstance(owner, Catalog) for each in owner.handles]
    with isolated(env or {}, handles), ExitStack() as stack:
        if clock is not None and not clock.running:
            stack.enter_context(clock)
        try:
            _current = _begin({**settings}, clock)
            yield _current
        finally:
            _current = None
            runtime.shutdown()


def current() -> Captured:
    """Return what is being captured.

    Raises:
        AssertionError: When nothing is.
    """
    if _current is None:
        raise AssertionError(
            "nothing is captured: use the fixture butterfly_metrics or capture_metrics,"
            " or `with capture_metrics():`"
        )
    return _current


def _begin(settings: dict[str, Any], clock: Clock | None) -> Captured:
    refuse_unknown("capture_metrics", settings, Arguments.__annotations__)
    defaults: dict[str, Any] = {
        "node_id": "node-1",
        "node_role": "coordinator",
        "strict": True,
        "exporter": "none",
        "collectors": "none",
        "zero_init": False,
        "handle_signals": False,
        "registry": CollectorRegistry(),
    }
    chosen = {**defaults, **settings}
    reader = InMemoryMetricReader()
    contracts = OURS

    def is_exact(scope: str, name: str) -> bool:
        # What contracts there are is known when it is configured.
        return contracts.is_exact(scope, name)

    # Where the caller wants an endpoint of its own, its registry has a collector of ours already.
    registry = chosen["registry"] if chosen["exporter"] == "none" else CollectorRegistry()
    prometheus = PrometheusMetricReader(
        verbatim=is_exact,
        registry=registry,
        scope_info_enabled=bool(chosen.get("scope_labels")),
        disable_target_info=chosen.get("target_info") is False,
    )
    readers = (*(chosen.pop("metric_readers", None) or ()), reader, prometheus)
    try:
        running = configure(**chosen, metric_readers=readers)
        contracts = running.config.contracts
    except BaseException:
        prometheus.shutdown()
        raise
    return Captured(running, reader, prometheus, clock)


def _plain(series: Series) -> float:
    if isinstance(series.value, HistogramValue):
        msg = f"{series.metric} is a histogram: ask for its histogram()"
        raise TypeError(msg)
    return series.value
