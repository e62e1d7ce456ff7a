"""Requests of any ASGI application: total by status, errors by type, in flight, duration.

::

    from butterfly_otel.integrations.asgi import ButterflyMiddleware

    app = ButterflyMiddleware(app, method={"POST /v1/generate": "inference"})

or, with FastAPI and Starlette::

    app.add_middleware(ButterflyMiddleware, method={"POST /v1/generate": "inference"})

================  ==================================================================================
begins            before the application is called
ends              when the last part of the body is sent; background tasks come after it
first item        first part of a body without Content-Length that is sent in parts
error             a status of 500 or more (``http_503``; 504 is ``timeout``), and what is raised, by
                  the decorators' error types; ``incomplete_response`` where the application returns
                  before the body is complete. What happens inside a ``BaseHTTPMiddleware`` of
                  Starlette counts, although that ends the body by itself
cancelled         the application's task is cancelled, or it is told before the end of the body that
                  the client is gone
not measured      requests whose ``method`` is None; websockets, which are sessions rather than
                  requests: measure each message with ``with request(method=...)``; lifespans
================  ==================================================================================

A request that goes through several of these, as in a mounted application that has its own, is
measured by the outermost that knows its method. Needs no extra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from butterfly_otel.decorators.red import Method, RequestCall
from butterfly_otel.decorators.red_series import series
from butterfly_otel.exporters.prometheus.serving.asgi import make_asgi_app, route_path
from butterfly_otel.integrations.http import (
    KEY,
    ClientDisconnect,
    HttpMiddleware,
    StatusFailed,
    fail,
    failed_by_status,
    told_length,
)
from butterfly_otel.integrations.inner import EXCHANGE, ends_body, watch
from butterfly_otel.integrations.refusal import Late
from butterfly_otel.integrations.scraping import CurrentGate, CurrentMetrics, CurrentSite
from butterfly_otel.integrations.templates import routes_within

if TYPE_CHECKING:
    from butterfly_otel.decorators.error_types import Entries, ErrorTypes
    from butterfly_otel.decorators.red import Role
    from butterfly_otel.exporters.prometheus.serving.asgi import (
        ASGIApp,
        Message,
        Receive,
        Scope,
        Send,
    )
    from butterfly_otel.integrations.methods import RouteMethods

__all__ = ["ButterflyMiddleware", "ClientDisconnect", "fail", "failed_by_status", "metrics_app"]

#: Names what a request asks for by its scope; None where it is not to be measured.
ScopeMethod: TypeAlias = Callable[[Any], "Method | None"]


class ButterflyMiddleware(HttpMiddleware, metaclass=Late):
    """Measures the requests of an ASGI application by the RED method.

    Works in any server and event loop. In production it raises nothing; in strict mode a label
    that breaks the contract raises as in the decorators.

    Args:
        app: The application.
        method: What is asked for: a mapping of route templates (see
            :class:`~butterfly_otel.integrations.methods.Routes`), or a function of the scope
            that returns the method or None. Raw paths never become label values.
        node_role: Role of the node; by default the one given to ``configure()``.
        errors: Which exception is which error type, as in :func:`~butterfly_otel.request`.
        failed: Takes a status and returns the error type it stands for, or None for a success;
            by default what is below 500 is one.

    Raises:
        ConfigurationError: When an argument is wrong. Where Starlette or FastAPI makes the
            middleware, which is when a server calls them, the server's start is refused instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        method: RouteMethods | ScopeMethod,
        node_role: Role | None = None,
        errors: ErrorTypes | Entries | None = None,
        failed: StatusFailed = failed_by_status,
    ) -> None:
        self.app = app
        self._watched = watch()
        super().__init__(method, node_role, errors, failed, asked_of="a scope", where=_asked_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or whatever else the scope is for."""
        if scope["type"] != "http" or KEY in scope:
            if scope["type"] == "lifespan" and routes_within(self.app) is not None:
                send = self._telling(send)
            await self.app(scope, receive, send)
            return
        self.tell(self.app)
        method = self._method_of(scope)
        if method is None:
            await self.app(scope, receive, send)
            return
        red = series(method, self._role)
        if not red.on:
            await self.app(scope, receive, send)
            return
        call = RequestCall(red, self._types)
        exchange = _Exchange(call, self._failed, receive, send)
        self._watched = self._watched or watch()
        scope[KEY], scope[EXCHANGE] = call, exchange
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.raised(error)
            raise
        exchange.returned()

    def _telling(self, send: Send) -> Send:
        """Return what tells of templates once the application has started, its routes complete."""

        async def telling(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.tell(self.app)
            await send(message)

        return telling


def _asked_for(scope: Scope) -> tuple[str, str]:
    return scope["method"], route_path(scope) or "/"


class _Exchange:
    """What goes back and forth between the server and the application for one request."""

    __slots__ = ("_call", "_ended", "_failed", "_gone", "_inside", "_receive", "_send", "_start")

    def __init__(
        self, call: RequestCall, failed: StatusFailed, receive: Receive, send: Send
    ) -> None:
        self._call = call
        self._failed = failed
        self._receive = receive
        self._send = send
        self._gone = self._ended = False
        # The message by which the response has started; None where it is known to be no stream.
        self._start: Message | None = None
        # What is known of an application whose own end cannot be seen from here.
        self._inside: _Inside | None = None

    async def receive(self) -> Message:
        """Pass a message of the client on."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if message["type"] == "http.response.start":
            self._start = message
            self._call.suspect(self._failed(message["status"]))
        elif self._start is not None and message.get("more_body") and message.get("body"):
            if not told_length(self._start.get("headers", ())):
                self._call.item()
            self._start = None
        try:
            await self._send(message)
        except OSError:
            # What servers raise on a closed connection (ASGI specification, "HTTP").
            self._gone = True
            raise
        if ends_body(message):
            self._ended = True
            if self._gone:
                self._call.end(ClientDisconnect(), None)
            elif self._inside is None or self._inside.complete:
                self._call.end(None, None)
            # Else the end is a middleware's invention: what it raises or returns will tell.

    def inside_ended(self, error: BaseException | None, *, complete: bool) -> None:
        """Take note of how an application within a middleware has ended; the innermost counts."""
        # It is the first to end. The same error comes by the middlewares around it once more.
        known = self._inside
        if known is None or (known.complete and (error is None or error is not known.error)):
            self._inside = _Inside(error, complete)

    def raised(self, error: BaseException) -> None:
        """End the request with what the application has raised; nothing if it has ended."""
        inside = self._inside
        if inside is not None and inside.complete and error is inside.error:
            self._call.end(None, None)
            return
        gone = self._gone and _of_connection(error)
        self._call.end(ClientDisconnect() if gone else error, None)

    def returned(self) -> None:
        """End the request without the end of its body; nothing if it has ended."""
        inside = self._inside
        if self._gone:
            self._call.end(ClientDisconnect(), None)
        elif not self._ended or inside is None or inside.error is None:
            self._call.suspect("incomplete_response")
            self._call.end(None, None)
        else:
            # A task group has swallowed a cancellation. Any other error the middleware has caught,
            # and has answered by itself.
            caught = isinstance(inside.error, Exception)
            self._call.end(None if caught else inside.error, None)


class _Inside(NamedTuple):
    """How an application within a middleware has ended, and whether its response was whole."""

    error: BaseException | None
    complete: bool


def _of_connection(error: BaseException) -> bool:
    """Tell whether an error is what sending raises, which task groups may have wrapped."""
    within: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return isinstance(error, OSError) or (within != () and all(map(_of_connection, within)))


def metrics_app(*, page: bool = False) -> ASGIApp:
    """Return an ASGI application that serves what Prometheus scrapes, to mount in another.

    ::

        app.mount("/metrics", metrics_app())

    Starlette and FastAPI serve what is mounted so at ``/metrics/``, and answer ``/metrics``
    with a redirect (307), which Prometheus follows. To save it, set Prometheus'
    ``metrics_path: /metrics/``, or leave the mount out and pass
    ``butterfly_lifespan(metrics_path="/metrics")``, which serves that path itself.

    It may be made before ``configure()``, whose ``prometheus_server=False`` saves the second
    port. Not measured itself, unless its route has a method.

    Args:
        page: Whether a browser that opens it, by a path that ends in a slash, gets the page for
            people. Workers should be one node then (``processes="shared"``): else each answer is
            of another one.
    """
    return make_asgi_app(CurrentMetrics(), site=CurrentSite(page=page), gate=CurrentGate())
