"""`opentelemetry-instrument` and our configurator: real processes without a line of code."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk import _configuration as stock

from butterfly_otel.integrations import instrument
from tests import older

pytestmark = pytest.mark.timeout(120)

#: Says what it finds configured, and what a scrape of it shows.
_APPLICATION = """
import json, sys, urllib.request
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider
from butterfly_otel import metrics as handles
from butterfly_otel.runtime import lifecycle as runtime
handles.requests_total.inc(method="inference", status="success")
metrics.get_meter("app").create_counter("jobs").add(2)
current = runtime.current()
url = current and current.prometheus_url
tracer = trace.get_tracer_provider()
print(json.dumps({
    "text": urllib.request.urlopen(url, timeout=30).read().decode() if url else None,
    "spans": type(getattr(tracer, "_active_span_processor", None)).__name__,
    "processors": [
        type(each.span_exporter).__name__
        for each in tracer._active_span_processor._span_processors
    ] if hasattr(tracer, "_active_span_processor") else None,
    "resource": dict(tracer.resource.attributes) if hasattr(tracer, "resource") else {},
    "logs": dict(getattr(get_logger_provider(), "resource").attributes),
    "meters": type(metrics.get_meter_provider()).__name__,
}))
"""
NODE = {
    "BUTTERFLY_NODE_ID": "compute-node-1",
    "BUTTERFLY_NODE_ROLE": "compute",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_LOGS_EXPORTER": "none",
}
COUNTED = 'butterfly_requests_total{method="inference",node_role="compute",status="success"} 1.0\n'


def run(tmp_path: Path, application: str = _APPLICATION, **environ: str) -> tuple[Any, str]:
    """Run an application by the real command; return what it says, and its stderr."""
    command = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("opentelemetry-distro is not installed: pip install --group test")
    done = subprocess.run(
        [command, sys.executable, "-c", application],
        env={**os.environ, **environ},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith('{"text"')]
    return (json.loads(said[0]) if said else None), done.stderr


def test_metrics_are_ours_and_the_rest_is_opentelemetrys(tmp_path: Path) -> None:
    """A scrape shows contract and application metrics; traces and logs share one resource."""
    said, stderr = run(
        tmp_path,
        **NODE,
        OTEL_PYTHON_CONFIGURATOR="butterfly_otel",
        OTEL_METRICS_EXPORTER="prometheus",
    )
    assert COUNTED in said["text"]
    assert "jobs_total 2.0" in said["text"]
    assert said["meters"] == "DelegatingMeterProvider"
    assert said["processors"] == ["ConsoleSpanExporter"]
    for resource in (said["resource"], said["logs"]):
        assert resource["service.name"] == "butterfly-compute"
        assert resource["service.instance.id"] == "compute-node-1"
        assert resource["telemetry.auto.version"]
    assert "Overriding" not in stderr
    assert "Traceback" not in stderr


def test_the_distro_needs_one_variable(tmp_path: Path) -> None:
    """It chooses the configurator and pull; what else it sets is the stock distro's."""
    said, stderr = run(tmp_path, **NODE, OTEL_PYTHON_DISTRO="butterfly_otel")
    assert COUNTED in said["text"]
    assert said["processors"] == ["ConsoleSpanExporter"]
    assert "Overriding" not in stderr


def test_wrong_settings_are_one_sentence(tmp_path: Path) -> None:
    """The application runs, with traces and logs, and stderr says what is wrong."""
    settings = {**NODE, "BUTTERFLY_NODE_ROLE": "boss"}
    said, stderr = run(tmp_path, **settings, OTEL_PYTHON_DISTRO="butterfly_otel")
    assert said["text"] is None
    assert said["processors"] == ["ConsoleSpanExporter"]
    [line] = [line for line in stderr.splitlines() if "butterfly-otel" in line]
    assert line == (
        "butterfly-otel measures nothing: BUTTERFLY_NODE_ROLE is 'boss'; it must be coordinator,"
        " compute or observer"
    )
    assert "Traceback" not in stderr


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    """As for a second process of the same settings."""
    with socket.create_server(("localhost", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {**NODE, "OTEL_EXPORTER_PROMETHEUS_PORT": port}
        said, stderr = run(tmp_path, **settings, OTEL_PYTHON_DISTRO="butterfly_otel")
    assert said["text"] is None
    assert f"the Prometheus endpoint can't be opened on localhost:{port}" in stderr


def test_a_disabled_sdk_stays_so(tmp_path: Path) -> None:
    """OTEL_SDK_DISABLED needs no other setting, and measures nothing."""
    _, stderr = run(
        tmp_path, "print(1)", OTEL_PYTHON_DISTRO="butterfly_otel", OTEL_SDK_DISABLED="true",
        OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none",
    )  # fmt: skip
    assert "butterfly-otel measures nothing" not in stderr


def test_unnamed_it_changes_nothing(tmp_path: Path) -> None:
    """That this package is installed leaves the stock configuration as it is, node id or not."""
    said, _ = run(tmp_path, **NODE, OTEL_METRICS_EXPORTER="none")
    assert said["text"] is None
    assert said["meters"] == "MeterProvider"
    assert said["processors"] == ["ConsoleSpanExporter"]


@pytest.mark.skipif(
    "unit/test_views.py" in older.ignored(), reason="before SDK 1.44 there is no such thing"
)
def test_a_declarative_configuration_loses_its_meter_provider_only(tmp_path: Path) -> None:
    """OTEL_CONFIG_FILE sets up traces; its metrics are ours, not those of a second provider."""
    file = tmp_path / "otel.yaml"
    file.write_text(
        "file_format: '1.0'\n"
        "tracer_provider: {processors: [{simple: {exporter: {console: {}}}}]}\n"
        "meter_provider: {readers: [{pull: {exporter: {prometheus/development: {port: 0}}}}]}\n"
        "logger_provider: {processors: [{simple: {exporter: {console: {}}}}]}\n",
        encoding="utf-8",
    )
    said, stderr = run(
        tmp_path, **NODE, OTEL_PYTHON_DISTRO="butterfly_otel", OTEL_CONFIG_FILE=str(file)
    )
    assert COUNTED in said["text"]
    assert said["processors"] == ["ConsoleSpanExporter"]
    assert "Overriding" not in stderr


@pytest.fixture
def without_others(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no other configurator installed."""
    monkeypatch.setattr(instrument, "entry_points", lambda **_: [])
    yield
    instrument.Configurator._instance = None


@pytest.mark.usefixtures("without_others")
def test_the_entry_points_give_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unnamed, there is no distro of ours, and the configurator is the SDK's own."""
    assert instrument.distro() is None
    unnamed = instrument.configurator()
    assert isinstance(unnamed, stock._OTelSDKConfigurator)
    assert not isinstance(unnamed, instrument.Configurator)
    monkeypatch.setenv("OTEL_PYTHON_CONFIGURATOR", "butterfly_otel")
    assert isinstance(instrument.configurator(), instrument.Configurator)


def test_the_name_that_is_replaced_exists() -> None:
    """The SDK still makes its meter provider where we keep it from doing so, and it comes back."""
    initialize = stock._init_metrics
    with instrument._without_metrics():
        assert stock._init_metrics is not initialize
        assert os.environ["OTEL_METRICS_EXPORTER"] == "none"
    assert stock._init_metrics is initialize
    assert "OTEL_METRICS_EXPORTER" not in os.environ
