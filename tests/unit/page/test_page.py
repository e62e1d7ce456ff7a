"""The page's routes without a browser: what they answer, what guards them, what they cost."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Collection
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.exporters.prometheus.serving.app import Request, respond
from butterfly_otel.exporters.prometheus.writing.collector import CollectionError
from butterfly_otel.page import Facts, Part, page_site
from butterfly_otel.page.document import document
from butterfly_otel.page.state import State
from butterfly_otel.runtime.lifecycle import Runtime
from butterfly_otel.views.streams import default_streams

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class _Renderer:
    """Renders a text, counts how often, and may fail."""

    def __init__(
        self, text: str = "# TYPE a gauge\na 1.0\n", error: BaseException | None = None
    ) -> None:
        self.text = text
        self.error = error
        self.asked: list[str | None] = []

    def render(
        self,
        accept: str | None = None,
        names: Collection[str] | None = None,
        *,
        timeout: float,
    ) -> tuple[str, bytes]:
        assert names is None
        assert 0 < timeout < 60
        self.asked.append(accept)
        if self.error is not None:
            raise self.error
        return "text/plain; version=0.0.4", self.text.encode("utf-8", "surrogatepass")


def _facts() -> Facts:
    return Facts(
        "n-1",
        "compute",
        {"service": "s"},
        12.5,
        exporters=(Part("otlp", ok=False, tells="push", error="no route", error_at=1.0),),
    )


def _state(renderer: _Renderer, **settings: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(State(renderer, _facts, **settings).answer())
    return told


def _configured(**settings: Any) -> Runtime:
    defaults: dict[str, Any] = {"node_id": "n-1", "node_role": "compute", "prometheus_port": 0}
    registry = CollectorRegistry()
    return butterfly_otel.configure(
        **{**defaults, **settings}, registry=registry, handle_signals=False
    )


def _get(url: str, accept: str = "*/*") -> tuple[str, bytes]:
    with urlopen(HttpRequest(url, headers={"Accept": accept}), timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_a_browser_gets_the_page_and_a_scraper_metrics() -> None:
    """Both ask for `/`; what tells them apart is what they accept."""
    url = _configured().page_url
    assert url is not None
    assert _get(url, BROWSER)[1].startswith(b"<!doctype html>")
    for accept in ("*/*", "text/plain", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"):
        kind, body = _get(url, accept)
        assert not kind.startswith("text/html")
        assert b"# TYPE" in body


def test_a_setting_switches_it_off() -> None:
    """Without it there is no page and no state, and browsers get metrics, as everybody does."""
    runtime = _configured(prometheus_page=False)
    assert runtime.page_url is None
    assert "/" not in runtime.site
    url = str(runtime.prometheus_url).removesuffix("metrics")
    assert b"# TYPE" in _get(url, BROWSER)[1]
    assert b"html" not in _get(url, BROWSER)[1]
    with pytest.raises(HTTPError, match="404") as caught:
        _get(f"{url}-/state")
    caught.value.close()


def test_the_policy_allows_exactly_what_is_in_the_page() -> None:
    """Its hashes are those of the one style and the one script; nothing else may be loaded."""
    page, policy = document()
    for tag in ("style", "script"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page.decode(), re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No address in it is absolute, so it works under any prefix and without a network."""
    text = document()[0].decode()
    addresses = re.findall(r"""(?:src|href|action)=["']([^"']*)""", text)
    assert {each.partition(":")[0] for each in addresses if ":" in each} <= {"data"}
    assert not [each for each in addresses if each.startswith("/")]
    assert set(re.findall(r'https?://[^\s"\')]+', text)) <= {"http://www.w3.org/2000/svg"}
    assert (
        re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) is None
    )


@pytest.mark.parametrize("path", ["/", "/-/state", "/-/contract", "/-/runbooks/HighLatency"])
def test_answers_are_guarded(path: str) -> None:
    """Nothing is kept by caches, guessed to be another type, or read by other sites."""
    site = page_site(_Renderer(), _facts, default_streams())
    response = respond(_Renderer(), Request("GET", path, headers={"accept": BROWSER}), site)
    headers = dict(response.headers)
    assert response.status == "200 OK"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not site[path].public


def test_the_state_has_facts_and_metrics() -> None:
    """Who the node is, how its parts are, and the exposition, asked for in text 0.0.4."""
    renderer = _Renderer()
    told = _state(renderer)
    assert told["node"] == {"id": "n-1", "role": "compute", "about": {"service": "s"}}
    assert told["exporters"] == [
        {"name": "otlp", "ok": False, "tells": "push", "error": "no route", "errorAt": 1.0}
    ]
    assert told["text"] == renderer.text
    assert renderer.asked == ["text/plain;version=0.0.4"]
    assert told["every"] >= 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CollectionError("metrics could not be collected: late"), "could not be collected: late"),
        (ValueError("secret"), "the log says why"),
        (SystemExit(3), "the log says why"),
    ],
)
def test_metrics_that_fail_leave_the_facts(error: BaseException, sentence: str) -> None:
    """Whatever a collector raises, the page is told in one sentence, and who the node is."""
    told = _state(_Renderer(error=error))
    assert sentence in told["error"]
    assert "secret" not in told["error"]
    assert told["node"]["id"] == "n-1"


def test_any_text_makes_valid_json() -> None:
    """Control characters, lone surrogates and quotes in label values break nothing."""
    hostile = 'a{b="\\"\x00\x1f\u2028\ud800</script>"} 1\n'
    assert "</script>" in _state(_Renderer(hostile))["text"]


def test_many_viewers_share_one_collection() -> None:
    """Who asks within a second of another gets the same answer: looking costs no more for many."""
    renderer = _Renderer()
    state = State(renderer, _facts, reuse=60)
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(state.answer())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert len(renderer.asked) == 1


def test_a_costly_node_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that takes 50 ms of a core is told to be asked for no more often than each 10 s."""
    clock = iter([1.0, 1.05, 2.0, 90.0])
    monkeypatch.setattr("butterfly_otel.page.state.time.thread_time", lambda: next(clock))
    assert _state(_Renderer())["every"] == pytest.approx(10)
    assert _state(_Renderer())["every"] == 60


def test_nothing_is_rendered_before_somebody_asks() -> None:
    """To have the page costs nothing: no collection, no document, no thread."""
    renderer, told = _Renderer(), []
    before = threading.active_count()

    def facts() -> Facts:
        told.append(1)
        return _facts()

    page_site(renderer, facts, default_streams())
    assert (renderer.asked, told, threading.active_count()) == ([], [], before)


def test_parts_tell_their_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A push that fails and a collector that raises are in the state, without any secret."""
    monkeypatch.setenv("BUTTERFLY_OTEL_COLLECTORS", "")
    failed = threading.Event()
    runtime = _configured(
        exporter=["prometheus", "otlp"],
        otlp_endpoint="http://u:hunter2@127.0.0.1:9/v1/metrics",
        otlp_timeout=0.5,
        collectors=[_Broken(failed.set)],
    )
    runtime.force_flush(timeout=30)
    assert failed.wait(30)
    body = _wait_for(runtime, lambda told: bool(told["collectors"][0]["error"]))
    told = json.loads(body)
    pull = next(each for each in told["exporters"] if each["name"] == "prometheus")
    push = next(each for each in told["exporters"] if each["name"] != "prometheus")
    assert (pull["ok"], pull["error"]) == (True, None)
    assert push["ok"] is False
    assert push["error"]
    assert told["collectors"][0]["ok"] is False
    assert told["collectors"][0]["error"] == "it raised OSError('no such disk')"
    assert "hunter2" not in body


def _wait_for(runtime: Runtime, enough: Callable[[dict[str, Any]], bool]) -> str:
    pause = threading.Event()
    for _ in range(300):
        body = _get(f"{runtime.page_url}-/state")[1].decode()
        if enough(json.loads(body)):
            return body
        pause.wait(0.1)
    raise AssertionError(body)


class _Broken:
    """A collector that never works."""

    name = "broken"
    interval = 60.0
    deadline = 30.0
    metrics = ("butterfly_cpu_usage_ratio",)

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def open(self) -> None:
        self._told()
        raise OSError("no such disk")

    def read(self) -> list[object]:
        return []

    def close(self) -> None:
        """Nothing is open."""
