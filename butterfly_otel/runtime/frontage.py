"""What is served beside the metrics: health checks, and the page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from butterfly_otel.exporters.prometheus.serving.site import Route, Site
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.runtime.duties import Duties
    from butterfly_otel.settings.config import Config

    Routes = Mapping[str, Route]
else:
    # What only pushes need not know what a route is.
    Routes = Mapping

#: Where the page and what it asks for are.
_PAGE = "/"
_WITHIN = "/-/"


class Frontage(Routes):
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
        self._missing = missing
        #: Whether there is a page.
        self.has_page = pipeline.prometheus is not None and config.prometheus.page
        self._began = timing.monotonic()
        self._checks: Site | None = None
        self._pages: Site | None = None

    def __getitem__(self, path: str) -> Route:
        """Return the route of a path."""
        route = self._health().get(path)
        if route is not None:
            return route
        # Whoever asks for metrics must not have it made.
        if not self.has_page or not (path == _PAGE or path.startswith(_WITHIN)):
            raise KeyError(path)
        return self._made()[path]

    def __iter__(self) -> Iterator[str]:
        """Return the paths."""
        yield from self._health()
        if self.has_page:
            yield from self._made()

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)

    def _health(self) -> Site:
        if self._checks is None:
            from butterfly_otel.exporters.prometheus.serving.health import (  # noqa: PLC0415
                health_routes,
            )

            public = self._config.prometheus.health_public
            self._checks = health_routes(self._missing, public=public)
        return self._checks

    def _made(self) -> Site:
        if self._pages is None:
            from butterfly_otel.runtime.looked_at import LookedAt, page_routes  # noqa: PLC0415

            looked_at = LookedAt(self._config, self._pipeline, self._duties, self._began)
            self._pages = page_routes(self._pipeline, looked_at)
        return self._pages
