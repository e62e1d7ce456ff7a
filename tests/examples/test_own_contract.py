"""The server with a contract of its own is run for real, asked over HTTP and scraped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request

from butterfly_otel.catalog import ALL
from butterfly_otel.catalogs import load
from butterfly_otel.lint.expositions.check import check_exposition, in_prometheus
from tests.e2e.processes import wait_until
from tests.examples.program import EXAMPLES

FOLDER = EXAMPLES / "own_contract"
LABELS = (
    'gen_ai_operation_name="text_completion",gen_ai_provider_name="butterfly",'
    'gen_ai_request_model="llama-70b",gen_ai_response_model="llama-70b"'
)


def test_an_inference_server_reports_the_gen_ai_metrics_beside_ours() -> None:
    """Streamed answers show on one page in both contracts, each of which the page keeps."""
    command = [sys.executable, FOLDER / "server.py", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.findall(r"http://\S+", process.stdout.readline())[0]
            base = url.removesuffix("/metrics")
            body = json.dumps({"prompt": "to be or not to be"}).encode()
            assert fetch(f"{base}/v1/generate", body) == "TO BE OR NOT TO BE "
            # A request ends when its answer has been sent, so perhaps after that has come.
            done = "butterfly_requests_total{"
            wait_until(lambda: done in fetch(url), 60, "the request's end")
            text = fetch(url)
        finally:
            process.terminate()
    assert process.wait(60) in {0, -signal.SIGTERM}
    for name, count in {
        "gen_ai_server_request_duration_seconds": 1,
        "gen_ai_server_time_to_first_token_seconds": 1,
        "gen_ai_server_time_per_output_token_seconds": 5,
    }.items():
        [line] = re.findall(rf"^{name}_count{{(.*)}} (\S+)$", text, re.MULTILINE)
        assert set(LABELS.split(",")) <= set(line[0].split(","))
        assert float(line[1]) == count
    sums = re.findall(
        r'^gen_ai_client_token_usage_sum{.*type="(\w+)".*} (\S+)$', text, re.MULTILINE
    )
    assert {kind: float(value) for kind, value in sums} == {"input": 6, "output": 6}
    assert 'gen_ai_server_requests_in_flight{gen_ai_request_model="llama-70b"} 0' in text
    assert "butterfly_tokens_processed_total{" in text
    contract = [in_prometheus(metric) for metric in load(FOLDER / "gen_ai.yaml")]
    found = check_exposition(text, metrics=contract, known=ALL, expect_all=True)
    assert [each for each in found if each.severity == "error"] == []


def fetch(url: str, body: bytes | None = None) -> str:
    """Get, or post JSON, and return the answer."""
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(answer.read().decode())
