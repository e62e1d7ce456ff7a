"""The inference coordinator is run for real, asked over HTTP and scraped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from butterfly_otel.lint import check_exposition
from tests.examples.program import EXAMPLES


def test_the_inference_coordinator_is_a_service_that_is_scraped() -> None:
    """Asked over HTTP and scraped on the same port, it shows requests, tokens and checkpoints."""
    command = [sys.executable, EXAMPLES / "inference_coordinator.py", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.findall(r"http://\S+", process.stdout.readline())[0]
            base = url.removesuffix("/metrics")
            body = json.dumps({"prompt": "to be or not to be"}).encode()
            assert fetch(f"{base}/v1/generate", body).split()[:2] == [
                "TO@compute-node-1",
                "BE@compute-node-2",
            ]
            with pytest.raises(urllib.error.HTTPError, match="422"):
                fetch(f"{base}/v1/generate", json.dumps({"prompt": ""}).encode())
            assert json.loads(fetch(f"{base}/checkpoint", b"")) == {"saved": True, "bytes": 0}
            assert not json.loads(fetch(f"{base}/checkpoint?full_disk=1", b""))["saved"]
            assert json.loads(fetch(f"{base}/healthz")) == {"status": "ok"}
            # A request ends when its answer has been sent, so perhaps after that has come.
            text = ""
            while 'method="health_check",node_role="coordinator",status="success"} 1.0' not in text:
                text = fetch(url)
        finally:
            process.terminate()
    assert process.wait(30) in {0, -signal.SIGTERM}
    requests = {
        'method="inference",node_role="coordinator",status="success"} 2.0',
        'method="checkpoint",node_role="coordinator",status="success"} 1.0',
        'method="checkpoint",node_role="coordinator",status="error"} 1.0',
    }
    for labels in requests:
        assert f"butterfly_requests_total{{{labels}" in text
    assert 'error_type="io_error"' in text
    assert 'butterfly_tokens_processed_total{model="llama-70b",node_id="coordinator-1"} 6.0' in text
    assert 'to_node="compute-node-2"} 3.0' in text
    assert "butterfly_otel_request_first_item_seconds_count{" in text
    assert 'butterfly_tasks_queued{node_id="coordinator-1"} 0.0' in text
    assert [each for each in check_exposition(text) if each.severity == "error"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another event there")
def test_ctrl_c_ends_the_inference_coordinator_without_a_traceback() -> None:
    """As it ends every other example."""
    command = [sys.executable, EXAMPLES / "inference_coordinator.py", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        url = re.findall(r"http://\S+", process.stdout.readline())[0]
        assert "butterfly_" in fetch(url)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def fetch(url: str, body: bytes | None = None) -> str:
    """Get, or post JSON, and return the answer."""
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(answer.read().decode())
