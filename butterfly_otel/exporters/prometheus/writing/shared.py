"""What a reader shows in place of its own metrics, where several processes are one node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import Metric


class Shown(NamedTuple):
    """What all processes have.

    Attributes:
        data: OpenTelemetry metrics.
        families: What the other collectors of their registries have.
    """

    data: MetricsData | None
    families: list[Metric]


class Showing(Protocol):
    """Gives it. Called for one scrape at a time.

    Attributes:
        resource: What the metrics are of: the node, whichever process is asked; None where the
            reader's own says that.
    """

    @property
    def resource(self) -> Resource | None:
        """See above."""
        ...

    def shown(self, timeout: float) -> Shown:
        """Return the metrics of all processes within so many seconds."""
        ...
