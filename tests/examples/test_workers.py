"""The examples of servers with several workers: one endpoint has what all of them have counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.examples.program import EXAMPLES
from tests.foreground import FOREGROUND
from tests.serving.load import SECONDS, free_port
from tests.serving.watching import total, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its workers are forked")
REQUESTS = "butterfly_requests_total"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uvicorn_workers.py", ("--workers", "2", "--port")),
        ("gunicorn_workers.py", ("--workers", "2", "--bind")),
    ],
)
def test_a_scrape_has_every_request(name: str, options: tuple[str, ...]) -> None:
    """Twenty requests to two workers are twenty on the port of the metrics."""
    port, endpoint = free_port(), free_port()
    address = f"127.0.0.1:{port}" if name == "gunicorn_workers.py" else str(port)
    with subprocess.Popen(
        [sys.executable, EXAMPLES / name, *options, address],
        env={
            **os.environ,
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(endpoint),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **FOREGROUND,
    ) as process:
        try:
            wait_for(lambda: ask(port) and total(endpoint, REQUESTS) > 0, lambda: name)
            before = total(endpoint, REQUESTS)
            for _ in range(20):
                assert ask(port)
            wait_for(lambda: total(endpoint, REQUESTS) >= before + 20, lambda: name)
            assert total(endpoint, REQUESTS) == before + 20
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=SECONDS)
            assert "Traceback" not in output
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def ask(port: int) -> bool:
    """Ask for the greeting."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=SECONDS) as answer:
        return bool(answer.read() == b"hello\n")
