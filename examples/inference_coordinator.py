"""An inference coordinator on FastAPI, whose metrics are on its own port.

Run it, ask it something, then look at http://localhost:8000/metrics:

    pip install 'butterfly-otel[fastapi]' uvicorn
    python examples/inference_coordinator.py --port 8000
    curl -N -d '{"prompt": "to be or not to be"}' -H 'Content-Type: application/json' \
        http://localhost:8000/v1/generate
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from butterfly_otel import arg, counted, decorators, metrics
from butterfly_otel.integrations.starlette import ButterflyMiddleware, butterfly_lifespan, fail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = "llama-70b"
queue: deque[str] = deque()


class Prompt(BaseModel):
    """What is asked of the model."""

    prompt: str
    model: str = MODEL


@asynccontextmanager
async def cluster(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Watch the queue for as long as the service runs, and know the nodes of the cluster."""
    with metrics.tasks_queued.observe(lambda: len(queue)):
        yield {"nodes": ["compute-node-1", "compute-node-2"]}


app = FastAPI(
    title="Inference coordinator",
    lifespan=butterfly_lifespan(
        lifespan=cluster,
        node_id="coordinator-1",
        node_role="coordinator",
        metrics_path="/metrics",
    ),
)
# The RED set of each request, by the route it takes; what has no method is not measured.
app.add_middleware(
    ButterflyMiddleware,
    method={
        "POST /v1/generate": "inference",
        "POST /checkpoint": "checkpoint",
        "/healthz": "health_check",
    },
)


@decorators.task_assignment(to_node=arg("node"))
async def assign(node: str, word: str) -> str:
    """Stand in for a compute node that makes a token of a word."""
    await asyncio.sleep(0.002)
    return f"{word.upper()}@{node} "


@counted(metrics.tokens_processed_total.bind(model=arg("model")), per="item")
async def tokens(model: str, prompt: str, nodes: list[str]) -> AsyncIterator[str]:
    """Generate a token for each word, on one node after the other."""
    del model
    queue.append(prompt)
    try:
        for number, word in enumerate(prompt.split()):
            yield await assign(nodes[number % len(nodes)], word)
    finally:
        queue.remove(prompt)


@app.post("/v1/generate")
async def generate(asked: Prompt, request: Request) -> StreamingResponse:
    """Stream tokens: the request lasts to the last of them, and the first has its own time."""
    if not asked.prompt:
        # The client's mistake: no error of this service.
        raise HTTPException(422, "a prompt has at least one word")
    nodes: list[str] = request.state.nodes
    return StreamingResponse(tokens(asked.model, asked.prompt, nodes), media_type="text/plain")


@decorators.checkpoint()
async def snapshot() -> bytes:
    """Save what would be lost."""
    with decorators.checkpoint_phase("snapshot"):
        state = "\n".join(queue).encode()
    with decorators.checkpoint_phase("write"):
        await asyncio.sleep(0.002)
    return state


@app.post("/checkpoint")
async def checkpoint(request: Request, *, full_disk: bool = False) -> dict[str, Any]:
    """Make a checkpoint; a polite answer that it can't be made is an error all the same."""
    if full_disk:
        fail(request, "io_error")
        return {"saved": False}
    return {"saved": True, "bytes": len(await snapshot())}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the service is there."""
    return {"status": "ok"}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    port: int = parser.parse_args().port
    # uvicorn ends the service in order, and then passes Ctrl-C on.
    with socket.create_server(("127.0.0.1", port)) as listener, suppress(KeyboardInterrupt):
        print(f"metrics are on http://127.0.0.1:{listener.getsockname()[1]}/metrics", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
