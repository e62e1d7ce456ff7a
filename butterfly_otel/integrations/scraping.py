"""Metrics served by the application itself, so that no second port is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.serving.health import health_routes
from butterfly_otel.exporters.prometheus.writing.collector import CollectionError
from butterfly_otel.runtime import lifecycle as runtime

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from butterfly_otel.exporters.prometheus.serving.site import Request, Response, Route


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


class CurrentSite(Mapping[str, "Route"]):
    """What is served beside the metrics of whatever is configured then. Thread-safe.

    Args:
        page: Whether the page for people is, where the settings have it on.
    """

    def __init__(self, *, page: bool = False) -> None:
        self._page = page
        self._public = health_routes(_missing)
        self._private = health_routes(_missing, public=False)

    def __getitem__(self, path: str) -> Route:
        """Return the route of a path."""
        return self._routes()[path]

    def __iter__(self) -> Iterator[str]:
        """Return the paths."""
        return iter(self._routes())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._routes())

    def _routes(self) -> Mapping[str, Route]:
        current = runtime.current()
        if self._page and current is not None and not current.config.disabled:
            return current.site
        public = current is None or current.config.prometheus.health_public
        return self._public if public else self._private


def _missing() -> str | None:
    current = runtime.current()
    return "Not ready: butterfly-otel is not configured." if current is None else current.missing()
