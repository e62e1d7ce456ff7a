"""An SDK that starts and ends with an application, whose metrics need no second port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

import butterfly_otel
from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.integrations.asgi import metrics_app
from butterfly_otel.integrations.starlette import butterfly_lifespan
from butterfly_otel.lint import check_exposition
from butterfly_otel.runtime import lifecycle as runtime
from tests.unit.integrations.web.support import Server, ask, scope_of, serving

pytestmark = pytest.mark.timeout(60)
NODE: dict[str, Any] = {
    "node_id": "coordinator-1",
    "node_role": "coordinator",
    "handle_signals": False,
}


def node() -> dict[str, Any]:
    """Return settings of a node with a registry of its own."""
    return {**NODE, "registry": CollectorRegistry()}


def test_metrics_are_served_by_the_application_itself() -> None:
    """A scrape of the application's own port is true to the contract; no other port is open."""
    app = FastAPI(lifespan=butterfly_lifespan(metrics_path="/internal/metrics", **node()))

    @app.get("/{anything:path}")
    async def everything(anything: str) -> str:
        metrics.requests_total.inc(method="inference", status="success")
        return anything

    with serving(app) as port:
        running = runtime.current()
        assert running is not None
        assert running.prometheus_url is None
        assert ask(port, "/x")[:2] == (200, b'"x"')
        status, body, headers = ask(port, "/internal/metrics")
        assert (status, headers["content-type"]) == (
            200,
            "text/plain; version=0.0.4; charset=utf-8",
        )
        text = body.decode()
        labels = 'method="inference",node_role="coordinator",status="success"'
        assert f"butterfly_requests_total{{{labels}}} 1.0" in text
        assert [each for each in check_exposition(text) if each.severity == "error"] == []
        openmetrics = ask(
            port, "/internal/metrics", headers={"Accept": "application/openmetrics-text"}
        )
        assert openmetrics[1].endswith(b"# EOF\n")
    assert runtime.current() is None
    assert running.prometheus_reader is None


def test_the_applications_own_lifespan_runs_within() -> None:
    """It finds the SDK running at its start and at its end, and its state reaches requests."""
    seen: list[bool] = []

    @asynccontextmanager
    async def own(_app: Any) -> AsyncIterator[dict[str, str]]:
        seen.append(runtime.current() is not None)
        yield {"model": "llama"}
        seen.append(runtime.current() is not None)

    settings = {**node(), "exporter": "none"}
    app = FastAPI(lifespan=butterfly_lifespan(lifespan=own, **settings))

    @app.get("/")
    async def model(request: Request) -> str:
        return str(request.state.model)

    for _ in range(2):  # an application may be started again
        with serving(app) as port:
            assert ask(port, "/")[1] == b'"llama"'
    assert seen == [True] * 4
    assert runtime.current() is None


def live(lifespan: Callable[..., Any], inside: Callable[[], object] = lambda: None) -> None:
    """Enter and leave a lifespan."""

    async def main() -> None:
        async with lifespan(Starlette()):
            inside()

    asyncio.run(main())


def test_a_start_that_fails_leaves_nothing_running() -> None:
    """The application's own failure ends the SDK; wrong settings are what fails otherwise."""

    @asynccontextmanager
    async def own(_app: Any) -> AsyncIterator[None]:
        raise RuntimeError
        yield

    with pytest.raises(RuntimeError):
        live(butterfly_lifespan(lifespan=own, exporter="none", **node()))
    assert runtime.current() is None
    with pytest.raises(ConfigurationError, match="node_role is 'boss'"):
        live(butterfly_lifespan(node_id="a", node_role="boss"))


def test_what_is_configured_already_is_used_and_left(start: Callable[..., Any]) -> None:
    """Without settings, or with the same, a running SDK stays; with others, that is said."""
    measured = start()
    live(butterfly_lifespan())
    live(butterfly_lifespan(metrics_path="/metrics"))
    assert runtime.current() is measured.runtime
    with pytest.raises(ConfigurationError, match="already configured with another node_id"):
        live(butterfly_lifespan(node_id="other", node_role="coordinator", exporter="none"))
    assert runtime.current() is measured.runtime


def test_mistakes_are_refused_where_they_are_made() -> None:
    """A setting there is none of, and a path that is none, never wait for the start."""
    with pytest.raises(TypeError, match="node_name"):
        butterfly_lifespan(node_name="a")
    for path in ("metrics", "/{metrics}"):
        with pytest.raises(ConfigurationError, match="metrics_path is"):
            butterfly_lifespan(metrics_path=path)


def test_the_metrics_app_can_be_mounted_before_anything_is_configured() -> None:
    """It says so in a sentence, and serves whatever is configured when it is asked."""
    app = FastAPI()
    app.mount("/metrics", metrics_app())
    with serving(app) as port:
        status, body, _ = ask(port, "/metrics/")
        assert (status, b"not configured" in body) == (500, True)
        butterfly_otel.configure(prometheus_server=False, **node())
        status, body, headers = ask(port, "/metrics/", headers={"Accept-Encoding": "gzip"})
        assert (status, headers["content-encoding"]) == (200, "gzip")
        status, body, headers = ask(port, "/metrics/", "HEAD")
        assert (status, body, int(headers["content-length"]) > 512) == (200, b"", True)
        assert ask(port, "/metrics/", "POST")[0] == 405
        assert ask(port, "/metrics/more")[0] == 404
        only = ask(port, "/metrics/?name[]=butterfly_requests_total")[1].decode()
        assert only.count("# TYPE") == 1


def test_the_metrics_app_alone_on_a_server() -> None:
    """As the only application it answers the lifespan, and closes websockets."""
    butterfly_otel.configure(prometheus_server=False, **node())
    with serving(metrics_app()) as port:
        assert ask(port, "/metrics")[0] == 200
    server = Server()
    scope = {**scope_of("/metrics"), "type": "websocket"}
    asyncio.run(metrics_app()(scope, server.receive, server.send))  # type: ignore[arg-type]
    assert server.sent == [{"type": "websocket.close"}]
