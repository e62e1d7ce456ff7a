"""A real Prometheus over a node of several processes that are ended all the time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.serving.conftest import needed  # noqa: F401 - a fixture
from tests.serving.test_shared import REQUESTS, Node

from .processes import wait_until
from .servers import HOST, Prometheus, Scrape

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]
#: Longer than the run.
RANGE = "1h"


def test_prometheus_sees_one_node_whatever_becomes_of_its_workers(
    prometheus3: Path,
    tmp_path: Path,
    needed: Callable[..., None],  # noqa: F811 - the fixture
) -> None:
    """Under load, with a worker ended every second: no reset, no failed scrape, every request."""
    needed("gunicorn")
    folder = tmp_path / "node"
    folder.mkdir()
    with Node("gthread", folder) as node:
        node.wait_for(60)
        scrape = Scrape([f"{HOST}:{node.metrics}"])
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            # Once it is up: before, the workers may have started just now.
            wait_until(lambda: prometheus.query(f"{REQUESTS} > 0"), 60, "the first scrape")
            for each in (signal.SIGTERM, signal.SIGTERM, signal.SIGTERM):
                before = node.answered
                node.end_one(each)
                node.wait_for(before + 60)
            answered = node.rest()
            wait_until(
                lambda: sum(each.value for each in prometheus.query(REQUESTS)) >= answered,
                60,
                "every request in Prometheus",
            )
            # A scrape later nothing has changed.
            time.sleep(2)
            [total] = prometheus.query(f"sum({REQUESTS})")
            assert total.value == answered
            [up] = prometheus.query(f"min_over_time(up[{RANGE}])")
            assert up.value == 1
            assert all(not each.value for each in prometheus.query(f"resets({REQUESTS}[{RANGE}])"))
            [first] = prometheus.query(f"sum(min_over_time({REQUESTS}[{RANGE}]))")
            [grown] = prometheus.query(f"sum(increase({REQUESTS}[{RANGE}]))")
            # It extrapolates to the ends of its range by half a scrape.
            assert grown.value == pytest.approx(answered - first.value, rel=0.2)
            assert len(prometheus.series("target_info")) == 1
