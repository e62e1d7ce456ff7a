"""The simulated cluster as a browser shows it; `SCREENSHOTS=1` keeps the pictures for the docs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.drive import Driver
from butterfly_otel.exporters.prometheus import serve
from butterfly_otel.page import page_site, state
from butterfly_otel.process import timing
from butterfly_otel.runtime.looked_at import LookedAt

if TYPE_CHECKING:
    from .watched import Watched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
# Read before tests are given an environment of their own.
_KEEP = os.environ.get("SCREENSHOTS") == "1"
_IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
_LARGEST = 200_000
_SECONDS_A_POLL = 2
_BEFORE = 390 if _KEEP else 60
_POLLS = 150 if _KEEP else 12


class _Simulated:
    """A simulated cluster whose time goes by when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        self.runtime = butterfly_otel.configure(
            node_id="demo",
            node_role="coordinator",
            service_name="butterfly-demo",
            exporter="prometheus",
            prometheus_server=False,
            registry=CollectorRegistry(),
            zero_init=False,
            handle_signals=False,
        )
        self.cluster = Cluster(seed=7)
        self.driver = Driver(self.cluster, every=1)
        self.driver.start()
        self.advance(_BEFORE)
        pipeline = self.runtime._pipeline
        assert pipeline is not None
        assert pipeline.prometheus is not None
        # It began as long ago as the simulation says.
        began = timing.monotonic() - self.cluster.clock
        looked_at = LookedAt(self.runtime.config, pipeline, lambda: None, began)
        site = page_site(pipeline.prometheus, looked_at.facts, pipeline.streams, reuse=0)
        self.server = serve(pipeline.prometheus, "localhost", 0, site=site)
        clock = {name: getattr(time, name) for name in ("monotonic", "thread_time")}
        shifted = SimpleNamespace(**clock, time=lambda: time.time() + self.ahead)
        monkeypatch.setattr(state, "time", shifted)

    def advance(self, seconds: float) -> None:
        end = self.cluster.clock + seconds
        while self.cluster.clock < end:
            self.driver.measure(self.cluster.advance())


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Simulated]:
    """A simulated cluster that has run for some minutes."""
    made = _Simulated(monkeypatch)
    yield made
    made.server.close()
    made.driver.stop()


def _watched(simulated: _Simulated, seen: Watched) -> None:
    """Look at the cluster for some simulated minutes."""
    seen.wait_for_samples(1)
    for _ in range(_POLLS):
        simulated.advance(_SECONDS_A_POLL)
        simulated.ahead += _SECONDS_A_POLL
        seen.poll()
    # Nothing is read any more, and nobody is told that it is not.
    seen.page.evaluate("() => { window.fetch = () => new Promise(() => {}) }")


def test_the_simulated_cluster_is_shown_whole(
    watch: Callable[..., Watched], simulated: _Simulated, tmp_path: Path
) -> None:
    """All its nodes, eight charts and every metric, in pictures that a document can carry."""
    url = simulated.server.url.removesuffix("metrics")
    seen = watch(url, hurried=True, viewport={"width": 1440, "height": 960})
    _watched(simulated, seen)
    page = seen.page
    size = simulated.cluster.world.size
    nodes = [*size.compute_ids, *size.coordinator_ids, *size.observer_ids]
    assert page.locator("#nodes tbody th").all_inner_texts() == nodes
    assert page.locator("#vitals .panel").count() == 8
    assert page.locator(".card.empty").count() <= 30
    folder = _IMAGES if _KEEP else tmp_path

    def picture(name: str) -> None:
        seen.settle()
        page.screenshot(path=folder / f"{name}.png")

    picture("page-light")
    page.emulate_media(color_scheme="dark")
    picture("page-dark")
    page.evaluate("document.querySelector('#category-computation').scrollIntoView()")
    fills = "[...document.querySelectorAll('#category-computation path.fill')]"
    drawn = f"() => {fills}.every(each => each.getAttribute('d'))"
    page.wait_for_function(drawn)
    picture("page-metrics")
    page.emulate_media(color_scheme="light")
    seen.card("butterfly_request_duration_seconds").locator(".name").click()
    page.locator("#by").select_option("node_role")
    picture("page-details")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.querySelector('#vitals').scrollIntoView()")
    picture("page-phone")
    pictures = list(folder.glob("page-*.png"))
    assert len(pictures) == 5
    assert [each.name for each in pictures if each.stat().st_size > _LARGEST] == []
    assert seen.complaints == []
    assert seen.elsewhere() == []
