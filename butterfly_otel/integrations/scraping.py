"""Metrics served by the application itself, so that no second port is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.writing.collector import CollectionError
from butterfly_otel.runtime import lifecycle as runtime

if TYPE_CHECKING:
    from collections.abc import Collection

    from butterfly_otel.exporters.prometheus.serving.site import Request, Response


class CurrentMetrics:
    """Renders the metrics of whatever is configured when they are asked for. Thread-safe."""

    @staticmethod
    def render(
        accept: str | None = None, names: Collection[str] | None = None, *, timeout: float
    ) -> tuple[str, bytes]:
        """Return the Content-Type and the body of a scrape.

        Raises:
            CollectionError: When nothing is configured that Prometheus could scrape.
        """
        current = runtime.current()
        reader = None if current is None else current.prometheus_reader
        if reader is None:
            raise CollectionError(
                "There are no metrics for Prometheus: butterfly-otel is not configured, or"
                " without the exporter prometheus."
            )
        return reader.render(accept, names, timeout=timeout)


class CurrentGate:
    """Lets in whom the settings of whatever is configured let in. Thread-safe."""

    @staticmethod
    def refuse(request: Request) -> Response | None:
        """Return the response that refuses a request; None lets it pass."""
        current = runtime.current()
        security = None if current is None else current.security
        return None if security is None else security.refuse(request)

    @staticmethod
    def adorn(response: Response) -> Response:
        """Return a response with the headers of the web configuration."""
        current = runtime.current()
        security = None if current is None else current.security
        return response if security is None else security.adorn(response)
