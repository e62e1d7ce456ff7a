"""The periodic reader behind every push exporter.

Unlike the SDK's, it survives whatever an export raises, keeps the deadlines it is given even
when the exporter doesn't, reports failure, and may be shut down twice.
"""

from __future__ import annotations

import logging
from _thread import start_new_thread
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - the SDK's own way
    attach,
    detach,
    set_value,
)
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricReader

from butterfly_otel.engine.sdk_internals import exporter_preferences
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

    #: Waits for so many seconds; returns whether what was begun succeeded by then.
    Wait = Callable[[float], bool]

_logger = logging.getLogger("butterfly_otel")


class PushMetricReader(MetricReader):
    """Collects and exports every ``interval`` seconds, and when flushed.

    All exporting happens on one background thread, so exports never run at once, and a
    caller that flushes waits for no longer than it said. Thread-safe; survives ``fork``.

    Args:
        exporter: Any SDK exporter; its temporality and aggregation preferences are kept.
        name: What the exporter is called in logs.
        address: Where it exports to, for logs; empty where that goes without saying.
        interval: Seconds between exports.
        timeout: Seconds one collection may take.
        on_export: Called after each export with whether it succeeded.

    Attributes:
        succeeded: Whether the last flush or shutdown that was waited for did.
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
    ) -> None:
        temporality, aggregation = exporter_preferences(exporter)
        super().__init__(preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._exporter = exporter
        self._name = name
        self._shown = f"{name} to {address}" if address else name
        self._interval = interval
        self._timeout = timeout
        self._on_export = on_export
        self._failing = False
        self.succeeded = True
        self._prepare()
        self._thread.start()
        call_in_child(self._restart)

    def _restart(self) -> None:
        """Go on in a forked child, unless it was over before."""
        if not self._stopping:
            self._prepare()
            # Thread.start() waits until it runs. Under gevent that would let the parent's greenlets
            # go on in the child, which may be about to become another program.
            start_new_thread(self._thread.start, ())

    def _prepare(self) -> None:
        self._state = Condition()
        self._asked = 0  # flushes asked for so far
        self._done = 0  # of these, how many a finished export has served
        self._succeeded = True  # whether the last export did
        self._stopping = False
        self._ended = False  # whether the last export is over
        self._thread = Thread(target=self._run, name=f"butterfly-otel-{self._name}", daemon=True)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Export now; return whether that succeeded within ``timeout_millis``."""
        return self.begin_force_flush()(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:  # noqa: ANN401
        """Export what is left and stop, within ``timeout_millis``; harmless when done twice."""
        self.begin_shutdown()(timeout_millis / 1000)

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
                self.succeeded = served and self._succeeded
                return self.succeeded

        return wait

    def begin_shutdown(self) -> Wait:
        """Begin to export what is left and stop; return what waits for that and cleans up."""
        with self._state:
            if self._stopping:
                return self._wait_for_end
            self._stopping = True
            self._state.notify_all()
        began = monotonic()

        def wait(seconds: float) -> bool:
            deadline = monotonic() + seconds
            succeeded = self._wait_for_end(seconds)
            if not self._ended:
                _logger.warning(
                    "the last export by %s did not end within %.1f s and was given up",
                    self._shown,
                    monotonic() - began,
                )
            else:
                self._thread.join(max(0.0, deadline - monotonic()))
            # Also wakes an exporter that sleeps between retries.
            left = max(0.0, deadline - monotonic())
            self._exporter.shutdown(timeout_millis=left * 1000)
            self.succeeded = succeeded
            return succeeded

        return wait

    def _wait_for_end(self, seconds: float) -> bool:
        """Return whether the last export succeeded within so many seconds."""
        with self._state:
            return self._state.wait_for(lambda: self._ended, seconds) and self._succeeded

    def _run(self) -> None:
        state, due = self._state, monotonic() + self._interval
        while True:
            with state:
                state.wait_for(
                    lambda: self._stopping or self._asked > self._done,
                    max(0.0, due - monotonic()),
                )
                stopping, asked = self._stopping, self._asked
            try:
                succeeded = self._export_once()
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

    def _export_once(self) -> bool:
        """Collect and export; return whether that succeeded. Never raises."""
        self._result: MetricExportResult | None = MetricExportResult.SUCCESS
        try:
            self.collect(timeout_millis=self._timeout * 1000)
        except BaseException as error:  # noqa: BLE001 - the thread must live on, whatever it is
            return self._note(succeeded=False, reason=repr(error))
        succeeded = self._result is MetricExportResult.SUCCESS
        return self._note(succeeded=succeeded, reason="the exporter reported failure")

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,
        **_kwargs: Any,  # noqa: ANN401
    ) -> None:
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003
        try:
            self._result = self._exporter.export(metrics_data, timeout_millis=timeout_millis)
        finally:
            detach(token)

    def _note(self, *, succeeded: bool, reason: str) -> bool:
        self._on_export(succeeded)
        if not succeeded and not self._failing:
            _logger.warning(
                "exporting metrics by %s failed: %s; further failures are only counted until"
                " an export succeeds",
                self._shown,
                reason,
            )
        elif succeeded and self._failing:
            _logger.warning("exporting metrics by %s works again", self._shown)
        self._failing = not succeeded
        return succeeded
