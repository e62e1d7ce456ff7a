"""What is served beside the metrics: health checks, and the page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.serving.health import health_routes
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from butterfly_otel.exporters.prometheus.serving.site import Route, Site
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.runtime.duties import Duties
    from butterfly_otel.settings.config import Config

#: Where the page and what it asks for are.
_PAGE = "/"
_WITHIN = "/-/"


class Frontage(Mapping[str, "Route"]):
    """Routes by path. The page is imported and made when somebody looks at it. Thread-safe.

    Args:
        config: The settings.
        pipeline: What is served.
        missing: Tells why the process is not ready; None where it is.
        duties: Tells what the process does for its node; None before that is known.
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        missing: Callable[[], str | None],
        duties: Callable[[], Duties | None],
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._duties = duties
        self._checks = health_routes(missing, public=config.prometheus.health_public)
        #: Whether there is a page.
        self.has_page = config.prometheus.page
        self._began = timing.monotonic()
        self._pages: Site | None = None

    def __getitem__(self, path: str) -> Route:
        """Return the route of a path."""
        route = self._checks.get(path)
        if route is not None:
            return route
        # Whoever asks for metrics must not have it made.
        if not self.has_page or not (path == _PAGE or path.startswith(_WITHIN)):
            raise KeyError(path)
        return self._made()[path]

    def __iter__(self) -> Iterator[str]:
        """Return the paths."""
        yield from self._checks
        if self.has_page:
            yield from self._made()

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)

    def _made(self) -> Site:
        if self._pages is None:
            from butterfly_otel.runtime.looked_at import LookedAt, page_routes  # noqa: PLC0415

            looked_at = LookedAt(self._config, self._pipeline, self._duties, self._began)
            self._pages = page_routes(self._pipeline, looked_at)
        return self._pages
