"""The ASGI middleware, with applications of a few lines and a server's part played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.integrations.asgi import ButterflyMiddleware, ClientDisconnect, fail
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.web.support import END, START, Server, part, scope_of

Start = Callable[..., Any]


def answering(*messages: dict[str, Any]) -> Any:
    """Return an application that sends these messages."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(dict(message))

    return app


def drive(app: Any, scope: dict[str, Any] | None = None, server: Server | None = None) -> Server:
    """Have one request of ``/go`` handled."""
    server = server or Server()
    asyncio.run(app(scope or scope_of("/go"), server.receive, server.send))
    return server


def measuring(app: Any, **settings: Any) -> ButterflyMiddleware:
    """Return an application measured at ``/go``."""
    return ButterflyMiddleware(app, **{"method": {"/go": "inference"}, **settings})


def test_a_request_is_counted_and_timed_and_passed_on(red: Red) -> None:
    """The server sees every message as it was sent, and the RED set has one success."""
    server = drive(measuring(answering(START, END)))
    assert server.sent == [START, END]
    assert (red.ok, red.failed, red.in_flight, red.timed, red.first_items) == (1, 0, 0, 1, 0)


def test_it_ends_with_the_last_part_of_the_body(red: Red) -> None:
    """What runs after the body is neither in flight, nor can it fail the request any more."""
    seen: list[tuple[float, float]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in (START, part()):
            await send(message)
        seen.append((red.in_flight, red.ok))
        await send(END)
        seen.append((red.in_flight, red.ok))
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        drive(measuring(app))
    assert seen == [(1, 0), (0, 1)]
    assert (red.ok, red.failed) == (1, 0)


@pytest.mark.parametrize(
    ("messages", "first_items"),
    [
        ([START, part(), part(), END], 1),
        ([START, part(b""), part(), END], 1),
        ([START, part(b""), END], 0),
        ([{**START, "headers": [(b"Content-Length", b"5")]}, part(), END], 0),
        ([START, {"type": "http.response.pathsend", "path": "/x"}], 0),
        ([START, {"type": "http.response.zerocopysend", "file": 3, "more_body": True}, END], 0),
    ],
)
def test_only_streams_have_a_first_item(
    red: Red, messages: list[dict[str, Any]], first_items: int
) -> None:
    """A stream is a body in parts whose length is not told; its first part counts, once."""
    drive(measuring(answering(*messages)))
    assert (red.ok, red.first_items, red.in_flight) == (1, first_items, 0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (302, None),
        (404, None),
        (429, None),
        (500, "http_500"),
        (503, "http_503"),
        (504, "timeout"),
        (599, "http_5xx"),
    ],
)
def test_a_status_is_a_success_below_500(red: Red, status: int, error: str | None) -> None:
    """The client's mistakes are not the service's errors; statuses nobody knows are one type."""
    drive(measuring(answering({**START, "status": status}, END)))
    assert red.errors == ({} if error is None else {error: 1})
    assert (red.ok, red.failed) == ((1, 0) if error is None else (0, 1))


def test_the_application_may_judge_statuses_itself(red: Red) -> None:
    """A function of the status decides; where it raises, it is logged and the status is none."""
    app = measuring(
        answering({**START, "status": 429}, END), failed=lambda status: {429: "overload"}[status]
    )
    drive(app)
    assert red.errors == {"overload": 1}
    drive(measuring(answering(START, END), failed=lambda status: {429: "overload"}[status]))
    assert red.ok == 1


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (ValueError("no"), "value_error"),
        (TimeoutError(), "timeout"),
        (MemoryError(), "oom"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
def test_what_is_raised_is_classified(red: Red, error: BaseException, error_type: str) -> None:
    """An exception goes on to the server, and is an error of the decorators' types."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        drive(measuring(app))
    assert (red.errors, red.in_flight) == ({error_type: 1}, 0)


def test_more_error_types(red: Red) -> None:
    """``errors`` extends the types, and may say that one is no error."""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        raise scope["error"]

    measured = measuring(app, errors={KeyError: "byzantine_fault", ClientDisconnect: None})
    with pytest.raises(KeyError):
        drive(measured, scope_of("/go", error=KeyError()))
    assert red.errors == {"byzantine_fault": 1}
    with pytest.raises(ClientDisconnect):
        drive(measured, scope_of("/go", error=ClientDisconnect()))
    assert red.ok == 1


def test_a_cancelled_task_is_a_cancelled_request(red: Red) -> None:
    """A server that gives up a request ends it at once."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        server = Server()
        task = asyncio.create_task(measuring(app)(scope_of("/go"), server.receive, server.send))
        await asyncio.sleep(0)
        assert red.in_flight == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert (red.errors, red.in_flight) == ({"cancelled": 1}, 0)


def test_a_client_that_is_gone_before_the_end(red: Red) -> None:
    """Told so, an application may go on or return: either way nobody had the response."""

    async def going_on(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await receive()
        await send(END)

    async def returning(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await receive()

    drive(measuring(going_on))
    drive(measuring(returning))
    assert red.errors == {"cancelled": 2}
    # After the end it is nothing.
    drive(measuring(ending_first))
    assert (red.ok, red.failed) == (1, 2)


async def ending_first(_scope: Any, receive: Any, send: Any) -> None:
    """Answer, then notice that the client is gone."""
    await send(START)
    await send(END)
    await receive()


def test_a_send_that_fails_says_that_the_client_is_gone(red: Red) -> None:
    """Servers may raise OSError on a closed connection; it is no network error of the service."""
    with pytest.raises(OSError, match=r"^$"):
        drive(measuring(answering(START, END)), server=Server(closed=True))
    assert red.errors == {"cancelled": 1}


def test_an_application_that_returns_without_a_response(red: Red) -> None:
    """Without the end of a body there is no success, whatever the status."""
    drive(measuring(answering()))
    drive(measuring(answering(START, part())))
    assert (red.errors, red.in_flight) == ({"incomplete_response": 2}, 0)


def test_handlers_may_know_better_than_the_status(red: Red) -> None:
    """``fail()`` beats a 200 and a 503 alike, and is nothing where nothing is measured."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        fail(scope, "oom")
        await send(START)
        await send(END)

    async def busy(scope: Any, _receive: Any, send: Any) -> None:
        fail(scope, "oom")
        await send({**START, "status": 503})
        await send(END)

    drive(measuring(app))
    drive(app)
    assert (red.ok, red.errors) == (0, {"oom": 1})
    drive(measuring(busy))
    assert red.errors == {"oom": 2}


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_scopes_pass_through(red: Red, kind: str) -> None:
    """Websockets and lifespans get the server's own ends, and are no requests."""
    got: list[Any] = []

    async def app(*given: Any) -> None:
        got.extend(given)

    scope, server = {**scope_of("/go"), "type": kind}, Server()
    asyncio.run(measuring(app)(scope, server.receive, server.send))
    assert got == [scope, server.receive, server.send]
    assert (red.ok, red.failed) == (0, 0)


def test_one_request_is_measured_once(red: Red) -> None:
    """Of two middlewares the outer one measures, unless it does not know the method."""
    app = answering(START, END)
    drive(measuring(measuring(app)))
    assert red.ok == 1
    drive(measuring(measuring(app), method={}))
    assert red.ok == 2


def test_the_method_may_come_from_a_function(start: Start) -> None:
    """A function of the scope names the method; None, or where it raises: not measured."""
    measured = start()
    red = Red(measured, "checkpoint")
    app = measuring(answering(START, END), method=lambda scope: scope["asked"])
    drive(app, scope_of("/go", asked="checkpoint"))
    drive(app, scope_of("/go", asked=None))
    drive(app, scope_of("/go"))
    assert red.ok == 1
    assert len(measured.points("butterfly_requests_total")) == 1


def test_a_method_outside_the_contract_is_mended_and_counted(start: Start) -> None:
    """What a function invents can't become a label value."""
    measured = start()
    drive(measuring(answering(START, END), method=lambda _scope: "/etc/passwd"))
    [point] = measured.points("butterfly_requests_total")
    assert point.attributes["method"] == "other"
    assert measured.points("butterfly_otel_label_violations_total") != []


def test_the_role_may_be_another(start: Start) -> None:
    """``node_role`` is the label's, and of an observer there is the total alone."""
    measured = start()
    drive(measuring(answering(START, END), node_role="compute"))
    assert Red(measured, role="compute").ok == 1


def test_nothing_is_measured_before_configure(start: Start) -> None:
    """A request that begins before configure() stays unmeasured, however it ends."""
    measured: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if not measured:
            measured.append(start())
        await send(START)
        await send(END)

    whole = measuring(app)
    drive(whole)
    red = Red(measured[0])
    assert (red.ok, red.in_flight) == (0, 0)
    drive(whole)
    assert (red.ok, red.in_flight) == (1, 0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "inference"}, "pass a mapping"),
        ({"method": {"/go": "infer"}}, "the route '/go' has the method 'infer'"),
        ({"method": {"go": "inference"}}, "'go' is no template"),
        ({"method": {"get /go": "inference"}}, "'get /go' is no template"),
        ({"method": {"/go?fast=1": "inference"}}, r"'/go\?fast=1' is no template"),
        ({"method": {"/go/{the-id}": "inference"}}, "'/go/{the-id}' is no template"),
        ({"node_role": "boss"}, "node_role is 'boss'"),
        ({"errors": {"Nameless": "x"}}, "error types have the key"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], said: str) -> None:
    """Each mistake is a sentence where the middleware is made."""
    with pytest.raises(ConfigurationError, match=said):
        measuring(answering(), **settings)
