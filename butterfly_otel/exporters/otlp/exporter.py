"""What exporting by OTLP is, whichever way the bytes go.

Neither of ours derives from the official exporter for its protocol. Those take a redirect or a
log-in page for a delivered export, do not look at what a receiver rejects, read an answer of any
length for any time, log each retry with the URL and its password in it, and have each of
these in private places that move from release to release. What is left of them, once all that
is replaced, is less than what follows. The message is theirs (``wire``).
"""

from __future__ import annotations

import logging
from random import uniform
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from butterfly_otel.exporters.delivery import Delivery, DetailedExporter
from butterfly_otel.exporters.otlp import internals
from butterfly_otel.exporters.otlp.answers import Answer
from butterfly_otel.exporters.otlp_wire import MetricsEncoder
from butterfly_otel.exporters.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality
    from opentelemetry.sdk.metrics.view import Aggregation

    from butterfly_otel.exporters.otlp_wire import Batch

_logger = logging.getLogger("butterfly_otel")

#: As in the official exporters.
_MOST_ATTEMPTS = 6
_MOST_BYTES = 64 << 20
_SHUT_DOWN = "the exporter is shut down"


class Sender(Protocol):
    """What takes a request to a receiver; used by one thread, but for ``close()``.

    Attributes:
        shown: Where it sends to, as logs may show it.
    """

    shown: str

    def pack(self, body: bytes) -> bytes:
        """Return what is sent for a request, at each attempt."""
        ...

    def send(self, packed: bytes, deadline: float) -> Answer:
        """Send it, once, until a time of ``time.monotonic()``; never raises."""
        ...

    def close(self) -> None:
        """End what is going on, whichever thread does it, and send nothing any more."""
        ...


class OtlpExporter(DetailedExporter):
    """Exports by OTLP; what :class:`HttpExporter` and :class:`GrpcExporter` have in common.

    As the SDK demands, ``export()`` is not called again while it runs. ``shutdown()`` may be
    called by any thread, at any time, and ends an export that is going on.

    Args:
        sender: What takes requests to the receiver.
        kind: Which exporter it is, for metrics about exporters.
        timeout: Seconds each request may take, with all its retries.
        preferred_temporality: As in the SDK.
        preferred_aggregation: As in the SDK.
        max_export_batch_size: Points of one request; an export of more goes in several. None
            for any number.
        max_request_size: Bytes of one request, before compression; a longer one is not sent.
        meter_provider: Where metrics about exporters go, if they are switched on.
    """

    takes_summaries: ClassVar[bool] = True

    def __init__(
        self,
        sender: Sender,
        kind: internals.Kind,
        *,
        timeout: float = 10.0,
        preferred_temporality: dict[type, AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, Aggregation] | None = None,
        max_export_batch_size: int | None = None,
        max_request_size: int = _MOST_BYTES,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        super().__init__(preferred_temporality, preferred_aggregation)
        self._sender = sender
        self._kind: internals.Kind = kind
        self._timeout = timeout
        self._batch_size = max_export_batch_size
        self._request_size = max_request_size
        self._encoder = MetricsEncoder()
        self._outage = Outage(f"otlp to {sender.shown}")
        self._over = Event()
        self.set_meter_provider(meter_provider)

    def set_meter_provider(self, meter_provider: MeterProvider | None) -> None:
        """Let metrics about exporters, if they are switched on, go there."""
        self._watched = internals.watch(self._kind, self._sender.shown, meter_provider)

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - nor do the official ones use it
        **_kwargs: Any,  # noqa: ANN401 - as in the SDK
    ) -> MetricExportResult:
        """Export; a failure is logged, once an outage, and so are points that are rejected.

        Returns:
            Success also where the receiver rejected some points: OTLP forbids to send these
            again. :meth:`deliver` tells both apart.
        """
        delivery = self.deliver(metrics_data)
        if delivery.undelivered is not None:
            self._outage.failed(delivery.reason)
            return MetricExportResult.FAILURE
        self._outage.succeeded()
        if delivery.rejected:
            self._outage.rejected(delivery.rejected, delivery.reason)
        return MetricExportResult.SUCCESS

    def deliver(self, metrics_data: MetricsData) -> Delivery:
        """Export in as many requests as it takes, and tell in full what became of them.

        One that is refused doesn't keep the others from arriving. But where failures have taken
        as long as one request may, nobody is there, and waiting again for each of the others
        would help no one.
        """
        if self._over.is_set():
            return Delivery(metrics_data, _SHUT_DOWN)
        deadline = monotonic() + self._timeout
        failed: list[Answer] = []
        undelivered: list[MetricsData] = []
        rejected, reason = 0, ""
        for batch in self._encoder.batches(metrics_data, self._batch_size):
            given_up = bool(failed) and (monotonic() >= deadline or self._over.is_set())
            answer = failed[-1] if given_up else self._deliver_one(batch)
            if not answer.delivered:
                failed.append(answer)
                undelivered.append(batch.data)
            elif answer.rejected:
                rejected, reason = rejected + answer.rejected, reason or answer.reason
            elif answer.reason:
                self._outage.warned(answer.reason)
        if not failed:
            return Delivery(reason=reason, rejected=rejected)
        return Delivery(
            _joined(undelivered),
            failed[0].reason,
            rejected,
            refused=all(answer.refused for answer in failed),
        )

    def _deliver_one(self, batch: Batch) -> Answer:
        with self._watched.export_operation(batch.points) as outcome:
            answer = self._send(batch)
            if not answer.delivered:
                outcome.error = ConnectionError(answer.reason)
            return answer

    def _send(self, batch: Batch) -> Answer:
        """Send one request, again where that may help and there is time."""
        if 0 < self._request_size < len(batch.body):
            return Answer(
                delivered=False,
                reason=f"a request of {len(batch.body)} bytes exceeds max_request_size"
                f" {self._request_size}; lower max_export_batch_size",
                refused=True,
            )
        deadline = monotonic() + self._timeout
        packed = self._sender.pack(batch.body)
        answer = self._sender.send(packed, deadline)
        for attempt in range(_MOST_ATTEMPTS - 1):
            if answer.delivered or not answer.retry:
                break
            wait = answer.wait
            if wait is None:
                wait = 2**attempt * uniform(0.8, 1.2)  # noqa: S311 - not a secret
            if wait > deadline - monotonic() or self._over.wait(wait):
                break
            answer = self._sender.send(packed, deadline)
        return answer

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        """Nothing is kept here, so there is nothing to do."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:  # noqa: ANN401, ARG002
        """End whatever export is going on, and export nothing any more."""
        self._over.set()
        self._sender.close()


def _joined(parts: Iterable[MetricsData]) -> MetricsData:
    return MetricsData([resource for part in parts for resource in part.resource_metrics])
