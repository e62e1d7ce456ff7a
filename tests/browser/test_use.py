"""Finding one's way: search, filters, keyboard, sizes, dark mode, and without eyes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

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


@pytest.fixture
def seen(watch: Watch, node: Node) -> Iterator[Watched]:
    """A page of a node that tells of three nodes and two models."""
    runtime = node(zero_init=False)
    for number in (1, 2, 10):
        name = f"compute-node-{number}"
        metrics.tokens_processed_total.add(10 * number, model="llama-70b", node_id=name)
        metrics.layer_memory_bytes.set(2**30, layer_id="7", operation="forward", node_id=name)
    metrics.sequences_processed_total.add(3, model="gpt-4", node_id="compute-node-2")
    opened = watch(runtime.page_url)
    opened.wait_for_samples(1)
    yield opened
    assert opened.complaints == []
    assert opened.elsewhere() == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("quic rtt", ["butterfly_quic_rtt_seconds"]),
        ("GPT", ["butterfly_sequences_processed_total"]),
        ("model=llama", ["butterfly_tokens_processed_total"]),
        ('node_id="compute-node-1" layer', ["butterfly_layer_memory_bytes"]),
        ("nothing-has-this", []),
    ],
)
def test_search(seen: Watched, query: str, expected: list[str]) -> None:
    """Words look in names, texts and label values; `label=value` keeps the series that have it."""
    seen.page.locator("#search").fill(query)
    assert seen.shown() == expected
    assert seen.page.locator("#nothing").is_visible() is (not expected)
    assert seen.page.locator("#found").inner_text().startswith(f"{len(expected)} of ")
    seen.page.locator("#search").press("Escape")
    assert len(seen.shown()) == len(catalog.ALL)


def test_a_label_in_the_search_chooses_the_series_that_count(seen: Watched) -> None:
    """A value under `label="value"` is that of the series which have exactly this value."""
    assert "130" in seen.card("butterfly_tokens_processed_total").inner_text()
    seen.page.locator("#search").fill('node_id="compute-node-1"')
    seen.page.locator(
        '.card[data-metric="butterfly_tokens_processed_total"]', has_text="1 series"
    ).wait_for()
    assert "130" not in seen.card("butterfly_tokens_processed_total").inner_text()


def test_only_metrics_with_data(seen: Watched) -> None:
    """One click leaves out what nobody measures here."""
    seen.page.locator("#with-data").check()
    assert set(seen.shown()) == {
        "butterfly_tokens_processed_total",
        "butterfly_layer_memory_bytes",
        "butterfly_sequences_processed_total",
    }


def test_nodes_are_compared_and_chosen(seen: Watched) -> None:
    """Several nodes are a table in the order of their numbers; one click looks at one of them."""
    names = seen.page.locator("#nodes tbody th")
    assert names.all_inner_texts() == ["compute-node-1", "compute-node-2", "compute-node-10"]
    names.nth(2).locator("button").click()
    assert seen.page.locator("#node").input_value() == "compute-node-10"
    assert "butterfly_sequences_processed_total" not in seen.shown()
    seen.page.locator("#node").select_option("")
    assert "butterfly_sequences_processed_total" in seen.shown()


def test_keyboard_alone(seen: Watched) -> None:
    """Search, walk, open, close, pause, colours, help and categories: without a mouse."""
    page = seen.page
    page.keyboard.press("/")
    page.keyboard.type("heartbeat")
    assert seen.shown() == ["butterfly_consensus_heartbeat_failures_total"]
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "document.activeElement.closest('.card')?.dataset.metric"
    assert page.evaluate(focused) == "butterfly_requests_in_flight"
    page.keyboard.press("Enter")
    assert page.locator("#details h2").inner_text() == "butterfly_requests_in_flight"
    page.keyboard.press("Escape")
    assert not page.locator("#details").is_visible()
    assert page.evaluate(focused) == "butterfly_requests_in_flight"
    page.keyboard.press("k")
    assert page.evaluate(focused) == "butterfly_requests_total"
    page.keyboard.press("p")
    assert page.locator("#status").inner_text() == "paused"
    page.keyboard.press("p")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    assert page.url.endswith("#category-resources")


def test_paused_means_that_nothing_is_asked(watch: Watch, node: Node) -> None:
    """While it is paused the node has rest, however much time goes by."""
    seen = watch(node().page_url, hurried=True)
    seen.wait_for_samples(1)
    seen.page.keyboard.press("p")
    before = len(seen.asked)
    seen.page.clock.run_for(60_000)
    assert len(seen.asked) == before
    seen.page.keyboard.press("p")
    seen.poll()


@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_it_fits(seen: Watched, width: int) -> None:
    """Nothing is wider than the window, from a phone to a large screen, nor is any text cut off."""
    page = seen.page
    page.set_viewport_size({"width": width, "height": 900})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    columns = (
        "getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length"
    )
    assert page.evaluate(columns) == {360: 1, 768: 2, 1440: 4, 2560: 8}[width]
    seen.card("butterfly_tokens_processed_total").locator(".name").click()
    assert page.evaluate(overflow) == 0
    inside = (
        "[...document.querySelectorAll('dialog[open]')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert page.evaluate(inside) == [0]


def test_dark_and_light(seen: Watched) -> None:
    """It follows the system, and `t` overrules it, which is remembered."""
    page = seen.page
    shade = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(shade)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(shade)
    assert dark != light
    page.keyboard.press("t")
    assert page.evaluate(shade) == dark
    page.reload()
    seen.wait_for_samples(1)
    assert page.evaluate(shade) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing(seen: Watched, axe: str, scheme: Any, width: int) -> None:
    """axe-core has no finding: of the page, of a metric, of a document, of the help."""
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(axe)
    assert _findings(page) == []
    seen.card("butterfly_tokens_processed_total").locator(".name").click()
    assert _findings(page) == []
    page.locator("#details a", has_text="Reference").click()
    page.locator("#document h2", has_text="butterfly_tokens_processed_total").wait_for()
    assert _findings(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert _findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_trouble(watch: Watch, node: Node, axe: str, scheme: Any) -> None:
    """Nor where processes are late, exporters fail, nothing is measured, and nobody answers."""
    reader = node(zero_init=False, collectors="none").prometheus_reader
    assert reader is not None
    failed = Part("otlp", ok=False, tells="push", error="no route " * 20, error_at=1.0)
    parts = tuple(Part(str(n), None if n % 9 else True, f"pid {n}") for n in range(40))

    def facts() -> Facts:
        return Facts("n" * 90, "coordinator", {}, 1.0, exporters=(failed,), processes=parts)

    with serve(reader, "localhost", 0, site=page_site(reader, facts, default_streams())) as server:
        seen = watch(server.url.removesuffix("metrics"), color_scheme=scheme)
        seen.wait_for_samples(1)
        page = seen.page
        page.evaluate(axe)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.locator("#quiet").is_visible()
            assert _findings(page) == []
            overflow = "document.documentElement.scrollWidth - innerWidth"
            assert page.evaluate(f"() => {overflow}") == 0
    page.locator("body.stale").wait_for()
    assert _findings(page) == []


def _findings(page: Any) -> list[str]:
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {json.dumps([n['html'][:200] for n in each['nodes']])}" for each in found
    ]
