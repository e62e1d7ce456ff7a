"""`opentelemetry-instrument` finds our exporter without code."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

_APPLICATION = """
import os, urllib.request
from opentelemetry import metrics
meter = metrics.get_meter("butterfly_otel")
meter.create_counter("butterfly_network_bytes_sent", unit="By").add(5, {"to_node": "b"})
metrics.get_meter("app").create_counter("jobs").add(1)
url = f"http://localhost:{os.environ['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics"
print(urllib.request.urlopen(url, timeout=10).read().decode())
"""


def test_opentelemetry_instrument_serves_by_our_exporter(tmp_path: Path) -> None:
    """OTEL_METRICS_EXPORTER=butterfly_prometheus serves exact contract names on the given port."""
    command = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("opentelemetry-distro is not installed: pip install --group test")
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "OTEL_METRICS_EXPORTER": "butterfly_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }
    result = subprocess.run(
        [command, sys.executable, "-c", _APPLICATION],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = result.stdout.splitlines()
    assert "# TYPE butterfly_network_bytes_sent counter" in lines, result.stderr
    assert 'butterfly_network_bytes_sent{to_node="b"} 5.0' in lines
    assert any(line.startswith("jobs_total{") for line in lines)
