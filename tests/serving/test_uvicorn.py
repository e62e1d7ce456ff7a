"""Real uvicorn, stopped by SIGTERM under load: what was answered has been counted and exported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, blocks_of
from tests.serving.load import Service, free_port
from tests.serving.receiver import Receiver

_APP = """
import asyncio
from butterfly_otel.integrations.asgi import ButterflyMiddleware

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    await asyncio.sleep(0.02)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})

app = ButterflyMiddleware(app, method={"/": "inference"})
"""

_IMPORTED = """
import os
import butterfly_otel
butterfly_otel.configure(node_id=f"coordinator-{os.getpid()}", node_role="coordinator")
"""

#: What the printed application lacks to be asked here.
_ASKED = """
import asyncio
from fastapi.responses import PlainTextResponse

@app.get("/")
async def root():
    await asyncio.sleep(0.02)
    return PlainTextResponse("ok")
"""


def _documented(page: str) -> str:
    """Return the first code on a page of docs/how-to."""
    blocks = blocks_of(DOCS / "how-to" / page)
    text = next(each.text for each in blocks if each.language == "python")
    return text.replace('"POST /v1/generate": "inference"', '"/": "inference"')


@pytest.fixture
def serve(
    tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> Callable[..., tuple[int, int]]:
    """Return what runs uvicorn until it was stopped, and says what was answered and counted."""

    def run(source: str, *options: str) -> tuple[int, int]:
        needed("uvicorn", "fastapi")
        (tmp_path / "app.py").write_text(source)
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), *options]
        environ = {
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url,
            "BUTTERFLY_OTEL_COLLECTORS": "none",
        }
        with Service(command, tmp_path, port, environ) as service:
            service.wait_for(60)
            answered = service.stop()
        return answered, round(receiver.total("butterfly_requests_total"))

    return run


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
def test_every_request_is_counted_where_the_application_configures_at_import(
    options: tuple[str, ...], serve: Callable[..., tuple[int, int]]
) -> None:
    """Uvicorn sends itself the signal again at its end, under the default: nothing runs later."""
    answered, counted = serve(_IMPORTED + _APP, *options)
    assert counted == answered


@pytest.mark.parametrize(
    ("page", "options"),
    [("web.md", ()), ("uvicorn.md", ("--workers", "2"))],
    ids=["one", "two"],
)
def test_every_request_is_counted_with_the_documentation_followed(
    page: str, options: tuple[str, ...], serve: Callable[..., tuple[int, int]]
) -> None:
    """By the lifespan, as it is printed for one process and for several."""
    answered, counted = serve(_documented(page) + _ASKED, *options)
    assert counted == answered
