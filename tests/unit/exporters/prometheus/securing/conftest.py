"""A secured endpoint with fixed metrics."""

from __future__ import annotations

import http.client
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.exporters.prometheus import Server, serve
from butterfly_otel.exporters.prometheus.securing.security import Security
from butterfly_otel.settings.exporters import PrometheusSettings
from tests.certificates import Certificates

BODY = b"# TYPE a gauge\na 1.0\n"
#: Seconds after which a test that waits has failed.
LONG = 30.0


class Renderer:
    """Renders a fixed body."""

    def render(
        self, accept: str | None = None, names: Collection[str] | None = None, *, timeout: float
    ) -> tuple[str, bytes]:
        del accept, names, timeout
        return "text/plain; version=0.0.4; charset=utf-8", BODY


class Endpoint:
    """A server that is secured, and what it has refused."""

    def __init__(self, security: Security, server: Server, refused: Counter[str]) -> None:
        self.security = security
        self.server = server
        self.refused = refused

    def get(
        self,
        headers: dict[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        path: str = "/metrics",
    ) -> tuple[int, bytes]:
        """Return the status and the body of one scrape by a connection of its own."""
        with closing(self.connect(context)) as connection:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """Return a connection that is not opened yet."""
        if context is None:
            return http.client.HTTPConnection("localhost", self.server.port, timeout=LONG)
        return http.client.HTTPSConnection(
            "localhost", self.server.port, timeout=LONG, context=context
        )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Return an authority and certificates of this test alone."""
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    """Return what starts a secured endpoint by settings."""
    with ExitStack() as running:

        def start(**settings: Any) -> Endpoint:
            refused: Counter[str] = Counter()
            security = Security(PrometheusSettings(**settings), lambda why: refused.update([why]))
            server = serve(Renderer(), "127.0.0.1", 0, gate=security, transport=security.transport)
            return Endpoint(security, running.enter_context(server), refused)

        yield start
