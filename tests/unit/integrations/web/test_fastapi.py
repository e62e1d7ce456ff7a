"""FastAPI and Starlette served by uvicorn over loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from butterfly_otel.integrations.starlette import ButterflyMiddleware, fail, route_of
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.web.support import ask, asking, serving, until

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]


class RefusedError(Exception):
    """What an exception handler of the application answers."""


class Service:
    """An application of many ways to answer, all of which are inference.

    Attributes:
        go: Lets what waits go on.
        waiting: How many wait.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = 0
        self.app = FastAPI()
        self.app.add_middleware(ButterflyMiddleware, method={"/v1/{what}": "inference"})
        self.app.add_exception_handler(RefusedError, self.refused)
        for name in ("plain", "broken", "busy", "late", "refuse", "oom", "stream", "wait", "after"):
            self.app.add_api_route(f"/v1/{name}", getattr(self, name), response_model=None)
        self.app.add_api_route("/v1/file", lambda: FileResponse(__file__), response_model=None)
        self.app.add_api_route("/other", self.plain)

    @staticmethod
    async def refused(_request: Any, _error: Any) -> Any:
        return JSONResponse({}, 502)

    async def plain(self) -> str:
        return "ok"

    async def broken(self) -> None:
        raise ValueError

    async def busy(self) -> None:
        raise HTTPException(503)

    async def late(self) -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    async def refuse(self) -> None:
        raise RefusedError

    async def oom(self, request: Request) -> str:
        fail(request, MemoryError())
        return "ok"

    async def until_go(self) -> None:
        self.waiting += 1
        try:
            while not self.go.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.005)
        finally:
            self.waiting -= 1

    async def stream(self) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            yield "one "
            await self.until_go()
            yield "two"

        return StreamingResponse(tokens())

    async def wait(self) -> str:
        await self.until_go()
        return "ok"

    async def after(self, tasks: BackgroundTasks) -> str:
        tasks.add_task(self.until_go)
        return "ok"


@pytest.fixture
def service() -> Service:
    """Return an application to be served."""
    return Service()


def test_routes_have_methods_and_others_are_not_measured(red: Red, service: Service) -> None:
    """By its template a route is inference; one without, and a path without a route, are not."""
    with serving(service.app) as port:
        assert ask(port, "/v1/plain")[:2] == (200, b'"ok"')
        assert ask(port, "/other")[0] == 200
        assert ask(port, "/v2/plain")[0] == 404
        assert ask(port, "/v1/nothing-there")[0] == 404  # the client's mistake
    assert (red.ok, red.failed, red.timed, red.first_items, red.in_flight) == (2, 0, 2, 0, 0)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/broken", 500, "value_error"),
        ("/v1/late", 500, "timeout"),
        ("/v1/busy", 503, "http_503"),
        ("/v1/refuse", 502, "http_502"),
        ("/v1/oom", 200, "oom"),
    ],
)
def test_failures(red: Red, service: Service, path: str, status: int, error: str) -> None:
    """Exceptions keep their type; what the framework answers has that of its status."""
    with serving(service.app) as port:
        assert ask(port, path)[0] == status
    assert (red.errors, red.ok, red.in_flight) == ({error: 1}, 0, 0)


def test_a_stream_is_in_flight_to_its_last_part(red: Red, service: Service) -> None:
    """The time to the first token is measured while the stream goes on."""
    with serving(service.app) as port, asking(port, "/v1/stream") as answer:
        assert answer.read(4) == b"one "
        until(lambda: service.waiting)
        assert (red.in_flight, red.first_items, red.timed) == (1, 1, 0)
        service.go.set()
        assert answer.read() == b"two"
        until(lambda: red.ok)
    assert (red.in_flight, red.first_items, red.timed) == (0, 1, 1)


def test_a_client_that_leaves_in_the_middle_of_a_stream(red: Red, service: Service) -> None:
    """The request is cancelled when the client is gone, although the rest was never sent."""
    with serving(service.app) as port:
        with asking(port, "/v1/stream") as answer:
            assert answer.read(4) == b"one "
            until(lambda: service.waiting)
        until(lambda: red.failed)
        service.go.set()
    assert (red.errors, red.ok, red.in_flight) == ({"cancelled": 1}, 0, 0)


def test_a_server_that_will_not_wait(red: Red, service: Service) -> None:
    """What the server cancels when it shuts down is cancelled."""
    with (
        ThreadPoolExecutor(1) as pool,
        serving(service.app, timeout_graceful_shutdown=0.01) as port,
    ):
        pool.submit(ask, port, "/v1/wait")
        until(lambda: service.waiting)
    assert (red.errors, red.in_flight) == ({"cancelled": 1}, 0)


def test_background_tasks_come_after_the_request(red: Red, service: Service) -> None:
    """A request with work left over has ended for whoever asked, and so it has here."""
    with serving(service.app) as port, asking(port, "/v1/after") as answer:
        assert answer.read() == b'"ok"'
        until(lambda: service.waiting and red.ok)
        assert (red.ok, red.in_flight) == (1, 0)
        service.go.set()


def test_requests_at_the_same_time(red: Red, service: Service) -> None:
    """Each is in flight by itself, and none is lost."""
    with ThreadPoolExecutor(20) as pool, serving(service.app) as port:
        answers = [pool.submit(ask, port, "/v1/wait") for _ in range(20)]
        until(lambda: service.waiting == 20)
        assert red.in_flight == 20
        service.go.set()
        assert {each.result()[0] for each in answers} == {200}
    assert (red.ok, red.in_flight, red.timed) == (20, 0, 20)


def test_a_file_is_no_stream(red: Red, service: Service) -> None:
    """A body whose length is told is sent in parts, and has no first item."""
    with serving(service.app) as port:
        assert ask(port, "/v1/file")[0] == 200
    assert (red.ok, red.first_items) == (1, 0)


def test_a_mounted_application_is_measured_by_its_own_routes(red: Red, service: Service) -> None:
    """Its templates are relative to the mount, also behind a proxy's prefix."""
    outer = Starlette(routes=[Mount("/api", app=service.app)])
    with serving(outer) as port:
        assert ask(port, "/api/v1/plain")[0] == 200
    with serving(outer, root_path="/proxied") as port:
        assert ask(port, "/api/v1/plain")[0] == 200
    assert red.ok == 2


def test_a_mounted_application_is_measured_from_outside(red: Red, service: Service) -> None:
    """The outer middleware measures what it knows, and the inner one the rest; nobody twice."""
    outer = Starlette(routes=[Mount("/api", app=service.app)])
    outer.add_middleware(ButterflyMiddleware, method={"/api/v1/plain": "inference"})
    with serving(outer) as port:
        assert ask(port, "/api/v1/plain")[0] == 200
        until(lambda: red.ok == 1)
        assert ask(port, "/api/v1/file")[0] == 200
    assert red.ok == 2


def test_the_route_can_be_told_to_a_function(start: Start) -> None:
    """``route_of`` is the template that the request is going to take, through mounts as well."""
    measured, seen = start(), []

    def method(scope: Any) -> Any:
        seen.append(route_of(scope))
        return {"/v1/{name}": "checkpoint"}.get(route_of(scope) or "")

    async def answer(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    inner = Starlette(routes=[Route("/deep/{number:int}", answer)])
    app = FastAPI()
    app.add_middleware(ButterflyMiddleware, method=method)
    app.add_route("/v1/{name}", answer)
    app.add_route("/only-post", answer, methods=["POST"])
    app.mount("/api", inner)
    router, nested = APIRouter(prefix="/v2"), APIRouter(prefix="/more")
    nested.add_api_route("/{name}", lambda name: name)
    router.include_router(nested)
    app.include_router(router)
    with serving(app) as port:
        for path in (
            "/v1/a",
            "/v1/b",
            "/api/deep/3",
            "/api/deep/x",
            "/none",
            "/only-post",
            "/v2/more/x",
        ):
            ask(port, path)
    assert seen == ["/v1/{name}"] * 2 + [
        "/api/deep/{number:int}",
        None,
        None,
        None,
        "/v2/more/{name}",
    ]
    assert Red(measured, "checkpoint").ok == 2
    assert route_of({"type": "http", "path": "/"}) is None
