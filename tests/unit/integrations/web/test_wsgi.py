"""The WSGI middleware, on wsgiref's server over loopback."""

from __future__ import annotations

import gc
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import ConfigurationError
from butterfly_otel.integrations.wsgi import ButterflyMiddleware, fail, metrics_app
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.web.support import ask, until

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., Any]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass

    def get_stderr(self) -> Any:
        return io.StringIO()


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """Serve an application by wsgiref in a thread; give its port."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def measuring(app: Any, **settings: Any) -> ButterflyMiddleware:
    """Return an application measured at ``/go``."""
    return ButterflyMiddleware(app, **{"method": {"/go": "inference"}, **settings})


def answering(body: Any, status: str = "200 OK", headers: Any = ()) -> Any:
    """Return an application that answers with what ``body()`` returns."""

    def app(_environ: Any, start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return body()

    return app


def environ_of(**more: Any) -> dict[str, Any]:
    """Return the environ of a request of ``/go``."""
    environ: dict[str, Any] = {"PATH_INFO": "/go", **more}
    setup_testing_defaults(environ)
    return environ


def call(app: Any, **more: Any) -> Any:
    """Call an application as a server would; return the body, not read yet."""
    return app(environ_of(**more), lambda *_args: None)


def test_a_body_with_a_length_is_complete_when_it_is_returned(red: Red) -> None:
    """The server gets the very list, from which it derives Content-Length."""
    with serving(validator(measuring(validator(answering(lambda: [b"done"]))))) as port:
        assert ask(port, "/go")[:2] == (200, b"done")
    body = [b"done"]
    assert call(measuring(answering(lambda: body))) is body
    with serving(measuring(answering(lambda: body))) as port:
        assert ask(port, "/go")[2]["content-length"] == "4"
        assert ask(port, "/other")[0] == 200
    assert (red.ok, red.failed, red.in_flight, red.timed, red.first_items) == (3, 0, 0, 3, 1)


def test_a_stream_is_in_flight_to_its_last_part(red: Red) -> None:
    """The time to the first part is measured, once; parts without bytes are none."""
    seen: list[tuple[float, int]] = []

    def parts() -> Iterable[bytes]:
        for part in (b"", b"one ", b"two"):
            yield part
            seen.append((red.in_flight, red.first_items))

    with serving(measuring(answering(parts))) as port:
        assert ask(port, "/go")[:2] == (200, b"one two")
    assert seen == [(1, 0), (1, 1), (1, 1)]
    assert (red.ok, red.in_flight, red.first_items, red.timed) == (1, 0, 1, 1)


def test_a_body_whose_length_is_told_is_no_stream(red: Red) -> None:
    """Parts of a body with Content-Length have no first item."""
    app = measuring(answering(lambda: iter([b"on", b"e"]), headers=[("content-Length", "3")]))
    with serving(app) as port:
        assert ask(port, "/go")[:2] == (200, b"one")
    assert (red.ok, red.first_items) == (1, 0)


def test_the_start_may_come_with_the_first_part(red: Red) -> None:
    """A generator that starts its response late fails by the status it then gives."""

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("503 Busy", [("Content-Type", "text/plain")])
        yield b"busy"

    with serving(measuring(app)) as port:
        assert ask(port, "/go")[0] == 503
    assert red.errors == {"http_503": 1}


def test_statuses(red: Red) -> None:
    """Below 500 is a success; a function may decide otherwise."""
    for status in ("404 Not Found", "504 Late", "sure", "599 Odd"):
        call(measuring(answering(list, status)))
    call(measuring(answering(list, "429 Slow"), failed={429: "overload"}.get))
    assert (red.ok, red.errors) == (2, {"timeout": 1, "http_5xx": 1, "overload": 1})


def test_what_is_raised_is_classified(red: Red) -> None:
    """An exception goes on to the server, before the body or in the middle of it."""

    def broken(*_args: Any) -> Any:
        raise TimeoutError

    def parts() -> Iterable[bytes]:
        yield b"one"
        raise MemoryError

    with serving(measuring(broken)) as port:
        assert ask(port, "/go")[0] == 500
    body = call(measuring(answering(parts)))
    assert next(body) == b"one"
    with pytest.raises(MemoryError):
        next(body)
    body.close()
    assert (red.errors, red.in_flight) == ({"timeout": 1, "oom": 1}, 0)


def test_an_application_that_answers_its_own_exception(red: Red) -> None:
    """The exception given to start_response says more than the status."""

    def app(_environ: Any, start_response: Any) -> Any:
        error = TimeoutError()
        start_response("500 Oh", [], (type(error), error, None))
        return []

    with serving(measuring(app)) as port:
        assert ask(port, "/go")[0] == 500
    assert red.errors == {"timeout": 1}


def test_handlers_may_know_better_than_the_status(red: Red) -> None:
    """``fail()`` takes the environ."""

    def app(environ: Any, start_response: Any) -> Any:
        fail(environ, "oom")
        start_response("200 OK", [])
        return []

    call(measuring(app))
    assert red.errors == {"oom": 1}


def test_a_client_that_leaves_in_the_middle(red: Red) -> None:
    """The server drops the body when it can't be sent, whether or not it closes it."""

    def endless() -> Iterable[bytes]:
        while True:
            yield b"x" * 65536

    with (
        serving(measuring(answering(endless))) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"GET /go HTTP/1.0\r\n\r\n")
        assert client.recv(4096)
        client.shutdown(socket.SHUT_RDWR)
        client.close()
        until(lambda: (gc.collect(), red.failed)[1])
    assert (red.errors, red.in_flight) == ({"cancelled": 1}, 0)


def test_a_body_closed_before_its_end(red: Red) -> None:
    """Closing closes the application's body, and cancels; a HEAD needs no body to succeed."""
    closed: list[str] = []

    def parts() -> Iterable[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append("closed")

    body = call(measuring(answering(parts)))
    next(body)
    body.close()
    body.close()
    assert closed == ["closed"]
    call(measuring(answering(parts)), REQUEST_METHOD="HEAD").close()
    assert (red.errors, red.ok, red.in_flight) == ({"cancelled": 1}, 1, 0)


def test_a_body_that_is_dropped(red: Red) -> None:
    """A server that forgets to close what it has not read to the end has no request in flight."""
    body = call(measuring(answering(lambda: iter([b"one", b"two"]))))
    next(body)
    assert red.in_flight == 1
    del body
    gc.collect()
    assert (red.errors, red.in_flight) == ({"cancelled": 1}, 0)


def test_a_file_stays_one_that_the_server_can_send_itself(red: Red) -> None:
    """The server's own file wrapper is handed on, and the request ends when it is closed."""
    file = io.BytesIO(b"weights")
    made: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        made.append(environ["wsgi.file_wrapper"](file))
        return made[0]

    body = call(measuring(app), **{"wsgi.file_wrapper": FileWrapper})
    assert body is made[0]
    assert (red.in_flight, red.ok) == (1, 0)
    body.close()
    assert file.closed
    assert (red.in_flight, red.ok) == (0, 1)


def test_a_file_wrapper_that_takes_no_attributes_is_measured_part_by_part(red: Red) -> None:
    """Such as one written in C: it is copied, and measured all the same."""

    class Fixed:
        __slots__ = ()

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

    body = call(measuring(answering(Fixed)), **{"wsgi.file_wrapper": Fixed})
    assert list(body) == [b"a"]
    assert red.ok == 1


def test_paths_are_text_and_one_request_is_measured_once(red: Red) -> None:
    """A template may have any letter; of two middlewares the outer one measures."""
    app = measuring(measuring(answering(list)), method={"/über/{x}": "inference"})
    call(app, PATH_INFO="/über/a".encode().decode("latin-1"))
    call(measuring(measuring(answering(list))))
    assert red.ok == 2


def test_the_method_may_come_from_a_function(start: Start) -> None:
    """A function of the environ names the method; None is not measured."""
    measured = start()
    app = measuring(answering(list), method=lambda environ: environ.get("asked"))
    call(app, asked="checkpoint")
    call(app)
    assert Red(measured, "checkpoint").ok == 1
    assert len(measured.points("butterfly_requests_total")) == 1


def test_wrong_settings_are_refused_at_once() -> None:
    """Each mistake is a sentence where the middleware is made."""
    for settings in ({"method": "x"}, {"method": {"go": "inference"}}, {"node_role": "boss"}):
        with pytest.raises(ConfigurationError):
            measuring(answering(list), **settings)


def test_metrics_share_the_port() -> None:
    """``metrics_app`` serves whatever is configured."""
    with serving(metrics_app()) as port:
        assert ask(port, "/metrics")[0] == 500
        butterfly_otel.configure(
            node_id="n", node_role="compute", prometheus_server=False, registry=CollectorRegistry()
        )
        assert b"# TYPE butterfly_requests_total counter" in ask(port, "/metrics")[1]
