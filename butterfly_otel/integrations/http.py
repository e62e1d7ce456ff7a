"""What requests over HTTP have in common, whatever the interface to the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from butterfly_otel.decorators.checks import require_function
from butterfly_otel.decorators.error_types import ERROR_TYPES, ErrorTypes
from butterfly_otel.decorators.red import RequestCall
from butterfly_otel.integrations.methods import Routes, asked, require_mapping, require_role
from butterfly_otel.integrations.templates import tell_unmatched
from butterfly_otel.process.contain import ask

if TYPE_CHECKING:
    from butterfly_otel.decorators.error_types import Entries
    from butterfly_otel.decorators.red import Method, Role
    from butterfly_otel.integrations.methods import RouteMethods

#: Where a scope or environ has the request that is being measured.
KEY: Final = "butterfly_otel.request"
#: Returns the error type that a status stands for, or None for a success.
StatusFailed: TypeAlias = Callable[[int], "str | None"]

_SERVER_ERRORS: Final = 500
_KNOWN: Final = frozenset(status.value for status in HTTPStatus)
_SPECIAL: Final = {504: "timeout"}


class ClientDisconnect(Exception):  # noqa: N818 - ASGI's and Starlette's word for it
    """Nobody waits for the response any more: what such a request is classified by.

    ``errors={ClientDisconnect: None}`` counts it as a success.
    """

    butterfly_error_type = "cancelled"


#: The defaults of ``errors``, beside those of :func:`~butterfly_otel.request`.
HTTP_ERROR_TYPES: Final = ERROR_TYPES | {"starlette.requests.ClientDisconnect": "cancelled"}


def failed_by_status(status: int) -> str | None:
    """Return the error type of an HTTP status: of 500 and above, and None below.

    What a client did wrong is no error of the service, as OpenTelemetry's semantic conventions
    say of servers ("HTTP spans", "Status"); so a 4xx is a success, and uses up no error budget.

    >>> failed_by_status(200), failed_by_status(404), failed_by_status(503), failed_by_status(504)
    (None, None, 'http_503', 'timeout')
    """
    if status < _SERVER_ERRORS:
        return None
    # Anything else is an invention, of which there may be many.
    return _SPECIAL.get(status) or (f"http_{status}" if status in _KNOWN else "http_5xx")


class HttpMiddleware:
    """What the middlewares of both interfaces share: which requests are measured, and as what.

    Args:
        method: Route templates, or a function of what a request comes as.
        node_role: Role of the node.
        errors: More error types, or all.
        failed: Judges a status.
        asked_of: What ``method`` is called with, in words.
        where: Returns the HTTP method and the path of a request.

    Raises:
        ConfigurationError: When one of them is wrong.
    """

    def __init__(
        self,
        method: RouteMethods | Callable[[Any], Method | None],
        node_role: Role | None,
        errors: ErrorTypes | Entries | None,
        failed: StatusFailed,
        *,
        asked_of: str,
        where: Callable[[Any], tuple[str, str]],
    ) -> None:
        require_role(node_role)
        require_mapping(method, "{'/v1/generate': 'inference'}", asked_of)
        routes = Routes({} if callable(method) else method)
        self._method_of = asked(method, lambda request: routes.find(*where(request)))
        self._role: Role | None = node_role
        self._types = HTTP_ERROR_TYPES
        if isinstance(errors, ErrorTypes):
            self._types = errors
        elif errors is not None:
            self._types = HTTP_ERROR_TYPES | errors
        self._failed: StatusFailed = failed
        if failed is not failed_by_status:
            require_function("failed", failed, "a status")
            self._failed = _contained(failed)
        self._untold = routes.templates

    def tell(self, app: object) -> None:
        """Log, once, the templates that no route of an application is for."""
        if self._untold:
            untold, self._untold = self._untold, ()
            tell_unmatched(untold, app)


def _contained(failed: StatusFailed) -> StatusFailed:
    return lambda status: ask(failed, None, status)


def fail(request: Mapping[str, Any], error: str | BaseException) -> None:
    """Count the request that is being handled as an error, whatever its status will be.

    For handlers that know better than the status: ``fail(request, "oom")``. Does nothing where
    the request is not measured.

    Args:
        request: The ASGI scope, a Starlette or FastAPI request, or the WSGI environ.
        error: The error type, or an exception to be classified.
    """
    call = request.get(KEY)
    if isinstance(call, RequestCall):
        call.fail(error)


def told_length(headers: Any) -> bool:
    """Tell whether headers, pairs of str or bytes, say how long the body is: then it is no stream.

    Frameworks may send a finished response in parts.
    """
    return any(len(key) == _LENGTH and key.lower() in _NAMES for key, _ in headers)


_NAMES: Final = ("content-length", b"content-length")
_LENGTH: Final = len("content-length")
