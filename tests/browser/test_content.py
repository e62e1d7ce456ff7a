"""What a browser shows of a node: who it is, how its parts are, and every metric."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from opentelemetry.metrics import Observation

from butterfly_otel import catalog, metrics
from butterfly_otel.exporters.prometheus import serve
from butterfly_otel.page import Facts, Part, page_site
from butterfly_otel.views.streams import default_streams

if TYPE_CHECKING:
    from butterfly_otel.runtime.lifecycle import Runtime

    from .watched import Watched

pytestmark = pytest.mark.e2e
Watch = Callable[..., "Watched"]
Node = Callable[..., "Runtime"]
CATEGORIES = ["requests", "consensus", "computation", "communication"]
CATEGORIES += ["resources", "checkpoint", "coordination", "byzantine"]


def test_the_node_says_who_it_is(watch: Watch, node: Node) -> None:
    """Its name, role, version and uptime are in the page, and its name is the title."""
    seen = watch(node().page_url)
    seen.wait_for_samples(1)
    page = seen.page
    assert page.title() == "coordinator-1 · Butterfly"
    assert page.locator("#node-id").inner_text() == "coordinator-1"
    assert page.locator("#node-role").inner_text() == "coordinator"
    facts = page.locator("#facts").inner_text()
    assert re.search(r"service\s+butterfly-coordinator\s+version\s+2\.7\b", facts)
    assert re.search(r"up\s+\d+ s", facts)
    assert page.locator("#status").inner_text() == "live"


def test_every_metric_has_a_card_in_its_category(watch: Watch, node: Node) -> None:
    """All 64 metrics of the contract are there, by category, before anything is measured."""
    seen = watch(node(zero_init=False).page_url)
    seen.wait_for_samples(1)
    for category in CATEGORIES:
        wanted = [each.name for each in catalog.CONTRACT if each.category == category]
        cards = seen.page.locator(f"#category-{category} .card")
        assert cards.evaluate_all("all => all.map(each => each.dataset.metric)") == wanted
    assert seen.page.locator("#found").inner_text() == f"{len(catalog.ALL)} metrics"


def test_values_units_and_labels_are_shown(watch: Watch, node: Node) -> None:
    """A counter's total, a gauge in its unit, a histogram's quantiles, and the labels of each."""
    runtime = node()
    metrics.requests_total.add(41, method="inference", status="success")
    metrics.layer_memory_bytes.set(3 * 2**30, layer_id="1", operation="forward")
    for _ in range(100):
        metrics.request_duration_seconds.record(0.2, method="inference")
    seen = watch(runtime.page_url)
    seen.wait_for_samples(1)
    assert re.search(r"41\s+requests", seen.card("butterfly_requests_total").inner_text())
    assert re.search(r"3\s+GiB", seen.card("butterfly_layer_memory_bytes").inner_text())
    assert re.search(
        r"\d+\s+ms\s+p99", seen.card("butterfly_request_duration_seconds").inner_text()
    )
    seen.card("butterfly_requests_total").locator(".name").click()
    rows = seen.page.locator("#details table tbody tr").all_inner_texts()
    assert any(re.search(r"coordinator\s+inference\s+success\s+41 requests", row) for row in rows)


def test_what_is_measured_meanwhile_appears(watch: Watch, node: Node) -> None:
    """The page asks again by itself: a rate, its line and a new series come without a reload."""
    seen = watch(node().page_url, hurried=True)
    seen.wait_for_samples(1)
    card = seen.card("butterfly_requests_total")
    card.scroll_into_view_if_needed()
    for _ in range(3):
        metrics.requests_total.add(50, method="inference", status="success")
        seen.poll()
    assert re.search(r"\d+(\.\d+)?\s*(k )?\s*requests/s\s+total 150 requests", card.inner_text())
    assert "L" in (card.locator("path.line").last.get_attribute("d") or "")


def test_exporters_and_collectors_show_their_last_error(watch: Watch, node: Node) -> None:
    """One that fails is marked, with the sentence that was logged, and without a secret."""
    runtime = node(
        exporter=["prometheus", "otlp"],
        otlp_endpoint="http://user:hunter2@127.0.0.1:9/v1/metrics",
        otlp_timeout=1.0,
        collectors=[_Broken()],
    )
    runtime.force_flush(timeout=30)
    seen = watch(runtime.page_url)
    seen.wait_for_samples(1)
    boxes = seen.page.locator("#health")
    boxes.locator("text=it raised").wait_for()
    text = boxes.inner_text()
    assert re.search(r"Exporters\s+1 of 2 in trouble", text)
    assert re.search(r"broken-disk\s+.*\n.*ago: it raised OSError\('no such disk'\)", text)
    assert "hunter2" not in seen.page.content()


class _Broken:
    """A collector that never works."""

    name = "broken-disk"
    interval = 60.0
    deadline = 30.0
    metrics = ("butterfly_cpu_usage_ratio",)

    def open(self) -> None:
        raise OSError("no such disk")

    def read(self) -> list[object]:
        return []

    def close(self) -> None:
        """Nothing is open."""


def test_violations_and_budgets_are_counted(watch: Watch, node: Node) -> None:
    """A label that was mended is told of, and a label's budget shows how much of it is in use."""
    runtime = node()
    metrics.requests_total.add(1, method="inference", status="sucess")  # type: ignore[arg-type]
    for number in range(7):
        metrics.tokens_processed_total.add(1, model=f"model-{number}")
    seen = watch(runtime.page_url)
    seen.wait_for_samples(1)
    health = seen.page.locator("#health").inner_text()
    assert re.search(r"Violations\s+1 since it began\s+.*1 labels that broke", health, re.DOTALL)
    use = seen.page.get_by_role(
        "meter", name="butterfly_tokens_processed_total, model: 7 of 20 in use"
    )
    assert use.count() == 1


def test_links_lead_to_metrics_reference_and_runbook(watch: Watch, node: Node) -> None:
    """Each link of a metric has something behind it, and documents open in the page."""
    runtime = node()
    metrics.tasks_queued.observe(lambda: 3)
    seen = watch(runtime.page_url)
    seen.wait_for_samples(1)
    page = seen.page
    seen.card("butterfly_tasks_queued").locator(".name").click()
    links = page.locator("#details a").evaluate_all("all => all.map(each => each.href)")
    assert [urlsplit(each).path for each in links] == [
        *(
            "/-/runbooks/QueueBuildup",
            "/-/runbooks/LowThroughput",
            "/-/runbooks/ButterflyMetricAbsent",
        ),
        *("/-/reference/butterfly_tasks_queued", "/metrics"),
    ]
    for each in links:
        with urllib.request.urlopen(each, timeout=30) as answer:
            assert answer.status == 200
            assert answer.read()
    page.locator("#details a", has_text="QueueBuildup").click()
    page.locator("#document h2", has_text="QueueBuildup").wait_for()
    assert page.locator("#document pre").count() == 3
    assert page.locator("#document ol li").count() == 3


def test_other_metrics_are_shown_too(watch: Watch, node: Node) -> None:
    """What the application measures with prometheus_client is there, apart from the contract."""
    from prometheus_client import CollectorRegistry, Counter  # noqa: PLC0415 - only here

    registry = CollectorRegistry()
    Counter("orders", "Orders of the shop.", registry=registry).inc(5)
    seen = watch(node(registry=registry).page_url)
    seen.wait_for_samples(1)
    assert "Orders of the shop." in seen.page.locator("#category-other").inner_text()


def test_a_node_that_is_gone_is_told_of(watch: Watch, node: Node) -> None:
    """The last values stay, and the status says that nobody answers."""
    runtime = node()
    seen = watch(runtime.page_url, hurried=True)
    seen.wait_for_samples(1)
    runtime.shutdown()
    seen.page.clock.run_for(3_000)
    seen.page.locator("#status", has_text="no answer since").wait_for()
    assert seen.page.locator("#node-id").inner_text() == "coordinator-1"
    assert seen.page.title() == "✕ coordinator-1 · Butterfly"
    assert seen.page.locator("body.stale").count() == 1


def test_a_node_that_comes_back_is_live_again(watch: Watch, node: Node) -> None:
    """What a new process counts goes on where the line was, and nothing looks stale any more."""
    runtime = node()
    metrics.requests_total.add(500, method="inference", status="success")
    port = urlsplit(runtime.page_url).port
    seen = watch(runtime.page_url, hurried=True)
    seen.wait_for_samples(1)
    runtime.shutdown()
    seen.page.clock.run_for(3_000)
    seen.page.locator("body.stale").wait_for()
    node(prometheus_port=port)
    metrics.requests_total.add(7, method="inference", status="success")
    seen.poll()
    assert seen.page.locator("#status").inner_text() == "live"
    assert seen.page.title() == "coordinator-1 · Butterfly"
    assert re.search(
        r"requests/s\s+total 7 requests", seen.card("butterfly_requests_total").inner_text()
    )


def test_a_node_that_does_not_answer_is_told_of(watch: Watch, node: Node) -> None:
    """A process that was stopped accepts connections; the page does not wait for it for ever."""
    seen = watch(node().page_url, hurried=True)
    seen.wait_for_samples(1)
    seen.page.evaluate(
        """() => {
          const late = new DOMException("", "TimeoutError");
          window.fetch = (_url, { signal }) => signal instanceof AbortSignal
            ? Promise.reject(late) : new Promise(() => {});
        }"""
    )
    seen.page.clock.run_for(3_000)
    seen.page.locator("#status", has_text="no answer since").wait_for()


def test_nothing_measured_yet_is_said(watch: Watch, node: Node) -> None:
    """A node whose application has measured nothing says so, until it has."""
    seen = watch(node(zero_init=False, collectors="none").page_url, hurried=True)
    seen.wait_for_samples(1)
    assert seen.page.locator("#quiet").is_visible()
    metrics.requests_total.add(1, method="inference", status="success")
    seen.poll()
    assert not seen.page.locator("#quiet").is_visible()


def test_the_processes_of_a_node_are_shown(watch: Watch, node: Node) -> None:
    """Each has its place and number, who leads is told, and who did not answer is marked."""
    parts = [Part(str(n), None if n == 3 else True, f"pid {4000 + n}") for n in range(40)]
    parts[0] = Part("0", ok=True, tells="pid 4000, leads")
    reader = node().prometheus_reader
    assert reader is not None

    def facts() -> Facts:
        return Facts("coordinator-1", "coordinator", {}, 1.0, processes=tuple(parts))

    with serve(reader, "localhost", 0, site=page_site(reader, facts, default_streams())) as server:
        seen = watch(server.url.removesuffix("metrics"))
        seen.wait_for_samples(1)
        box = seen.page.locator("#health .box", has=seen.page.locator("ul.many"))
        assert re.search(
            r"Processes\s+1 of 40 did not answer in time\s+.*0\s+pid 4000, leads",
            box.inner_text(),
            re.DOTALL,
        )
        assert box.locator("li").count() == 40
        assert box.locator("li .mark.wait").get_attribute("aria-label") == "did not answer in time"
        assert box.bounding_box()["height"] < 300


def test_an_axis_tells_its_ticks_apart(watch: Watch, node: Node) -> None:
    """Values that hardly differ have labels that do; shares are from nothing to all."""
    runtime = node(zero_init=False, collectors="none")
    queued = count(180_000, 700)
    metrics.tasks_queued.observe(lambda: next(queued))
    metrics.cpu_usage_ratio.observe(lambda: [Observation(0.99, {"core": "0"})])
    seen = watch(runtime.page_url, hurried=True)
    seen.wait_for_samples(1)
    seen.poll()
    ticks = (
        "name => [...document.querySelectorAll(`#vitals .chart[aria-label^='${name}'] .tick`)]"
        ".filter(each => each.getAttribute('text-anchor') === 'end').map(each => each.textContent)"
    )
    tasks = seen.page.evaluate(ticks, "Tasks waiting")
    assert len(set(tasks)) == len(tasks) > 3
    assert seen.page.evaluate(ticks, "CPU") == ["0%", "25%", "50%", "75%", "100%", "now"]
