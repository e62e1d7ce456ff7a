"""Four uvicorn workers that are one node: whichever is scraped has the totals of all.

    python examples/uvicorn_workers.py
    python examples/uvicorn_workers.py --port 8000 --workers 2

Ask http://localhost:8000/ a few times, then look at http://localhost:9464/metrics or at
http://localhost:8000/metrics: both have every request, whichever worker answered it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import uvicorn

import butterfly_otel
from butterfly_otel.integrations.asgi import ButterflyMiddleware, metrics_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

# Each worker imports this module, and so runs this line.
butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator", processes="shared")
metrics = metrics_app()


async def hello(scope: Message, _receive: Receive, send: Send) -> None:
    """Answer a request."""
    if scope["type"] != "http":
        raise RuntimeError("this application has no lifespan and no websocket")
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello\n"})


measured = ButterflyMiddleware(hello, method={"/": "inference"})


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the metrics, or by the measured application."""
    answer = metrics if scope.get("path") == "/metrics" else measured
    await answer(scope, receive, send)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    uvicorn.run(
        "uvicorn_workers:app", port=options.port, workers=options.workers, log_level="warning"
    )


if __name__ == "__main__":
    main()
