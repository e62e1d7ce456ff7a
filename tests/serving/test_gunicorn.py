"""Real gunicorn, stopped by SIGTERM under load: what was answered has been counted and exported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.docs.blocks import DOCS, blocks_of
from tests.everyday import everyday
from tests.serving.load import SECONDS, Service, free_port
from tests.serving.receiver import Receiver

_WSGI = """
import time
from butterfly_otel.integrations.wsgi import ButterflyMiddleware

def application(environ, start_response):
    time.sleep(0.02)  # some requests are under way at any time
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]

application = ButterflyMiddleware(application, method={"/": "inference"})
"""

_ASGI = """
import asyncio
from butterfly_otel.integrations.asgi import ButterflyMiddleware

async def application(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    await asyncio.sleep(0.02)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})

application = ButterflyMiddleware(application, method={"/": "inference"})
"""

#: As an application does that knows nothing of workers.
_CONFIGURED = """
import butterfly_otel
butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator")
"""

#: A hook that comes before the server's own signal handlers and gevent's patches.
_EARLY = """
import os
import butterfly_otel

def post_fork(server, worker):
    butterfly_otel.configure(node_id=f"coordinator-{os.getpid()}", node_role="coordinator")
"""

_KINDS = {
    "sync": ("sync", _WSGI, ()),
    "gthread": ("gthread", _WSGI, ()),
    "gevent": ("gevent", _WSGI, ("gevent",)),
    "uvicorn": ("uvicorn_worker.UvicornWorker", _ASGI, ("uvicorn", "uvicorn_worker")),
}


def _documented() -> str:
    [block] = [
        each
        for each in blocks_of(DOCS / "how-to" / "forking.md")
        if each.marks.get("file") == "gunicorn_conf.py"
    ]
    return block.text


@pytest.fixture
def serve(
    tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> Callable[..., tuple[int, int]]:
    """Return what runs gunicorn until it was stopped, and says what was answered and counted."""

    def run(kind: str, configuration: str, *options: str, app: str = "") -> tuple[int, int]:
        worker, source, packages = _KINDS[kind]
        needed("gunicorn", *packages)
        (tmp_path / "gunicorn_conf.py").write_text(configuration)
        (tmp_path / "app.py").write_text(app + source)
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn_conf.py", *options]
        command += ["--bind", f"127.0.0.1:{port}", "--worker-class", worker, "--workers", "2"]
        if kind == "gthread":
            command += ["--threads", "3"]
        environ = {
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url,
            "BUTTERFLY_OTEL_COLLECTORS": "none",
        }
        with Service([*command, "app:application"], tmp_path, port, environ) as service:
            service.wait_for(60)
            answered = service.stop()
        return answered, round(receiver.total("butterfly_requests_total"))

    return run


@pytest.mark.parametrize("kind", everyday(["sync"], _KINDS))
def test_every_request_is_counted_with_the_documentation_followed(
    kind: str, serve: Callable[..., tuple[int, int]], receiver: Receiver
) -> None:
    """With gunicorn_conf.py as it is printed, whichever the workers are."""
    answered, counted = serve(kind, _documented())
    assert counted == answered
    assert receiver.processes("butterfly_requests_total") > 0


@pytest.mark.parametrize("kind", everyday(["sync"], _KINDS))
def test_every_request_is_counted_where_the_parent_is_configured(
    kind: str, serve: Callable[..., tuple[int, int]]
) -> None:
    """With --preload, by an application that knows nothing of workers."""
    answered, counted = serve(kind, "", "--preload", app=_CONFIGURED)
    assert counted == answered


@pytest.mark.parametrize("kind", everyday(["uvicorn"], ["sync", "gevent", "uvicorn"]))
def test_every_request_is_counted_where_workers_are_configured_early(
    kind: str, serve: Callable[..., tuple[int, int]]
) -> None:
    """In post_fork, after which a worker resets signal handlers; one also patches threads."""
    answered, counted = serve(kind, _EARLY)
    assert counted == answered


@pytest.mark.parametrize("kind", everyday(["sync"], _KINDS))
def test_a_worker_is_scraped_on_an_endpoint_of_its_own(
    kind: str, tmp_path: Path, needed: Callable[..., None]
) -> None:
    """With gunicorn_conf.py as it is printed, but for the port; also under gevent."""
    worker, source, packages = _KINDS[kind]
    needed("gunicorn", *packages)
    port, endpoint = free_port(), free_port()
    configuration = _documented().replace("9500", str(endpoint))
    (tmp_path / "gunicorn_conf.py").write_text(configuration)
    (tmp_path / "app.py").write_text(source)
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn_conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "--worker-class", worker, "app:application"]
    with Service(command, tmp_path, port, {"BUTTERFLY_OTEL_COLLECTORS": "cpu"}) as service:
        service.wait_for(10)
        with urlopen(f"http://localhost:{endpoint}/metrics", timeout=SECONDS) as response:
            text = response.read().decode()
        service.stop()
    [success] = [
        line
        for line in text.splitlines()
        if line.startswith("butterfly_requests_total{")
        and 'method="inference"' in line
        and 'status="success"' in line
    ]
    assert float(success.rpartition(" ")[2]) >= 10
