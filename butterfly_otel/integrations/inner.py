"""What an application inside a ``BaseHTTPMiddleware`` of Starlette has sent, which hides it.

That middleware, which is what ``@app.middleware("http")`` makes, runs the application in a task
of its own. When a stream fails there, it ends the body as if nothing had happened and raises
afterwards; when a background task fails, older releases raise before the body's end. Outside, the
one looks like the other. So every such middleware is given an application that tells the request
which of both it was.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.serving.asgi import (
        ASGIApp,
        Message,
        Receive,
        Scope,
        Send,
    )

#: Where a scope has the exchange that wants to know.
EXCHANGE: Final = "butterfly_otel.exchange"
_MODULE: Final = "starlette.middleware.base"
#: Messages that carry the body, or the last of it.
BODY: Final = frozenset(
    {"http.response.body", "http.response.zerocopysend", "http.response.pathsend"}
)


class Exchange(Protocol):
    """Wants to know how the application inside has ended."""

    def inside_ended(self, error: BaseException | None, *, complete: bool) -> None:
        """Say that it has ended, after a whole response or in the middle of one."""
        ...


def ends_body(message: Message) -> bool:
    """Tell whether a message is the last of a response."""
    return message["type"] in BODY and not message.get("more_body")


def watch() -> bool:
    """Have every ``BaseHTTPMiddleware`` watched; return whether there is such a class by now.

    Never imports Starlette. Harmless when done again. Without the class, or where it is not as
    it is known, nothing is watched and a response has ended when its last part is sent.
    """
    module = sys.modules.get(_MODULE)
    if module is None:
        return False
    middleware: Any = getattr(module, "BaseHTTPMiddleware", None)
    call = getattr(middleware, "__call__", None)  # noqa: B004 - the function itself
    if middleware is None or call is None:
        _tell("BaseHTTPMiddleware")
    elif not getattr(call, "watches", False):
        middleware.__call__ = _watching(call)
    return True


def _tell(name: str) -> None:
    log_once(
        f"this version of Starlette has no {name}: a stream that fails behind one counts as a"
        " success, unless its end is seen"
    )


def _watching(call: Any) -> Any:
    @functools.wraps(call)
    async def watched(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        # At the first request rather than when it is made, which may have been before.
        if EXCHANGE in scope and not isinstance(app := getattr(self, "app", None), Watched):
            if app is None:
                _tell("BaseHTTPMiddleware.app")
            else:
                self.app = Watched(app)
        await call(self, scope, receive, send)

    watched.watches = True  # type: ignore[attr-defined]
    return watched


class Watched:
    """The application inside a middleware, for whoever looks for it there."""

    def __init__(self, app: Any) -> None:
        self.app: ASGIApp = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and tell the request how it has ended."""
        exchange: Exchange | None = scope.get(EXCHANGE)
        if exchange is None:
            await self.app(scope, receive, send)
            return
        started = complete = False

        async def watched(message: Message) -> None:
            nonlocal started, complete
            started = started or message["type"] == "http.response.start"
            complete = complete or ends_body(message)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            # Before its start it is the middleware's to answer.
            if started:
                exchange.inside_ended(error, complete=complete)
            raise
        if started and not complete:
            exchange.inside_ended(None, complete=False)
