"""Requests of any WSGI application: total by status, errors by type, in flight, duration.

::

    from butterfly_otel.integrations.wsgi import ButterflyMiddleware

    app.wsgi_app = ButterflyMiddleware(app.wsgi_app, method={"/v1/generate": "inference"})

The rules are those of :mod:`butterfly_otel.integrations.asgi`. A request begins before the
application is called and ends with the last part of its body; a list is complete when it is
returned. What a body's ``close()`` raises is not the request's. A server that closes a body before
its end says that nobody waits for it: ``cancelled``. Needs no extra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from butterfly_otel.decorators.red import Method, RequestCall
from butterfly_otel.decorators.red_series import series
from butterfly_otel.exporters.prometheus.serving.app import make_wsgi_app
from butterfly_otel.integrations.http import (
    KEY,
    ClientDisconnect,
    HttpMiddleware,
    StatusFailed,
    fail,
    failed_by_status,
    told_length,
)
from butterfly_otel.integrations.scraping import CurrentGate, CurrentMetrics, CurrentSite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sized

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from butterfly_otel.decorators.error_types import Entries, ErrorTypes
    from butterfly_otel.decorators.red import Role
    from butterfly_otel.integrations.methods import RouteMethods

__all__ = ["ButterflyMiddleware", "ClientDisconnect", "fail", "failed_by_status", "metrics_app"]

#: Names what a request asks for by its environ; None where it is not to be measured.
EnvironMethod: TypeAlias = Callable[[Any], "Method | None"]


class ButterflyMiddleware(HttpMiddleware):
    """Measures the requests of a WSGI application by the RED method. Thread-safe.

    In production it raises nothing; in strict mode a label that breaks the contract raises as
    in the decorators.

    Args:
        app: The application.
        method: What is asked for: a mapping of route templates (see
            :class:`~butterfly_otel.integrations.methods.Routes`), or a function of the environ
            that returns the method or None. Raw paths never become label values.
        node_role: Role of the node; by default the one given to ``configure()``.
        errors: Which exception is which error type, as in :func:`~butterfly_otel.request`.
        failed: Takes a status and returns the error type it stands for, or None for a success;
            by default what is below 500 is one.

    Raises:
        ConfigurationError: When an argument is wrong.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        method: RouteMethods | EnvironMethod,
        node_role: Role | None = None,
        errors: ErrorTypes | Entries | None = None,
        failed: StatusFailed = failed_by_status,
    ) -> None:
        self.app = app
        super().__init__(method, node_role, errors, failed, asked_of="an environ", where=_asked_for)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        self.tell(self.app)
        method = None if KEY in environ else self._method_of(environ)
        if method is None:
            return self.app(environ, start_response)
        call = RequestCall(series(method, self._role), self._types)
        environ[KEY] = call
        answer = _Answer(call, self._failed, start_response)
        try:
            parts = self.app(environ, answer.start)
            if not isinstance(parts, (list, tuple, bytes)):
                return _body(parts, call, answer, environ)
        except BaseException as error:
            call.end(error, None)
            raise
        # It is whole, and handed on as it is: servers derive Content-Length from it.
        call.end(None, None)
        return parts


class _Answer:
    """The start of a response."""

    __slots__ = ("_call", "_failed", "_start_response", "streamed")

    def __init__(
        self, call: RequestCall, failed: StatusFailed, start_response: StartResponse
    ) -> None:
        self._call = call
        self._failed = failed
        self._start_response = start_response
        self.streamed = True

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Take note of the status, or of the exception it is sent for."""
        if exc_info is not None and isinstance(exc_info[1], BaseException):
            self._call.fail(exc_info[1])
        elif status[:3].isdecimal():
            self._call.suspect(self._failed(int(status[:3])))
        self.streamed = not told_length(headers)
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)


def _body(
    parts: Iterable[bytes], call: RequestCall, answer: _Answer, environ: WSGIEnvironment
) -> Iterable[bytes]:
    """Return a body that ends the request with its last part."""
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(parts, wrapper) and _end_on_close(parts, call):
        return parts
    kind = _SizedBody if hasattr(parts, "__len__") else _Body
    return kind(parts, call, answer, complete=environ["REQUEST_METHOD"] == "HEAD")


def _end_on_close(file: Any, call: RequestCall) -> bool:
    """End the request when the server closes a file it sends itself; return whether that works.

    Wrapped, it would not be recognised, and be copied part by part.
    """
    close = getattr(file, "close", None)

    def closed() -> None:
        call.end(None, None)
        if close is not None:
            close()

    try:
        file.close = closed
    except AttributeError:
        return False
    return True


class _Body:
    """The parts of a body, measured to the last."""

    __slots__ = ("_answer", "_call", "_complete", "_next", "_parts")

    def __init__(
        self, parts: Iterable[bytes], call: RequestCall, answer: _Answer, *, complete: bool
    ) -> None:
        self._parts = parts
        self._call = call
        self._answer = answer
        self._complete = complete
        self._next: Callable[[], bytes] = iter(parts).__next__

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = self._next()
        except StopIteration:
            self._call.end(None, None)
            raise
        except BaseException as error:
            self._call.end(error, None)
            raise
        if part and self._answer.streamed:
            self._call.item()
        return part

    def close(self) -> None:
        """Close the body, as servers must; before its end that means the client is gone."""
        self._call.end(None if self._complete else ClientDisconnect(), None)
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def __del__(self) -> None:
        # A server that has not closed it has dropped it.
        self._call.end(ClientDisconnect(), None)


class _SizedBody(_Body):
    """A body that tells how many parts it has, from which servers derive Content-Length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(cast("Sized", self._parts))


def _asked_for(environ: WSGIEnvironment) -> tuple[str, str]:
    path: str = environ.get("PATH_INFO", "") or "/"
    if not path.isascii():
        # "Bytes as latin-1" (PEP 3333, "A Note on String Types").
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    return environ["REQUEST_METHOD"], path


def metrics_app(*, page: bool = False) -> WSGIApplication:
    """Return a WSGI application that serves what Prometheus scrapes, to mount in another.

    It may be made before ``configure()``, whose ``prometheus_server=False`` saves the second
    port.

    Args:
        page: Whether a browser that opens it, by a path that ends in a slash, gets the page for
            people. Workers should be one node then (``processes="shared"``): else each answer is
            of another one.
    """
    return make_wsgi_app(CurrentMetrics(), site=CurrentSite(page=page), gate=CurrentGate())
