"""Sending what was collected in as many requests as it takes.

A receiver refuses a request that is too large, by gRPC one of more than 4 MiB: without batches,
a process with very many series would not get a single one of them through.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import MetricExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from butterfly_otel.exporters.otlp.wire import Batch


def send_each(
    batches: Iterable[Batch], send: Callable[[Batch], MetricExportResult], timeout: float
) -> MetricExportResult:
    """Send batches one after the other; return whether all of them arrived.

    One that is refused doesn't keep the others from arriving. But where failures have taken as
    long as one export may, nobody is there, and waiting again for each batch would help no one.

    Args:
        batches: What to send.
        send: Sends one, with retries.
        timeout: Seconds one export may take.
    """
    deadline = monotonic() + timeout
    result = MetricExportResult.SUCCESS
    for batch in batches:
        if send(batch) is not MetricExportResult.SUCCESS:
            result = MetricExportResult.FAILURE
            if monotonic() >= deadline:
                break
    return result
