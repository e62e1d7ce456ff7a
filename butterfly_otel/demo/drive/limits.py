"""The memory each simulated node may use, which the alert on memory compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from butterfly_otel.catalog.telemetry import MEMORY_LIMIT_BYTES as LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import MeterProvider

    from butterfly_otel.demo.cluster import Cluster


def report_memory_limits(provider: MeterProvider, cluster: Cluster) -> None:
    """Report every simulated node's limit.

    It is no metric of the contract, so it has no handle, and a process reports its own alone:
    a meter of the demo's own stands in for the nodes' collectors.
    """

    def limits(_options: CallbackOptions) -> Iterator[Observation]:
        for node in cluster.world.nodes:
            if node.up:
                yield Observation(node.memory_limit, {"node_id": node.node_id})

    meter = provider.get_meter("butterfly_otel.demo")
    meter.create_observable_gauge(LIMIT.name, [limits], unit=LIMIT.unit, description=LIMIT.help)
