"""The HTTP side of a scrape, apart from any server: a request in, a response out."""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from butterfly_otel.exporters.prometheus.serving.negotiate import accepts_gzip
from butterfly_otel.exporters.prometheus.writing.collector import DEFAULT_TIMEOUT, CollectionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_logger = logging.getLogger("butterfly_otel")

METRICS_PATH = "/metrics"
_PATHS = {"", METRICS_PATH}
_TEXT = "text/plain; charset=utf-8"
#: Shorter bodies would hardly get shorter.
_WORTH_COMPRESSING = 512
#: Fast rather than small: a scrape stays within a rack, and the text repeats so much that
#: higher levels gain little.
_GZIP_LEVEL = 1
#: The part of the scraper's own timeout that collecting may use up, and its cap in seconds.
_TIMEOUT_SHARE = 0.9
_LONGEST_TIMEOUT = 60.0
#: Less than any scraper waits, and enough to collect what does not hang.
_SHORTEST_TIMEOUT = 0.1
#: Methods that other servers know, so that they are known to be wrong here.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}


class Renderer(Protocol):
    """What can be served: a PrometheusMetricReader, or whatever renders likewise."""

    def render(
        self, accept: str | None = None, names: Collection[str] | None = None, *, timeout: float
    ) -> tuple[str, bytes]:
        """Return the Content-Type and the body of a scrape."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        method: The method, in capitals.
        path: The decoded path, without the query.
        query: The query, without its question mark.
        headers: The headers by lower-case name.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Response:
    """A response; to a HEAD request the body is not sent, but its length is told."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def respond(renderer: Renderer, request: Request) -> Response:
    """Answer a request; never raises on what it holds.

    Metrics are at ``/metrics`` and ``/``, for GET and HEAD. ``name[]`` parameters choose
    families, ``X-Prometheus-Scrape-Timeout-Seconds`` bounds the collection.
    """
    if request.method not in _METHODS:
        return refuse("501 Not Implemented", "This method is not known here: use GET or HEAD.")
    if request.path.rstrip("/") not in _PATHS:
        return refuse("404 Not Found", f"There is nothing here; metrics are at {METRICS_PATH}.")
    if request.method not in {"GET", "HEAD"}:
        refusal = refuse("405 Method Not Allowed", "Metrics can only be read: use GET or HEAD.")
        return Response(refusal.status, (*refusal.headers, ("Allow", "GET, HEAD")), refusal.body)
    names = parse_qs(request.query).get("name[]")
    try:
        content_type, body = renderer.render(
            request.headers.get("accept"), names, timeout=_timeout(request)
        )
    except CollectionError as error:
        return refuse("500 Internal Server Error", str(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # somebody else's collector may raise anything
        _logger.exception("The metrics could not be rendered")
        return refuse("500 Internal Server Error", "The metrics could not be rendered.")
    headers = [("Content-Type", content_type), ("Vary", "Accept, Accept-Encoding")]
    worth = len(body) >= _WORTH_COMPRESSING
    if worth and accepts_gzip(request.headers.get("accept-encoding")):
        body = gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    return Response("200 OK", tuple(headers), body)


def make_wsgi_app(renderer: Renderer) -> WSGIApplication:
    """Return a WSGI application that serves a reader's metrics.

    It can be mounted anywhere: a path that is empty after the mount point has metrics too.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = respond(renderer, _wsgi_request(environ))
        start_response(response.status, list(response.headers))
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else response.body]

    return app


def _wsgi_request(environ: WSGIEnvironment) -> Request:
    headers = {
        key[5:].replace("_", "-").lower(): str(value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    return Request(
        method=environ.get("REQUEST_METHOD", "GET").upper(),
        path=environ.get("PATH_INFO", "/"),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
    )


def _timeout(request: Request) -> float:
    """Return how long collecting may take, in seconds."""
    try:
        asked = float(request.headers.get("x-prometheus-scrape-timeout-seconds", ""))
    except ValueError:
        return DEFAULT_TIMEOUT
    if not asked > 0:
        return DEFAULT_TIMEOUT
    return min(max(asked * _TIMEOUT_SHARE, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)


def refuse(status: str, sentence: str) -> Response:
    """Return an answer that says why there is no other."""
    body = f"{sentence}\n".encode("utf-8", "replace")
    headers = (("Content-Type", _TEXT), ("Content-Length", str(len(body))))
    return Response(status, headers, body)
