"""An inference server that reports OpenTelemetry's GenAI metrics beside Butterfly's.

The contract is gen_ai.yaml, from which gen_ai_metrics.py is rendered. Run it, ask it something,
then look at http://localhost:8000/metrics:

    pip install 'butterfly-otel[fastapi]' uvicorn
    python examples/own_contract/server.py --port 8000
    curl -N -d '{"prompt": "to be or not to be"}' -H 'Content-Type: application/json' \
        http://localhost:8000/v1/generate
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import gen_ai_metrics as gen_ai
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from butterfly_otel import metrics
from butterfly_otel.integrations.starlette import ButterflyMiddleware, butterfly_lifespan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL, PROVIDER = "llama-70b", "butterfly"
OPERATION: Literal["text_completion"] = "text_completion"
#: How an answer fails, as the contract has it.
Error = Literal["timeout", "cancelled", "_OTHER"]


class Prompt(BaseModel):
    """What is asked of the model."""

    prompt: str
    model: str = MODEL


app = FastAPI(
    title="Inference server",
    lifespan=butterfly_lifespan(
        node_id="coordinator-1",
        node_role="coordinator",
        metrics_path="/metrics",
        catalogs=[gen_ai.CATALOG],
    ),
)
# Butterfly's requests, by route; the conventions' metrics are measured where tokens are made.
app.add_middleware(ButterflyMiddleware, method={"POST /v1/generate": "inference"})


async def words(prompt: str) -> AsyncIterator[str]:
    """Stand in for a model that makes a token of each word."""
    for word in prompt.split():
        await asyncio.sleep(0.002)
        yield f"{word.upper()} "


async def measured(asked: Prompt) -> AsyncIterator[str]:
    """Stream an answer, and measure it as the conventions want it."""
    per_token = gen_ai.server_time_per_output_token.bind(
        gen_ai_operation_name=OPERATION,
        gen_ai_provider_name=PROVIDER,
        gen_ai_request_model=asked.model,
        gen_ai_response_model=MODEL,
    )
    began = last = time.perf_counter()
    count = 0
    error: Error | None = "_OTHER"
    with gen_ai.server_requests_in_flight.track(gen_ai_request_model=asked.model):
        try:
            async for token in words(asked.prompt):
                now = time.perf_counter()
                if count:
                    per_token.record(now - last)
                else:
                    begun(asked.model, now - began)
                last, count = now, count + 1
                metrics.tokens_processed_total.inc(model=asked.model)
                yield token
            error = None
        except asyncio.CancelledError:
            error = "cancelled"
            raise
        finally:
            ended(asked.model, time.perf_counter() - began, error)
            used(asked.model, "input", len(asked.prompt.split()))
            used(asked.model, "output", count)


def begun(model: str, seconds: float) -> None:
    """Measure the time to the first token."""
    gen_ai.server_time_to_first_token.record(
        seconds,
        gen_ai_operation_name=OPERATION,
        gen_ai_provider_name=PROVIDER,
        gen_ai_request_model=model,
        gen_ai_response_model=MODEL,
    )


def ended(model: str, seconds: float, error: Error | None) -> None:
    """Measure the whole answer; an error is left out where there is none."""
    gen_ai.server_request_duration.record(
        seconds,
        gen_ai_operation_name=OPERATION,
        gen_ai_provider_name=PROVIDER,
        gen_ai_request_model=model,
        gen_ai_response_model=MODEL,
        error_type=error,
    )


def used(model: str, kind: Literal["input", "output"], tokens: int) -> None:
    """Measure the tokens of an answer."""
    gen_ai.client_token_usage.record(
        tokens,
        gen_ai_operation_name=OPERATION,
        gen_ai_provider_name=PROVIDER,
        gen_ai_request_model=model,
        gen_ai_response_model=MODEL,
        gen_ai_token_type=kind,
    )


@app.post("/v1/generate")
async def generate(asked: Prompt) -> StreamingResponse:
    """Stream tokens."""
    if not asked.prompt:
        # The client's mistake: no error of this service.
        raise HTTPException(422, "a prompt has at least one word")
    return StreamingResponse(measured(asked), media_type="text/plain")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    port: int = parser.parse_args().port
    with socket.create_server(("127.0.0.1", port)) as listener, suppress(KeyboardInterrupt):
        print(f"metrics are on http://127.0.0.1:{listener.getsockname()[1]}/metrics", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
