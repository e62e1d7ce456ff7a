"""Hardware of this machine, from its kernel to a real Prometheus, with a source that hangs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.collectors import Reading

from .servers import Prometheus, Scrape, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/stat"),
]


class Stuck:
    """A source that answers until it is told to hang."""

    name = "stuck"
    metrics = ("butterfly_gpu_temperature_celsius",)
    interval = 0.2
    deadline = 0.3

    def __init__(self) -> None:
        self.going = Event()
        self.going.set()

    def open(self) -> None:
        """Do nothing."""

    def read(self) -> list[Reading]:
        """Return one temperature, or hang."""
        self.going.wait()
        return [Reading(self.metrics[0], 60, {"gpu_id": "0"})]

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Return a source whose thread ends with the test."""
    source = Stuck()
    yield source
    source.going.set()


def test_a_hanging_source_costs_its_own_series_and_nothing_else(
    prometheus3: Path, tmp_path: Path, stuck: Stuck
) -> None:
    """Prometheus goes on scraping, sees the one collector down and its series end."""
    runtime = butterfly_otel.configure(
        node_id="compute-node-1",
        node_role="compute",
        prometheus_host="127.0.0.1",
        prometheus_port=0,
        registry=CollectorRegistry(),
        handle_signals=False,
        collectors=["cpu", stuck],
        sampling_interval=0.2,
    )
    target = str(runtime.prometheus_url).removeprefix("http://").removesuffix("/metrics")
    with Prometheus(prometheus3, tmp_path, scrapes=[Scrape([target])]) as prometheus:

        def holds(expression: str) -> bool:
            return prometheus.query(expression) != []

        def wait(expression: str) -> None:
            wait_until(lambda: holds(expression), 30, expression)

        wait("butterfly_gpu_temperature_celsius == 60")
        wait("butterfly_cpu_usage_ratio >= 0 and butterfly_cpu_usage_ratio <= 1")
        stuck.going.clear()
        wait('butterfly_otel_collector_up{collector="stuck"} == 0')
        wait('butterfly_otel_collector_errors_total{reason="timeout"} == 1')
        wait("absent(butterfly_gpu_temperature_celsius)")
        assert holds('butterfly_otel_collector_up{collector="cpu"} == 1')
        assert holds("butterfly_cpu_usage_ratio")
        assert not holds("min_over_time(up[1m]) == 0")
        stuck.going.set()
        wait("butterfly_gpu_temperature_celsius == 60")
        wait('butterfly_otel_collector_up{collector="stuck"} == 1')
