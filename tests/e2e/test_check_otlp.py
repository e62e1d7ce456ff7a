"""``butterfly-otel check --otlp``, in a process of its own, behind a real Collector."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from tests.unit.lint.otlp_fixture import full_request

from .servers import Collector, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

_SECONDS = 60


def test_collector_forwards(otelcol: Path, tmp_path: Path) -> None:
    """What a Collector forwards, by gRPC and by HTTP, is judged as what a node pushes."""
    log = tmp_path / "check.log"
    addresses = ("--otlp", "127.0.0.1:0", "--otlp", "http://127.0.0.1:0")
    with log.open("w") as errors:
        command = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "butterfly_otel",
                "check",
                "--json",
                "--all",
                *addresses,
                "--count",
                "2",
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        wait_until(lambda: "Ctrl-C" in log.read_text(), _SECONDS, "listening")
        grpc, http = re.findall(r"(?:http://)?127\.0\.0\.1:\d+", log.read_text())
        exporters = {
            "otlp": {"endpoint": grpc, "tls": {"insecure": True}},
            "otlphttp": {"endpoint": http},
        }
        with Collector(otelcol, tmp_path, exporters=exporters) as collector:
            pushed = full_request(service_name="rust", service_instance_id="n1")
            headers = {"Content-Type": "application/x-protobuf"}
            request = Request(collector.http_endpoint, pushed.SerializeToString(), headers)
            with urlopen(request, timeout=_SECONDS) as answer:
                assert answer.status == 200
            printed, _ = command.communicate(timeout=_SECONDS)
    finally:
        command.kill()
        command.wait()
    (target,) = json.loads(printed)["targets"]
    assert (target["target"], target["findings"]) == ("rust/n1", [])
    assert command.returncode == 0
