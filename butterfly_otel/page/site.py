"""The routes of the page: the document, what it asks for, and what it links to."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.serving.site import Response, Route, plain
from butterfly_otel.page.contract import alert_names, contract_of, shown_name
from butterfly_otel.page.document import GUARDS, document
from butterfly_otel.page.runbooks import NoRunbookError, runbook
from butterfly_otel.page.state import State
from butterfly_otel.render.reference import metric_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.exporters.prometheus.serving.app import Renderer
    from butterfly_otel.exporters.prometheus.serving.site import Request, Site
    from butterfly_otel.page.facts import Facts
    from butterfly_otel.views.streams import Stream

_MARKDOWN = "text/plain; charset=utf-8"


def page_site(
    renderer: Renderer,
    facts: Callable[[], Facts],
    streams: Sequence[Stream],
    *,
    naming: Naming | None = None,
    reuse: float = 1.0,
) -> Site:
    """Return the page at ``/`` and what it needs; nothing is made before somebody asks.

    Its addresses are relative, so it can be served under any prefix that ends in a slash. A
    scraper that asks for ``/`` still gets metrics. Thread-safe.

    Args:
        renderer: Gives the metrics: a reader.
        facts: Tells who the node is and how it is.
        streams: What is exported of each metric.
        naming: How the renderer translates names that are not exact; by default as Prometheus has
            it by default.
        reuse: Seconds for which the state is good for who else asks.
    """
    naming = naming or Naming()
    state = State(renderer, facts, reuse=reuse)
    site = {
        "/": Route(_page, html_only=True),
        "/-/state": Route(lambda _request: _ok("application/json", state.answer())),
        "/-/contract": Route(lambda _request: _ok("application/json", _contract(streams, naming))),
    }
    for name in alert_names():
        site[f"/-/runbooks/{name}"] = Route(partial(_runbook, name))
    for stream in streams:
        metric = stream.metric
        site[f"/-/reference/{shown_name(metric, naming)}"] = Route(partial(_reference, metric))
    return site


def _page(_request: Request) -> Response:
    body, policy = document()
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        *GUARDS,
    )
    return Response("200 OK", headers, body)


def _contract(streams: Sequence[Stream], naming: Naming) -> bytes:
    return json.dumps(contract_of(streams, naming), ensure_ascii=False).encode()


def _runbook(name: str, _request: Request) -> Response:
    try:
        return _ok(_MARKDOWN, runbook(name).encode())
    except NoRunbookError as error:
        return plain("404 Not Found", str(error))


def _reference(metric: Metric, _request: Request) -> Response:
    return _ok(_MARKDOWN, metric_reference(metric).encode())


def _ok(content_type: str, body: bytes) -> Response:
    return Response("200 OK", (("Content-Type", content_type), *GUARDS), body)
