"""What nobody may do to the page, whatever is measured, and what the page does to nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from opentelemetry import metrics as api
from prometheus_client import CollectorRegistry, Gauge

from butterfly_otel import metrics
from butterfly_otel.exporters.prometheus.serving.app import make_wsgi_app
from tests.certificates import HASHED, PASSWORD, Certificates

if TYPE_CHECKING:
    from butterfly_otel.runtime.lifecycle import Runtime

    from .watched import Watched

pytestmark = pytest.mark.e2e
Watch = Callable[..., "Watched"]
Node = Callable[..., "Runtime"]

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\"><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "'\"--></style></script><script>alert(1)</script>",
    "</textarea></title><body onload=alert(1)>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><button>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    'a"} 1\nbutterfly_requests_total{status="',
    'back\\slash\\n\\" and } { , = # HELP',
    "line\nbreak\r\nand\ttab\u2028\u2029",
    "\u202eright to left\u202c\u0000\u0007\u200b",
    "__proto__",
    "constructor",
    "${alert(1)} `alert(1)`",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "]]>\x1b[31m<![CDATA[",
    "emoji 🦋 and " + "x" * 300,
]


@pytest.fixture
def attacked(node: Node) -> Runtime:
    """A node whose labels, helps and names all come from somebody who means harm."""
    registry = CollectorRegistry()
    runtime = node(registry=registry, node_id="<b>evil</b>", service_version=ATTACKS[0])
    meter = api.get_meter("hostile")
    for number, attack in enumerate(ATTACKS):
        metrics.tokens_processed_total.add(1, model=attack[:120], node_id=f"n{number}{attack[:60]}")
        hostile = Gauge(f"hostile_{number}", attack, ["a"], registry=registry)
        hostile.labels(attack).set(number)
        meter.create_counter(f"own_{number}", description=attack).add(1, {attack: attack})
    return runtime


def test_hostile_texts_stay_texts(watch: Watch, attacked: Runtime) -> None:
    """No label value and no HELP becomes an element, runs, or asks anybody for anything."""
    seen = watch(attacked.page_url)
    seen.wait_for_samples(1)
    page = seen.page
    foreign = "main img, iframe, main script, base, body style, form:not([method=dialog])"
    inner = f"document.querySelectorAll('{foreign}')"
    assert page.locator("#category-other .card").count() >= len(ATTACKS)
    assert page.locator("#node-id").inner_text() == "<b>evil</b>"
    hostile = ["butterfly_tokens_processed_total", *(f"hostile_{n}" for n in range(len(ATTACKS)))]
    for name in hostile:
        seen.card(name).locator(".name").click()
        page.locator("#details h2", has_text=name).wait_for()
        for option in page.locator("#by option").evaluate_all("all => all.map(o => o.value)"):
            page.locator("#by").select_option(option)
        assert page.evaluate(f"{inner}.length") == 0
        page.keyboard.press("Escape")
    for attack in ATTACKS:
        page.locator("#search").fill(attack)
        assert page.evaluate(f"{inner}.length") == 0
    assert seen.complaints == []
    assert seen.elsewhere() == []


def test_hostile_values_are_shown_as_they_are(watch: Watch, attacked: Runtime) -> None:
    """A value is read back as the exposition has it: escapes undone, series not mixed up."""
    seen = watch(attacked.page_url)
    seen.wait_for_samples(1)
    for number in (0, 4, 14, 15, 18, 22):
        seen.card(f"hostile_{number}").locator(".name").click()
        value = seen.page.locator("#details tbody td.value").text_content()
        assert value == ATTACKS[number]
        assert seen.page.locator("#details tbody td.number").text_content() == str(number)
        seen.page.keyboard.press("Escape")
    assert "butterfly_requests_total" in seen.shown()


def test_injected_scripts_do_not_run(watch: Watch, node: Node) -> None:
    """Even who gets markup into the page runs nothing: its policy knows its own script alone."""
    seen = watch(node().page_url)
    seen.wait_for_samples(1)
    page = seen.page
    refused = page.evaluate(
        """() => {
          const outcome = [];
          try { document.body.innerHTML += "<img src=x onerror='window.ran = 1'>"; }
          catch (error) { outcome.push(error.name); }
          const script = document.createElement("script");
          try { script.textContent = "window.ran = 2"; document.body.append(script); }
          catch (error) { outcome.push(error.name); }
          try { setTimeout("window.ran = 3"); } catch (error) { outcome.push(error.name); }
          try { document.body.setAttribute("onclick", "window.ran = 4"); } catch {}
          document.body.click();
          const link = document.createElement("img");
          link.src = "https://evil.example/x.png";
          document.body.append(link);
          return [outcome, window.ran ?? null];
        }"""
    )
    assert refused == [["TypeError", "TypeError", "TypeError"], None]
    assert (
        page.evaluate("fetch('https://evil.example').then(() => 'sent', () => 'refused')")
        == "refused"
    )


def test_nothing_is_asked_of_anybody_else(watch: Watch, node: Node) -> None:
    """From opening to closing, every request goes to the node, and the console stays silent."""
    seen = watch(node().page_url, hurried=True)
    seen.wait_for_samples(1)
    seen.poll()
    seen.card("butterfly_requests_total").locator(".name").click()
    assert seen.elsewhere() == []
    assert seen.complaints == []
    paths = {each.partition("://")[2].partition("/")[2] for each in seen.asked if "://" in each}
    assert paths - {""} == {"-/state", "-/contract"}


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@contextmanager
def _hosted(runtime: Runtime, prefix: str = "", gate: Any = None) -> Iterator[str]:
    """Serve a node by somebody else's server, under a prefix."""
    inner = make_wsgi_app(runtime.prometheus_reader, site=runtime.site, gate=gate)

    def app(environ: Any, start_response: Any) -> Any:
        if not environ["PATH_INFO"].startswith(f"{prefix}/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
        return inner(environ, start_response)

    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{prefix}/"
        server.shutdown()
        thread.join()


def test_under_a_path_prefix(watch: Watch, node: Node) -> None:
    """Behind a proxy or a mount, at /team/node-7/, everything is found by relative addresses."""
    runtime = node()
    with _hosted(runtime, "/team/node-7") as url:
        seen = watch(url)
        seen.wait_for_samples(1)
        seen.card("butterfly_tasks_queued").locator(".name").click()
        seen.page.locator("#details a", has_text="Reference").click()
        seen.page.locator("#document h2", has_text="butterfly_tasks_queued").wait_for()
        assert seen.complaints == []
        assert all("/team/node-7/" in each for each in seen.asked if each.startswith("http"))


@pytest.mark.parametrize("hosted", [False, True])
def test_behind_authentication(
    watch: Watch,
    node: Node,
    tmp_path: Path,
    hosted: bool,  # noqa: FBT001
) -> None:
    """The browser's own credentials are enough for the page and all it asks for.

    Of our server by TLS, and of an application's that serves it under a prefix.
    """
    certificates = Certificates(tmp_path)
    web = certificates.web(
        basic_auth_users={"ops": HASHED},
        http_server_config={"headers": {"Content-Security-Policy": "default-src 'none'"}},
    )
    runtime = node(prometheus_web_config=web, prometheus_server=not hosted)
    own = nullcontext(runtime.page_url)
    with _hosted(runtime, "/team/n", gate=runtime.security) if hosted else own as url:
        assert str(url).startswith("http:" if hosted else "https:")
        trusted: dict[str, Any] = {"ignore_https_errors": True}
        known = {"username": "ops", "password": PASSWORD}
        seen = watch(url, http_credentials=known, **trusted)
        seen.wait_for_samples(1)
        assert seen.page.locator("#status").inner_text() == "live"
        seen.card("butterfly_tasks_queued").locator(".name").click()
        seen.page.locator("#details a", has_text="Reference").click()
        seen.page.locator("#document h2", has_text="butterfly_tasks_queued").wait_for()
        assert seen.complaints == []
        for path in ("", "-/state", "-/contract", "-/reference/butterfly_tasks_queued", "metrics"):
            answer = seen.page.request.get(f"{url}{path}", headers={"Authorization": "Basic eA=="})
            assert answer.status == 401, path


def test_a_password_in_the_address(watch: Watch, node: Node, tmp_path: Path) -> None:
    """`http://user:password@host/`, as people keep it in a bookmark, shows the page as well."""
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{ops: {HASHED}}}")
    url = node(prometheus_web_config=web).page_url
    seen = watch(str(url).replace("://", f"://ops:{PASSWORD}@"))
    seen.wait_for_samples(1)
    assert seen.page.locator("#status").inner_text() == "live"
    seen.card("butterfly_tasks_queued").locator(".name").click()
    seen.page.locator("#details a", has_text="Reference").click()
    seen.page.locator("#document h2", has_text="butterfly_tasks_queued").wait_for()
