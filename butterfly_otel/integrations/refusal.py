"""Settings of a middleware that are wrong, told where a server listens.

Starlette and FastAPI keep what ``add_middleware()`` is given, and make the middleware when the
server calls them first, which is too late to raise: servers take it for an application without a
lifespan, and answer 500 to each request.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.serving.asgi import ASGIApp, Receive, Scope, Send

_logger = logging.getLogger("butterfly_otel")
#: The function of Starlette and FastAPI that makes middlewares. Where they have another, mistakes
#: are raised as everywhere.
_BUILDER: Final = "build_middleware_stack"


def _called_by_builder() -> bool:
    """Tell whether the caller's caller is the function that makes middlewares: nobody says so."""
    frame = getattr(sys, "_getframe", None)
    return frame is not None and frame(2).f_code.co_name == _BUILDER


class Refused:
    """Stands for a middleware whose settings are wrong.

    Refuses the server's start by the lifespan protocol. Of a server that has none it passes the
    requests on, not measured: they are not to fail for it.
    """

    def __init__(
        self, name: str, error: Exception, app: ASGIApp, *_: Any, **_settings: Any
    ) -> None:
        self.app = app
        wrong = f"{name} was added with wrong arguments: {error}"
        self.error = error if isinstance(error, ConfigurationError) else ConfigurationError(wrong)
        _logger.error("%s", self.error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse to start, or pass a request on."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(self.error)})
        raise self.error


if TYPE_CHECKING:
    # Calls are checked against the constructor.
    Late = type
else:

    class Late(type):
        """The class of middlewares that frameworks make when a server calls them first."""

        def __call__(cls, *args: Any, **settings: Any) -> Any:
            """Make one; where it would be too late to raise, refuse the server's start."""
            try:
                return super().__call__(*args, **settings)
            except (ConfigurationError, TypeError) as error:
                if not _called_by_builder():
                    raise
                return Refused(cls.__name__, error, *args, **settings)
