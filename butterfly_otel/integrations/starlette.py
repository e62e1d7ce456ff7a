"""FastAPI and Starlette: requests, and an SDK that starts and ends with the application.

::

    from fastapi import FastAPI
    from butterfly_otel.integrations.starlette import ButterflyMiddleware, butterfly_lifespan

    app = FastAPI(
        lifespan=butterfly_lifespan(
            node_id="coordinator-1", node_role="coordinator", metrics_path="/metrics"
        )
    )
    app.add_middleware(
        ButterflyMiddleware,
        method={
            "POST /v1/generate": "inference",
            "POST /v1/checkpoints/{name}": "checkpoint",
            "/healthz": "health_check",
        },
    )

See :mod:`butterfly_otel.integrations.asgi` for what is measured. The extras ``fastapi`` and
``starlette`` install the frameworks; nothing here imports them but for ``metrics_path``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.decorators.checks import require_function
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.integrations.asgi import ButterflyMiddleware, fail, metrics_app
from butterfly_otel.integrations.templates import each_route
from butterfly_otel.runtime import lifecycle as runtime
from butterfly_otel.runtime.configure import Arguments, configure
from butterfly_otel.settings.spelling import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import Unpack

    from butterfly_otel.exporters.prometheus.serving.asgi import Receive, Scope, Send

    #: What both frameworks take: an application to what runs around its serving.
    Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

__all__ = ["ButterflyMiddleware", "butterfly_lifespan", "fail", "metrics_app", "route_of"]

#: Starlette's Match.FULL.
_FULL = 2


def butterfly_lifespan(
    *,
    lifespan: Lifespan | None = None,
    metrics_path: str | None = None,
    **settings: Unpack[Arguments],
) -> Lifespan:
    """Return a lifespan that configures the SDK at the start and shuts it down at the end.

    What was measured is exported when the last request has been answered. An SDK that is
    configured already, as by ``opentelemetry-instrument``, with the same settings or where none
    are given here, is used, flushed at the end and not shut down.

    Args:
        lifespan: The application's own lifespan, which runs within.
        metrics_path: Where the application serves what Prometheus scrapes, by a route of its own
            that comes before all others; there is no second port then, unless
            ``prometheus_server=True``.
        settings: As :func:`~butterfly_otel.configure` takes them.

    Raises:
        TypeError: When there is no such setting.
        ConfigurationError: At once, when ``lifespan`` or ``metrics_path`` is none; at the start of
            the application, which then does not start, when a setting is missing or wrong.
    """
    refuse_unknown("butterfly_lifespan", settings, Arguments.__annotations__)
    if lifespan is not None:
        require_function("lifespan", lifespan, "an application")
    if metrics_path is not None:
        given = cast("object", metrics_path)
        if not isinstance(given, str) or not given.startswith("/") or "{" in given:
            msg = f"metrics_path is {metrics_path!r}; it must be a path such as '/metrics'"
            raise ConfigurationError(msg)
        settings.setdefault("prometheus_server", False)

    @asynccontextmanager
    async def living(app: Any) -> AsyncGenerator[Any, None]:
        with _configured(settings), _routed(app, metrics_path):
            if lifespan is None:
                yield
            else:
                async with lifespan(app) as state:
                    yield state

    return living


@contextmanager
def _configured(settings: Arguments) -> Generator[None, None, None]:
    before = runtime.current()
    told = settings.keys() - {"prometheus_server"}
    current = before if before is not None and not told else configure(**settings)
    try:
        yield
    finally:
        # On this thread, which is the main one where signal handlers have to be put back.
        if before is None:
            current.shutdown()
        else:
            current.force_flush()


@contextmanager
def _routed(app: Any, path: str | None) -> Generator[None, None, None]:
    """Serve metrics at ``path`` for the time being."""
    if path is None:
        yield
        return
    from starlette.routing import Route  # noqa: PLC0415 - here it is installed

    route = Route(path, _Endpoint(), include_in_schema=False)
    routes: list[Any] = app.router.routes
    routes.insert(0, route)
    try:
        yield
    finally:
        routes.remove(route)


class _Endpoint:
    """An ASGI application for one path, whichever that is."""

    def __init__(self) -> None:
        self._app = metrics_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve metrics."""
        await self._app({**scope, "path": "/metrics", "root_path": ""}, receive, send)


def route_of(scope: Any) -> str | None:
    """Return the template of the route that a request of FastAPI or Starlette is going to take.

    For a ``method`` function, which is asked before the application has routed the request:
    ``method=lambda scope: METHODS.get(route_of(scope))``. Of mounted applications, with the
    path of the mount. None where no route is for it. Costs what routing costs.
    """
    app = scope.get("app")
    routes: Any = getattr(app, "routes", None)
    template, inner = "", scope
    while routes:
        for route in each_route(routes):
            match, child = route.matches(inner)
            if match.value == _FULL:
                break
        else:
            return None
        template += getattr(route, "path", "")
        routes, inner = getattr(route, "routes", None), {**inner, **child}
    return template or None
