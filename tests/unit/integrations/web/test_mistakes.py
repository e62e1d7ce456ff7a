"""Mistakes in the arguments of the middleware, and templates that are for nothing."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from butterfly_otel import ConfigurationError
from butterfly_otel.integrations import asgi, wsgi
from butterfly_otel.integrations.templates import Known, tell_unmatched
from tests.unit.integrations.web.support import END, START, Server, ask, scope_of, serving

pytestmark = pytest.mark.timeout(60)

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"method": {"/go": "chat"}}, "the route '/go' has the method 'chat', which is none of infer"),
    ({"method": {"/go": None}}, "the route '/go' has the method None"),
    ({"method": {"/go": ["inference"]}}, r"the route '/go' has the method \['inference'\]"),
    ({"method": {7: "inference"}}, "the route 7 is no template"),
    ({"method": ["/go"]}, r"method is \['/go'\]; pass a mapping"),
    ({"method": lambda: "inference"}, "method is .*, which can't be called with an? "),
    ({"method": lambda _one, _two: "inference"}, "method is .*, which can't be called with an? "),
    ({"method": {"/go": "inference"}, "failed": 500}, "failed is 500; pass a function"),
    ({"method": {"/go": "inference"}, "failed": lambda: None}, "failed is .*, which can't be call"),
    ({"method": {"/go": "inference"}, "errors": [ValueError]}, "error types are"),
    ({"method": {"/go": "inference"}, "node_role": []}, r"node_role is \[\]"),
]


async def asynchronous(_request: Any) -> str:
    """Answer too late to be of use."""
    return "inference"


class Asynchronous:
    """The same as an object."""

    async def __call__(self, _request: Any) -> str:
        return "inference"


MISTAKES += [
    ({"method": asynchronous}, "method is .*, which is async; pass a plain function"),
    ({"method": Asynchronous()}, "method is .*, which is async; pass a plain function"),
]
#: What Python itself finds.
FOREIGN: list[tuple[dict[str, Any], str]] = [
    ({"methods": {"/go": "inference"}}, "ButterflyMiddleware was added with wrong arguments: "),
    ({}, "ButterflyMiddleware was added with wrong arguments: .* 'method'"),
]


async def go(_request: Any = None) -> PlainTextResponse:
    """Answer."""
    return PlainTextResponse("ok")


@pytest.mark.parametrize(("settings", "said"), MISTAKES)
@pytest.mark.parametrize("middleware", [asgi.ButterflyMiddleware, wsgi.ButterflyMiddleware])
def test_mistakes_are_refused_where_a_middleware_is_made(
    middleware: Any, settings: dict[str, Any], said: str
) -> None:
    """Whatever is wrong is a sentence at once, of both kinds of servers."""
    with pytest.raises(ConfigurationError, match=said):
        middleware(lambda *_: None, **settings)


@pytest.mark.parametrize(("settings", "said"), [*MISTAKES, *FOREIGN])
@pytest.mark.parametrize("framework", [Starlette, FastAPI])
def test_mistakes_in_add_middleware_refuse_the_start(
    framework: Any, settings: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The framework makes the middleware when it is called: the server hears that it must stop."""
    app = framework()
    app.add_middleware(asgi.ButterflyMiddleware, **settings)
    server = Server({"type": "lifespan.startup"})
    with pytest.raises(ConfigurationError, match=said):
        asyncio.run(app({"type": "lifespan"}, server.receive, server.send))
    assert [message["type"] for message in server.sent] == ["lifespan.startup.failed"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_server_without_a_lifespan_serves_without_measuring(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mistake costs no request: it is logged once, and nothing is measured."""
    app = Starlette(
        routes=[Route("/go", go)],
        middleware=[Middleware(asgi.ButterflyMiddleware, method={"/go": "chat"})],  # type: ignore[dict-item]
    )
    with serving(app, lifespan="off") as port:
        assert [ask(port, "/go")[0] for _ in range(3)] == [200] * 3
    told = [each.message for each in caplog.records if each.name == "butterfly_otel"]
    assert len(told) == 1
    assert "the route '/go' has the method 'chat'" in told[0]


PROGRAM = """
import uvicorn
from fastapi import FastAPI
from butterfly_otel.integrations.starlette import ButterflyMiddleware
app = FastAPI()
app.add_middleware(ButterflyMiddleware, method={"/go": "chat"})
uvicorn.run(app, port=0)
"""


def test_uvicorn_does_not_start_with_a_mistake() -> None:
    """A real server in its default mode ends with the sentence, rather than answer 500."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode != 0
    assert "the route '/go' has the method 'chat', which is none of inference" in done.stderr
    assert "Uvicorn running" not in done.stderr


def started(app: Any) -> None:
    """Have an application start and end."""

    async def send(_message: Any) -> None:
        pass

    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    asyncio.run(app({"type": "lifespan", "state": {}, "app": app}, receive, send))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the templates that the log tells of."""
    return [record.args[0] for record in caplog.records if record.args]  # type: ignore[misc]


METHODS: Any = {
    "/go": "inference",
    "POST /go": "inference",
    "GET /items/{name}": "inference",
    "/items/{name}/parts/{part}": "inference",
    "/files/{name:path}": "inference",
    "/generat": "inference",
    "/v1/{what}": "inference",
}


def test_a_template_for_which_there_is_no_route_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the start of the application, its routes of every kind being looked through."""
    app = FastAPI()
    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call: call(request))
    app.add_middleware(asgi.ButterflyMiddleware, method=METHODS)
    app.add_route("/go", go)
    app.add_api_route("/items/{item_id:int}", go)
    router = APIRouter(prefix="/items/{item}")
    router.add_api_route("/parts/{part}", go)
    app.include_router(router)
    app.mount("/files", Starlette(routes=[Route("/a/b", go)]))
    app.router.routes.append(Host("example.org", Router([Route("/v1/generate", go)])))
    for _ in range(2):
        started(app)
    assert told(caplog) == ["POST /go", "/generat"]


def test_without_a_start_it_is_told_at_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    """Servers may leave the lifespan out."""
    app = asgi.ButterflyMiddleware(
        Starlette(routes=[Route("/go", go)]), method={"/gone": "inference", "/go": "inference"}
    )
    with serving(app, lifespan="off") as port:
        for _ in range(2):
            assert ask(port, "/go")[0] == 200
    assert told(caplog) == ["/gone"]


def test_routes_of_a_mount_and_of_a_router_are_relative_to_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A middleware further inside is compared with what it sees."""
    mine = [Middleware(asgi.ButterflyMiddleware, method={"/go": "inference", "/gone": "inference"})]
    inner = Starlette(routes=[Route("/go", go)], middleware=mine)
    app = Starlette(
        routes=[
            Mount("/one", app=inner),
            Mount("/two", routes=[Route("/go", go)], middleware=mine),
            Mount("/three", app=Router([Route("/go", go)], middleware=mine)),
        ]
    )
    with serving(app) as port:
        for mount in ("one", "two", "three"):
            assert ask(port, f"/{mount}/go")[0] == 200
    assert told(caplog) == ["/gone"] * 3


def test_an_application_of_unknown_routes_is_not_judged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said where nothing is known: no routes, mounts that keep theirs, circles."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(START)
        await send(END)

    class Circle:
        def __init__(self) -> None:
            self.app = self

        async def __call__(self, *given: Any) -> None:
            await app(*given)

    for each in (app, Circle(), Starlette(routes=[Mount("/api", app=app)])):
        measured = asgi.ButterflyMiddleware(each, method={"/api/go": "inference"})
        server = Server()
        asyncio.run(measured(scope_of("/api/go"), server.receive, server.send))
    assert told(caplog) == []


def test_templates_are_compared_with_the_routes_of_flask(caplog: pytest.LogCaptureFixture) -> None:
    """Its converters are read as such; what spans segments may be anything."""
    app = Flask("site")
    for rule in ("/go", "/items/<int:item>", "/files/<path:name>", "/v1/<any(a, b):what>/x"):
        app.add_url_rule(rule, rule, lambda **_: "ok")
    app.wsgi_app = wsgi.ButterflyMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        method={
            "/go": "inference",
            "POST /go": "inference",
            "/items/<item>": "inference",
            "/items/<item>/more": "inference",
            "/files/a/b/c": "inference",
            "/v1/{what}/x": "inference",
            "/v1/{what}/y": "inference",
        },
    )
    for _ in range(2):
        assert app.test_client().get("/go").status_code == 200
    assert told(caplog) == ["POST /go", "/items/<item>/more", "/v1/{what}/y"]


@pytest.mark.parametrize(
    ("template", "route", "meets"),
    [
        ("/a", "/a", True),
        ("/a", "/a/", False),
        ("/a/{x}", "/a/{y:int}", True),
        ("/a/{x}", "/{y}/b", True),
        ("/a/{x}", "/b/{y}", False),
        ("/a/{x}", "/a/{y}/c", False),
        ("/a/{x:path}", "/a/b/c/d", True),
        ("/a/{x:path}/z", "/a/b/c/d", False),
        ("/a/b", "/{everything:path}", True),
        ("/a/b.json", "/a/{name}.json", True),
        ("/a/b/c", "/a/{own:custom}", True),
    ],
)
def test_a_template_and_a_route_meet(
    template: str,
    route: str,
    meets: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They do where a path might be for both."""

    class App:
        routes = [Route("/other", go)]  # noqa: RUF012 - never changed

    App.routes[0].path = route
    tell_unmatched([("", template)], App())
    assert told(caplog) == ([] if meets else [template])
    assert Known("/a").verbs is None


@pytest.fixture(autouse=True)
def _ours_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Look at what this package logs."""
    caplog.set_level(logging.CRITICAL)
    caplog.set_level(logging.DEBUG, "butterfly_otel")
