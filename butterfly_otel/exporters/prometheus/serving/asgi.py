"""The ASGI side of a scrape."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from butterfly_otel.exporters.prometheus.serving.app import NO_SITE, Request, respond

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from butterfly_otel.exporters.prometheus.serving.app import Renderer
    from butterfly_otel.exporters.prometheus.serving.site import Gate, Site

    # As the ASGI specification has them (asgi.readthedocs.io, "Specification").
    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def make_asgi_app(renderer: Renderer, *, site: Site = NO_SITE, gate: Gate | None = None) -> ASGIApp:
    """Return an ASGI application that serves a reader's metrics.

    It can be mounted anywhere: a path that is empty after the mount point has metrics too.
    Collecting runs in a thread where asyncio runs the server, and holds up nothing else.

    Args:
        renderer: The reader.
        site: What else there is, by its path after the mount point.
        gate: Refuses who may not have an answer.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        answer = partial(respond, renderer, _request(scope), site, gate)
        response = await _in_a_thread(answer)
        headers = [(key.lower().encode(), value.encode()) for key, value in response.headers]
        status = int(response.status.partition(" ")[0])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    return app


def route_path(scope: Scope) -> str:
    """Return the path without the part that servers and mounts have put into ``root_path``."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) :][:1] in {"", "/"}:
        return path[len(root) :]
    return path


def _request(scope: Scope) -> Request:
    return Request(
        method=scope["method"],
        path=route_path(scope),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers={key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]},
        client=(scope.get("client") or [""])[0] or "",
    )


async def _in_a_thread(answer: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
    import asyncio  # noqa: PLC0415 - whoever serves by it has it; the others are spared it

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another event loop than asyncio's
        return answer()
    return await loop.run_in_executor(None, answer)


async def _live(receive: Receive, send: Send) -> None:
    """Answer a server of which this is the only application."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
