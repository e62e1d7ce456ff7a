"""The periodic reader behind every push exporter.

Unlike the SDK's, it survives whatever an export raises, keeps the deadlines it is given even
when the exporter doesn't, reports failure, adds deltas that did not arrive to the next export,
and may be shut down twice.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader

from butterfly_otel.engine.sdk_internals import SUPPRESS_KEY, exporter_preferences
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.carrying import Backlog
from butterfly_otel.exporters.delivery import Delivery, DetailedExporter, deliver
from butterfly_otel.exporters.outage import Outage
from butterfly_otel.exporters.producing.registering import register_producer
from butterfly_otel.process.contain import log_once
from butterfly_otel.process.forks import call_in_child
from butterfly_otel.process.threads import Condition, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

    from butterfly_otel.exporters.producing.registering import MetricProducer

    #: Waits for so many seconds; returns whether what was begun succeeded by then.
    Wait = Callable[[float], bool]
    #: Why points were given up; see ``butterfly_otel_rejected_points_total``.
    Loss = Literal["partial_success", "refused", "over_limit"]

_logger = logging.getLogger("butterfly_otel")
#: The reader whose thread this is. Not asked of the thread: gevent, where it replaces them later,
#: no longer knows those that there were before.
_exporting: ContextVar[PushMetricReader | None] = ContextVar("exporting", default=None)


class PushMetricReader(MetricReader):
    """Collects and exports every ``interval`` seconds, and when flushed.

    All exporting happens on one background thread, so exports never run at once, and a
    caller that flushes waits for no longer than it said. Thread-safe; survives ``fork``. What
    could not be exported and is a delta is kept for the next export (``carrying.backlog``
    says how much of it).

    Args:
        exporter: Any SDK exporter; its temporality and aggregation preferences are kept.
        name: What the exporter is called in logs.
        address: Where it exports to, for logs; empty where that goes without saying.
        interval: Seconds between exports.
        timeout: Seconds one collection may take.
        on_export: Called after each export with whether all of it arrived.
        on_loss: Called with a number of points that will not be sent again, and why.
        producers: What has more metrics to export.

    Attributes:
        takes_summaries: Whether the exporter takes summaries, which the SDK does not have.

    Raises:
        ConfigurationError: When ``interval`` or ``timeout`` is not a number above zero.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        *,
        name: str,
        address: str = "",
        interval: float,
        timeout: float,
        on_export: Callable[[bool], None] = lambda _succeeded: None,
        on_loss: Callable[[int, Loss], None] = lambda _points, _reason: None,
        producers: Iterable[MetricProducer] = (),
    ) -> None:
        if not (interval > 0 and timeout > 0):
            raise ConfigurationError(
                f"{interval=} and {timeout=} of a push reader must be above 0 s"
            )
        temporality, aggregation = exporter_preferences(exporter)
        super().__init__(preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._exporter = exporter
        self._name = name
        self._shown = f"{name} to {address}" if address else name
        self._interval = interval
        self._timeout = timeout
        self._on_export = on_export
        self._on_loss = on_loss
        self._outage = Outage(self._shown)
        delta = AggregationTemporality.DELTA in (temporality or {}).values()
        self._backlog = Backlog() if delta else None
        self._delivery: Delivery | None = None  # what became of the export that is going on
        self.takes_summaries = isinstance(exporter, DetailedExporter) and exporter.takes_summaries
        for producer in producers:
            register_producer(self, producer, summaries=self.takes_summaries)
        self._prepare()
        self._thread.start()
        call_in_child(self._restart)

    def _restart(self) -> None:
        """Go on in a forked child, unless it was over before."""
        if self._backlog is not None:
            self._backlog.clear()
        if not self._stopping:
            self._prepare()
            # Thread.start() waits until it runs. Under gevent that would let the parent's greenlets
            # go on in the child, which may be about to become another program.
            self._thread.start_soon()

    def _prepare(self) -> None:
        self._state = Condition()
        self._asked = 0  # flushes asked for so far
        self._done = 0  # of these, how many a finished export has served
        self._succeeded = True  # whether the last export did
        self._stopping = False
        self._collecting = False
        self._ended = False  # whether the last export is over
        self._thread = Thread(self._run, name=f"butterfly-otel-{self._name}")

    @property
    def outage(self) -> Outage:
        """What is known of exports that failed."""
        return self._outage

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Export now; return whether that succeeded within ``timeout_millis``."""
        return self.begin_force_flush()(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:  # noqa: ANN401
        """Export what is left and stop, within ``timeout_millis``; harmless when done twice."""
        self.begin_shutdown()(timeout_millis / 1000)

    def collect(self, timeout_millis: float = 10_000) -> None:  # type: ignore[misc]
        """Export as :meth:`force_flush` does, on its thread; nothing after :meth:`shutdown`."""
        if _exporting.get() is not self:
            self.force_flush(timeout_millis)
        elif not self._collecting:  # a callback that collects would do so without end
            self._collecting = True
            try:
                super().collect(timeout_millis)
            finally:
                self._collecting = False

    def callback_failed(self, name: str, error: BaseException) -> None:
        """Leave out what an instrument's callbacks would have observed: it costs no other."""
        log_once(f"a callback of {name} raised {error!r}; its observations are left out")

    def begin_force_flush(self) -> Wait:
        """Begin to export; return what waits for that, as :meth:`force_flush` does.

        So that several readers can export at once, and none waits for another's receiver.
        """
        with self._state:
            if self._stopping:
                return lambda _seconds: False
            self._asked += 1
            ticket = self._asked
            self._state.notify_all()

        def wait(seconds: float) -> bool:
            with self._state:
                served = self._state.wait_for(lambda: self._done >= ticket, seconds)
                return served and self._succeeded

        return wait

    def begin_shutdown(self) -> Wait:
        """Begin to export what is left and stop; return what waits for that and cleans up."""
        with self._state:
            if self._stopping:
                return self._wait_for_the_end
            self._stopping = True
            self._state.notify_all()
        began = monotonic()

        def wait(seconds: float) -> bool:
            deadline = monotonic() + seconds
            succeeded = self._wait_for_the_end(seconds)
            if not self._ended:
                self._succeeded = False
                _logger.warning(
                    "the last export by %s did not end within %.1f s and was given up",
                    self._shown,
                    monotonic() - began,
                )
            else:
                self._thread.join(max(0.0, deadline - monotonic()))
            return self._close(max(0.0, deadline - monotonic())) and succeeded

        return wait

    def _close(self, seconds: float) -> bool:
        """Shut the exporter down, also one that sleeps; return whether all has gone well."""
        try:
            self._exporter.shutdown(timeout_millis=seconds * 1000)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):  # of who shuts down, not of the exporter
                raise
            _logger.warning("the exporter of %s could not be shut down: %r", self._shown, error)
            self._succeeded = False
        return self._succeeded

    def _wait_for_the_end(self, seconds: float) -> bool:
        """Return whether the last export succeeded within so many seconds."""
        with self._state:
            return self._state.wait_for(lambda: self._ended, seconds) and self._succeeded

    @property
    def succeeded(self) -> bool:
        """Whether all of the last export arrived, in time; True before the first."""
        return self._succeeded

    def _run(self) -> None:
        _exporting.set(self)
        state, due = self._state, monotonic() + self._interval
        while True:
            with state:
                state.wait_for(
                    lambda: self._stopping or self._asked > self._done,
                    max(0.0, due - monotonic()),
                )
                stopping, asked = self._stopping, self._asked
            try:
                succeeded = self._export_once(flush=asked > self._done)
            except BaseException:
                # Such as a callback's SystemExit, or what a user's own part of it raises.
                _logger.exception("exporting metrics by %s failed", self._shown)
                succeeded = False
            with state:
                # The last export serves whoever asked while it ran: there is no other.
                self._succeeded, self._done = succeeded, self._asked if stopping else asked
                self._ended = stopping
                state.notify_all()
            if stopping:
                return
            due = max(due + self._interval, monotonic()) if monotonic() >= due else due

    def _export_once(self, *, flush: bool) -> bool:
        """Collect and export; return whether all of it arrived. Never raises."""
        self._delivery = None
        try:
            self.collect(timeout_millis=self._timeout * 1000)
            self._deliver_the_rest()
            flushed = not flush or self._exporter.force_flush(self._timeout * 1000) is not False
        except BaseException as error:  # noqa: BLE001 - the thread must live on
            return self._note(succeeded=False, reason=repr(error))
        delivery = self._outcome()
        if delivery.undelivered is not None:
            return self._note(succeeded=False, reason=delivery.reason)
        if not flushed:
            return self._note(succeeded=False, reason="the exporter could not be flushed")
        return self._note(succeeded=True, complete=delivery.complete)

    def _outcome(self) -> Delivery:
        """Return what became of the export; where nothing was measured all has arrived."""
        return self._delivery or Delivery()

    def _deliver_the_rest(self) -> None:
        """Export what did not arrive before, where nothing new was collected to go with it."""
        waiting = self._backlog is not None and not self._backlog.is_empty
        if self._delivery is None and waiting:
            self._deliver(None, self._timeout * 1000)

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,
        **_kwargs: Any,  # noqa: ANN401
    ) -> None:
        self._deliver(metrics_data, timeout_millis)

    def _deliver(self, data: MetricsData | None, timeout_millis: float) -> None:
        """Export what was collected, if anything, and what did not arrive before."""
        backlog = self._backlog
        whole = data if backlog is None else backlog.with_new(data)
        if whole is None:
            return
        token = attach(set_value(SUPPRESS_KEY, True))  # noqa: FBT003
        delivery = Delivery(whole, "")
        try:
            delivery = self._delivery = deliver(self._exporter, whole, timeout_millis)
        finally:
            detach(token)
            self._settle(delivery)

    def _settle(self, delivery: Delivery) -> None:
        if delivery.rejected:
            self._on_loss(delivery.rejected, "partial_success")
            if delivery.undelivered is None:
                self._outage.rejected(delivery.rejected, delivery.reason)
        if self._backlog is None:
            return
        refused, beyond = self._backlog.settle(delivery)
        if refused:
            _logger.warning(
                "exporting metrics by %s: %d points were given up, because the receiver has"
                " refused them again and again: %s",
                self._shown,
                refused,
                delivery.reason,
            )
            self._on_loss(refused, "refused")
        if beyond:
            self._on_loss(beyond, "over_limit")

    def _note(self, *, succeeded: bool, complete: bool = True, reason: str = "") -> bool:
        self._on_export(succeeded and complete)
        if succeeded:
            self._outage.succeeded()
        else:
            self._outage.failed(reason)
        return succeeded and complete
