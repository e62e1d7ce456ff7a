"""What is served beside the metrics, and who gets it: routes and gates, by each kind of server."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast
from wsgiref.util import setup_testing_defaults

import pytest

from butterfly_otel.exporters.prometheus import make_asgi_app, make_wsgi_app, serve
from butterfly_otel.exporters.prometheus.serving.app import respond
from butterfly_otel.exporters.prometheus.serving.site import Request, Response, Route, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from butterfly_otel.exporters.prometheus.serving.site import Gate, Site

METRICS = b"# TYPE a gauge\na 1.0\n"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
SCRAPER = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)


class _Renderer:
    """Renders a fixed body."""

    def render(
        self,
        accept: str | None = None,  # noqa: ARG002
        names: Collection[str] | None = None,  # noqa: ARG002
        *,
        timeout: float,  # noqa: ARG002
    ) -> tuple[str, bytes]:
        return "text/plain; version=0.0.4; charset=utf-8", METRICS


class _Closed:
    """Lets nobody pass who does not know the word."""

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == "Bearer word":
            return None
        return Response("401 Unauthorized", (("WWW-Authenticate", "Bearer"),), b"no\n")


class _Broken:
    """Can't judge anybody."""

    def refuse(self, request: Request) -> Response | None:
        raise ValueError(request.path)


def _page(request: Request) -> Response:
    body = f"<p>{request.query or 'page'}</p>".encode()
    return Response("200 OK", (("Content-Type", "text/html"),), body)


def _long(_: Request) -> Response:
    return Response("200 OK", (("Content-Type", "text/css"), ("Vary", "Accept")), b"a" * 5000)


def _fails(_: Request) -> Response:
    raise ValueError("secret")


SITE: Site = {
    "/": Route(_page, html_only=True),
    "/-/public": Route(lambda _: plain("200 OK", "Well."), public=True),
    "/-/long": Route(_long),
    "/-/fails": Route(_fails),
}


def _by_server(
    method: str, path: str, headers: Mapping[str, str], gate: Gate | None
) -> tuple[int, dict[str, str], bytes]:
    with (
        serve(_Renderer(), "127.0.0.1", 0, site=SITE, gate=gate) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection,
    ):
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        told = {key.lower(): value for key, value in answer.headers.items()}
        return answer.status, told, answer.read()


def _by_wsgi(
    method: str, path: str, headers: Mapping[str, str], gate: Gate | None
) -> tuple[int, dict[str, str], bytes]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method}
    environ["PATH_INFO"], _, environ["QUERY_STRING"] = path.partition("?")
    environ |= {f"HTTP_{key.upper().replace('-', '_')}": text for key, text in headers.items()}
    setup_testing_defaults(environ)
    told: list[Any] = []

    def start_response(*given: object) -> object:
        told.extend(given[:2])
        return None

    app = make_wsgi_app(_Renderer(), site=SITE, gate=gate)
    body = b"".join(app(environ, cast("Any", start_response)))
    return int(told[0][:3]), {key.lower(): text for key, text in told[1]}, body


def _by_asgi(
    method: str, path: str, headers: Mapping[str, str], gate: Gate | None
) -> tuple[int, dict[str, str], bytes]:
    asked, _, query = path.partition("?")
    raw = [(key.lower().encode(), text.encode()) for key, text in headers.items()]
    scope = {"type": "http", "method": method, "path": asked, "query_string": query.encode()}
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = make_asgi_app(_Renderer(), site=SITE, gate=gate)
    asyncio.run(app({**scope, "headers": raw}, receive, send))
    told = {key.decode(): text.decode() for key, text in sent[0]["headers"]}
    return sent[0]["status"], told, sent[1]["body"]


@pytest.fixture(params=[_by_server, _by_wsgi, _by_asgi], ids=["server", "wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Return what asks each kind of server."""
    return request.param


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/html, */*", True),
        ("TEXT/HTML;q=0.9,*/*;q=0.8", True),
        ("text/html,text/plain;version=0.0.4", True),
        ("text/plain;version=0.0.4,text/html", False),
        ("text/html;q=0.5,text/plain;version=0.0.4", False),
        ("text/html;q=0.5,*/*;q=0.6", False),
        ("text/html;q=0", False),
        ("text/*", False),
        ("*/*", False),
        (SCRAPER, False),
        ("", False),
        ("text/html+x", False),
    ],
)
def test_a_page_is_for_who_prefers_html(accept: str, page: bool) -> None:  # noqa: FBT001
    """Browsers get the page where scrapers, curl and who says nothing get metrics."""
    request = Request("GET", "/", headers={"accept": accept} if accept else {})
    response = respond(_Renderer(), request, SITE)
    assert response.body == (b"<p>page</p>" if page else METRICS)
    # A cache between must not give one what the other has asked for.
    assert "Accept" in dict(response.headers)["Vary"]


def test_routes_and_metrics_stand_side_by_side(ask: Any) -> None:
    """Each has its path, whatever server it is asked by; only the exact path is a route's."""
    html = {"Accept": BROWSER}
    assert ask("GET", "/?x=1", html, None)[2] == b"<p>x=1</p>"
    assert ask("GET", "/", {}, None)[2] == METRICS
    assert ask("GET", "/metrics", html, None)[2] == METRICS
    status, headers, body = ask("GET", "/-/public", {}, None)
    assert (status, body, headers["content-length"]) == (200, b"Well.\n", "6")
    assert ask("GET", "/-/public/", {}, None)[0] == 404
    assert ask("GET", "/-/other", {}, None)[0] == 404


def test_routes_are_for_reading(ask: Any) -> None:
    """HEAD tells the length without the body; other methods are refused."""
    status, headers, body = ask("HEAD", "/-/public", {}, None)
    assert (status, headers["content-length"], body) == (200, "6", b"")
    status, headers, _ = ask("POST", "/-/public", {}, None)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_routes_answer_is_compressed_for_who_accepts_that(ask: Any) -> None:
    """A route need not compress nor count; what it says of Vary stands."""
    status, headers, body = ask("GET", "/-/long", {"Accept-Encoding": "gzip"}, None)
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept")
    assert int(headers["content-length"]) == len(body) < 1000
    assert gzip.decompress(body) == b"a" * 5000
    assert ask("GET", "/-/long", {}, None)[2] == b"a" * 5000


def test_a_route_that_fails_costs_nobody_the_server(
    ask: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is a 500 that tells nothing of why, which the log does."""
    with caplog.at_level(logging.ERROR, "butterfly_otel"):
        status, _, body = ask("GET", "/-/fails", {}, None)
    assert (status, body) == (500, b"The page could not be rendered.\n")
    assert "secret" in caplog.text


def test_a_gate_stands_before_all_but_public_routes(ask: Any) -> None:
    """Who is refused learns not even what there is; a public route needs no word."""
    for path in ("/metrics", "/", "/-/long", "/nowhere"):
        status, headers, body = ask("GET", path, {"Accept": BROWSER}, _Closed())
        assert (status, headers["www-authenticate"], body) == (401, "Bearer", b"no\n")
        assert headers["content-length"] == "3"
    assert ask("POST", "/metrics", {}, _Closed())[0] == 401
    assert ask("GET", "/-/public", {}, _Closed())[0] == 200
    assert ask("GET", "/metrics", {"Authorization": "Bearer word"}, _Closed())[2] == METRICS


def test_a_gate_that_fails_lets_nobody_pass(ask: Any) -> None:
    """What can't be judged is refused."""
    status, _, body = ask("GET", "/metrics", {}, _Broken())
    assert status == 500
    assert METRICS not in body
    assert ask("GET", "/-/public", {}, _Broken())[0] == 200
