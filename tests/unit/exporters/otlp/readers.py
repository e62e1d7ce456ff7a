"""A reader that hands over what it collects."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics.export import MetricReader, MetricsData


class Keeping(MetricReader):
    """Keeps its last collection, all of it: also resource and scope."""

    _data = MetricsData([])

    def fetch(self) -> MetricsData:
        """Collect."""
        self.collect()
        return self._data

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> None:
        del timeout_millis
        self._data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """There is nothing to shut down."""
