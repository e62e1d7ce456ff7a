"""What the tests of the demo share: a simulated cluster that is measured and collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import butterfly_otel
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.drive import Driver

Series = dict[frozenset[tuple[str, Any]], Any]


@dataclass
class Collected:
    """What one collection gave: name, then labels, then the data point."""

    metrics: dict[str, Series]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over the series that have these labels."""
        values: list[float] = [point.value for point in self.find(name, **labels)]
        return sum(values)

    def find(self, name: str, **labels: str) -> list[Any]:
        """Return the data points whose labels include these."""
        series = self.metrics.get(f"butterfly_{name}", {})
        return [point for key, point in series.items() if key >= labels.items()]


def _collect(reader: InMemoryMetricReader) -> Collected:
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, Series] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = metric.data.data_points
                found[metric.name] = {frozenset((p.attributes or {}).items()): p for p in points}
    return Collected(found)


def _drive(cluster: Cluster, seconds: int, every: int, **settings: Any) -> list[Collected]:
    reader, collected = InMemoryMetricReader(), list[Collected]()
    butterfly_otel.configure(
        node_id="demo",
        node_role="coordinator",
        exporter="none",
        metric_readers=[reader],
        zero_init=False,
        handle_signals=False,
        collectors="none",
        **settings,
    )
    driver = Driver(cluster)
    try:
        driver.start()
        for second in range(1, seconds + 1):
            driver.measure(cluster.advance())
            if second % every == 0:
                collected.append(_collect(reader))
    finally:
        driver.stop()
        butterfly_otel.shutdown()
    return collected


@pytest.fixture(scope="session")
def drive() -> Callable[..., list[Collected]]:
    """Simulate and measure so many seconds; return a collection each ``every`` seconds."""
    return _drive
