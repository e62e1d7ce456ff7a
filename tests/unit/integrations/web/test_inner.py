"""Responses behind a ``BaseHTTPMiddleware``, which ends them by itself and raises afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import starlette
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from butterfly_otel.integrations.asgi import ButterflyMiddleware
from butterfly_otel.integrations.inner import Watched
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.web.support import END, START, part, scope_of

pytestmark = [
    pytest.mark.timeout(60),
    # Old releases of Starlette leave what their middleware reads from unclosed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class BrokenError(Exception):
    """What goes wrong in the middle."""


class Client:
    """A client that waits for its answer, or leaves after the first part of it."""

    def __init__(self, *, leaves: bool = False) -> None:
        self.sent: list[dict[str, Any]] = []
        self._asked = False
        self._gone = asyncio.Event()
        self._leaves = leaves

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self._gone.is_set():
            raise OSError
        self.sent.append(message)
        if self._leaves and message.get("body"):
            self._gone.set()


def drive(app: Any, *, leaves: bool = False, **scope: Any) -> BaseException | None:
    """Have one request of ``/go`` handled; return what the server gets to see of an error."""

    async def main() -> BaseException | None:
        client = Client(leaves=leaves)
        asked = {**scope_of("/go"), "query_string": b"", "root_path": "", **scope}
        try:
            await app(asked, client.receive, client.send)
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            return error
        return None

    try:
        return asyncio.run(main())
    finally:
        if starlette.__version__.startswith("0."):
            gc.collect()  # what they leave, and Python tells of, is not another test's


class Plain(BaseHTTPMiddleware):
    """What most of them do: nothing to the response."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


class Overriding(Plain):
    """One that has a ``__call__`` of its own."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send)


async def failing(_request: Any = None) -> Response:
    """Answer with a stream that fails in the middle."""

    async def tokens() -> AsyncIterator[bytes]:
        yield b"one"
        raise BrokenError

    return StreamingResponse(tokens())


async def failing_at_once(_request: Any = None) -> Response:
    """Answer with a stream that fails before its first part."""

    async def tokens() -> AsyncIterator[bytes]:
        if tokens:
            raise BrokenError
        yield b""

    return StreamingResponse(tokens())


async def failing_in_a_thread(_request: Any = None) -> Response:
    """Answer with an ordinary iterator, which Starlette runs in a thread."""

    def tokens() -> Iterator[bytes]:
        yield b"one"
        raise BrokenError

    return StreamingResponse(tokens())


async def in_the_background() -> None:
    """Fail after the response."""
    raise BrokenError


async def later_in_the_background() -> None:
    """Fail after the response, when others have had their turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    raise BrokenError


def measured(endpoint: Any, *middleware: Any) -> ButterflyMiddleware:
    """Return an application with such middleware inside ours, the outermost first."""
    app = Starlette(
        routes=[Route("/go", endpoint)], middleware=[Middleware(each) for each in middleware]
    )
    return ButterflyMiddleware(app, method={"/go": "inference"})


@pytest.mark.parametrize("endpoint", [failing, failing_at_once, failing_in_a_thread])
@pytest.mark.parametrize("middleware", [(), (Plain,), (Overriding,), (Plain, Overriding, Plain)])
def test_a_stream_that_fails_midway_is_an_error(
    red: Red, endpoint: Any, middleware: tuple[Any, ...]
) -> None:
    """However many middlewares stand between, the request has the error of its stream."""
    app = measured(endpoint, *middleware)
    for _ in range(2):
        assert drive(app) is not None
    assert (red.errors, red.ok, red.in_flight) == ({"broken_error": 2}, 0, 0)


def test_a_stream_that_fails_midway_in_fastapi(red: Red) -> None:
    """``@app.middleware("http")`` is such a middleware, inside of ours and outside alike."""
    app = FastAPI()

    @app.middleware("http")
    async def inside(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(ButterflyMiddleware, method={"/go": "inference"})

    @app.middleware("http")
    async def outside(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.add_api_route("/go", failing, response_model=None)
    assert drive(app) is not None
    assert (red.errors, red.ok, red.in_flight) == ({"broken_error": 1}, 0, 0)


def test_a_stream_that_fails_midway_in_a_mounted_application(red: Red) -> None:
    """The middleware of an application further inside hides no failure either."""
    inner = Starlette(routes=[Route("/go", failing)], middleware=[Middleware(Plain)])
    outer = Starlette(routes=[Mount("/api", app=inner)])
    app = ButterflyMiddleware(outer, method={"/api/go": "inference"})
    assert drive(app, path="/api/go") is not None
    assert (red.errors, red.ok, red.in_flight) == ({"broken_error": 1}, 0, 0)


@pytest.mark.parametrize("task", [in_the_background, later_in_the_background])
@pytest.mark.parametrize("kind", [Response, JSONResponse, PlainTextResponse, StreamingResponse])
@pytest.mark.parametrize("middleware", [(), (Plain,), (Plain, Overriding, Plain)])
def test_a_background_task_that_fails_is_not_the_request(
    red: Red, kind: Any, task: Any, middleware: tuple[Any, ...]
) -> None:
    """A response that is whole is a success, whatever goes wrong behind it."""

    async def answer(_request: Any) -> Response:
        tasks = BackgroundTasks([BackgroundTask(task)])
        return kind(
            iter([b"a", b"b"]) if kind is StreamingResponse else b"ok".decode(), background=tasks
        )

    drive(measured(answer, *middleware))
    assert (red.ok, red.errors, red.in_flight) == (1, {}, 0)


@pytest.mark.parametrize("middleware", [(), (Plain,), (Plain, Plain)])
def test_an_application_that_raises_after_its_end(red: Red, middleware: tuple[Any, ...]) -> None:
    """Without Starlette's responses it is the same: what is whole is a success."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in (START, part(), END):
            await send(dict(message))
        raise BrokenError

    for each in middleware:
        app = each(app)
    drive(ButterflyMiddleware(app, method={"/go": "inference"}))
    assert (red.ok, red.errors, red.in_flight) == (1, {}, 0)


@pytest.mark.parametrize("middleware", [(), (Plain,), (Plain, Plain)])
def test_an_application_that_returns_before_its_end(red: Red, middleware: tuple[Any, ...]) -> None:
    """The end that a middleware makes up does not complete the response."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in (START, part()):
            await send(dict(message))

    for each in middleware:
        app = each(app)
    assert drive(ButterflyMiddleware(app, method={"/go": "inference"})) is None
    assert (red.ok, red.errors, red.in_flight) == (0, {"incomplete_response": 1}, 0)


@pytest.mark.parametrize("middleware", [(), (Plain,), (Plain, Plain)])
def test_a_stream_that_is_cancelled_from_within(red: Red, middleware: tuple[Any, ...]) -> None:
    """A task group swallows a cancellation; the request is cancelled nevertheless."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in (START, part()):
            await send(dict(message))
        raise asyncio.CancelledError

    for each in middleware:
        app = each(app)
    drive(ButterflyMiddleware(app, method={"/go": "inference"}))
    assert (red.ok, red.errors, red.in_flight) == (0, {"cancelled": 1}, 0)


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("middleware", [(), (Plain,), (Plain, Plain)])
def test_a_client_that_leaves_midway(red: Red, version: str, middleware: tuple[Any, ...]) -> None:
    """A disconnect is one, through any number of middlewares."""

    async def answer(_request: Any) -> Response:
        async def tokens() -> AsyncIterator[bytes]:
            yield b"one"
            if version == "2.3":  # then Starlette asks for the disconnect, else sending fails
                await asyncio.Event().wait()
            yield b"two"

        return StreamingResponse(tokens())

    drive(measured(answer, *middleware), leaves=True, asgi={"spec_version": version})
    assert (red.ok, red.errors, red.in_flight) == (0, {"cancelled": 1}, 0)


def test_a_middleware_that_answers_in_place_of_a_failed_handler(red: Red) -> None:
    """An error that a middleware catches, and answers by itself, is judged by its status."""

    class Catching(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            try:
                return await call_next(request)
            except BrokenError:
                return PlainTextResponse("later", 429)

    async def answer(_request: Any) -> Response:
        raise BrokenError

    assert drive(measured(answer, Catching)) is None
    assert (red.ok, red.errors, red.in_flight) == (1, {}, 0)


def test_a_middleware_that_answers_in_place_of_a_stream(red: Red) -> None:
    """What is dropped unread, or was never asked, decides nothing."""

    class Replacing(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            await call_next(request)
            return PlainTextResponse("cached")

    class Answering(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:  # noqa: ARG002
            return PlainTextResponse("cached")

    async def answer(_request: Any) -> Response:
        return StreamingResponse(iter([b"one", b"two"]))

    for middleware in (Replacing, Answering):
        assert drive(measured(answer, middleware)) is None
    assert (red.ok, red.errors, red.in_flight) == (2, {}, 0)


def test_a_stream_that_is_over_while_a_task_runs(red: Red) -> None:
    """The request ends with the body: a background task is not in flight."""
    seen: list[tuple[float, float]] = []

    async def look() -> None:
        seen.append((red.ok, red.in_flight))

    async def answer(_request: Any) -> Response:
        return StreamingResponse(iter([b"one"]), background=BackgroundTask(look))

    assert drive(measured(answer, Plain)) is None
    assert seen == [(1, 0)]


@pytest.mark.parametrize("behind", [(), (Plain,), (Plain, Plain)])
@pytest.mark.parametrize("answered", ["in one", "in parts"])
def test_a_dependency_that_fails_behind_the_response(
    red: Red, behind: tuple[Any, ...], answered: str
) -> None:
    """FastAPI's ``yield``: where it ends after the response, its error is not the request's."""

    async def dependency() -> AsyncIterator[int]:
        yield 1
        raise BrokenError

    app = FastAPI()

    async def go(_one: int = Depends(dependency)) -> Any:
        return StreamingResponse(iter([b"one", b"two"])) if answered == "in parts" else "ok"

    app.add_api_route("/go", go, response_model=None)
    for each in behind:
        app.add_middleware(each)
    app.add_middleware(ButterflyMiddleware, method={"/go": "inference"})
    sent: list[Any] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            sent.append(message.get("status"))
            await send(message)

        await app(scope, receive, note)

    drive(noting)
    # Releases before 0.118 end it before the response, which is then one of the status 500.
    whole = sent[0] == 200
    assert (red.ok, red.errors) == ((1, {}) if whole else (0, {"broken_error": 1}))


def test_a_response_that_never_starts(red: Red) -> None:
    """An application that returns nothing is an error with and without a middleware."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    drive(ButterflyMiddleware(app, method={"/go": "inference"}))
    drive(ButterflyMiddleware(Plain(app), method={"/go": "inference"}))
    assert (red.ok, red.failed, red.in_flight) == (0, 2, 0)


def test_what_is_inside_can_still_be_looked_at() -> None:
    """Attributes of the application inside are those of the application."""
    app = Starlette()
    assert Watched(app).routes is app.routes
    with contextlib.suppress(AttributeError):
        raise AssertionError(Watched(app).nothing_of_the_kind)
