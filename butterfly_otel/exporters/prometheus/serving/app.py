"""The HTTP side of a scrape, apart from any server: a request in, a response out."""

from __future__ import annotations

import gzip
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from butterfly_otel.exporters.prometheus.serving.negotiate import accepts_gzip, prefers_html
from butterfly_otel.exporters.prometheus.serving.site import Adorning, Request, Response
from butterfly_otel.exporters.prometheus.serving.site import plain as refuse
from butterfly_otel.exporters.prometheus.writing.collector import DEFAULT_TIMEOUT, CollectionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from butterfly_otel.exporters.prometheus.serving.site import Gate, Route, Site

__all__ = [
    "METRICS_PATH",
    "NO_SITE",
    "Renderer",
    "Request",
    "Response",
    "make_wsgi_app",
    "refuse",
    "respond",
]

_logger = logging.getLogger("butterfly_otel")

METRICS_PATH = "/metrics"
_PATHS = {"", METRICS_PATH}
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


#: A site without any routes.
NO_SITE: Site = MappingProxyType({})


def respond(
    renderer: Renderer, request: Request, site: Site = NO_SITE, gate: Gate | None = None
) -> Response:
    """Answer a request; never raises on what it holds.

    Metrics are at ``/metrics`` and ``/``, for GET and HEAD. ``name[]`` parameters choose
    families, ``X-Prometheus-Scrape-Timeout-Seconds`` bounds the collection.

    Args:
        renderer: Gives the metrics.
        request: The request.
        site: What else there is; its routes come before the metrics.
        gate: Refuses who may not have an answer, except from public routes; who it fails to
            judge gets none either.
    """
    response = _judged(renderer, request, _route(site, request), gate)
    return gate.adorn(response) if isinstance(gate, Adorning) else response


def _judged(
    renderer: Renderer, request: Request, route: Route | None, gate: Gate | None
) -> Response:
    try:
        public = route is not None and route.public
        if gate is not None and not public and (refusal := gate.refuse(request)) is not None:
            return _sent(refusal, request)
        return _answer(renderer, request, route)
    except KeyboardInterrupt:
        raise
    except BaseException:  # somebody else's collector may raise anything
        what = "metrics" if route is None else "page"
        _logger.exception("The %s could not be rendered", what)
        return refuse("500 Internal Server Error", f"The {what} could not be rendered.")


def _route(site: Site, request: Request) -> Route | None:
    route = site.get(request.path)
    if route is None or not route.html_only or prefers_html(request.headers.get("accept")):
        return route
    return None


def _answer(renderer: Renderer, request: Request, route: Route | None) -> Response:
    if request.method not in _METHODS:
        return refuse("501 Not Implemented", "This method is not known here: use GET or HEAD.")
    if route is None and request.path.rstrip("/") not in _PATHS:
        return refuse("404 Not Found", f"There is nothing here; metrics are at {METRICS_PATH}.")
    if request.method not in {"GET", "HEAD"}:
        what = "Metrics" if route is None else "This page"
        refusal = refuse("405 Method Not Allowed", f"{what} can only be read: use GET or HEAD.")
        return Response(refusal.status, (*refusal.headers, ("Allow", "GET, HEAD")), refusal.body)
    if route is not None:
        return _sent(route.answer(request), request)
    names = parse_qs(request.query).get("name[]")
    try:
        content_type, body = renderer.render(
            request.headers.get("accept"), names, timeout=_timeout(request)
        )
    except CollectionError as error:
        return refuse("500 Internal Server Error", str(error))
    return _sent(Response("200 OK", (("Content-Type", content_type),), body), request)


def _sent(response: Response, request: Request) -> Response:
    """Return a response as it is sent: compressed where that is asked for, its length told."""
    known = {name.lower() for name, _ in response.headers}
    headers = [each for each in response.headers if each[0].lower() != "content-length"]
    body = response.body
    if "vary" not in known:
        headers.append(("Vary", "Accept, Accept-Encoding"))
    worth = len(body) >= _WORTH_COMPRESSING and "content-encoding" not in known
    if worth and accepts_gzip(request.headers.get("accept-encoding")):
        body = gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    return Response(response.status, tuple(headers), body)


def make_wsgi_app(
    renderer: Renderer, *, site: Site = NO_SITE, gate: Gate | None = None
) -> WSGIApplication:
    """Return a WSGI application that serves a reader's metrics.

    It can be mounted anywhere: a path that is empty after the mount point has metrics too.

    Args:
        renderer: The reader.
        site: What else there is, by its path after the mount point.
        gate: Refuses who may not have an answer.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = respond(renderer, _wsgi_request(environ), site, gate)
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
        client=environ.get("REMOTE_ADDR", ""),
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
