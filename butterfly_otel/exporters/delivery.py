"""What became of an export, in more words than the SDK has for it.

An SDK exporter says success or failure. A :class:`DetailedExporter` can say that a receiver
took a part, which must not be sent again, and why it did not take the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an export.

    Attributes:
        undelivered: What the receiver did not take and may be sent once more; None where it
            took everything.
        reason: Why something was not taken, in one line that has no secret in it.
        rejected: How many points a receiver refused of what it took otherwise (OTLP's partial
            success): these must not be sent again.
        refused: Whether what is undelivered was refused for what is in it, so that sending it
            again is unlikely to help.
    """

    undelivered: MetricsData | None = None
    reason: str = ""
    rejected: int = 0
    refused: bool = False

    @property
    def complete(self) -> bool:
        """Whether every point was taken."""
        return self.undelivered is None and not self.rejected


class DetailedExporter(MetricExporter):
    """An exporter that tells in full what became of an export.

    Attributes:
        takes_summaries: Whether it takes metrics whose data is a summary.
    """

    takes_summaries: ClassVar[bool] = False

    @abstractmethod
    def deliver(self, metrics_data: MetricsData) -> Delivery:
        """Export; never raises for what a receiver or the network does."""


def deliver(exporter: MetricExporter, data: MetricsData, timeout_millis: float) -> Delivery:
    """Export by any exporter, and tell what became of it.

    Raises:
        BaseException: Whatever the exporter raises.
    """
    if isinstance(exporter, DetailedExporter):
        return exporter.deliver(data)
    result = exporter.export(data, timeout_millis=timeout_millis)
    if result is MetricExportResult.SUCCESS:
        return Delivery()
    return Delivery(data, "the exporter reported failure")
