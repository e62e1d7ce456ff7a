"""A Prometheus beside the demo, here one that is a few lines of Python."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.demo import prometheus
from butterfly_otel.demo.run import Options, run_demo
from butterfly_otel.demo.size import Size

ENDPOINT = "http://localhost:9464/metrics"
FAKE = f"""#!{sys.executable}
import http.server, pathlib, sys
flags = dict(flag.split("=", 1) for flag in sys.argv[1:])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pathlib.Path(flags["--config.file"]).read_bytes())
host, port = flags["--web.listen-address"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path) -> str:
    """A program that takes Prometheus' flags, is ready at once, and serves its configuration."""
    program = tmp_path / "prometheus"
    program.write_text(FAKE, "utf-8")
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


def test_the_binary_is_found_on_path(fake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on PATH is taken, unless a path is given."""
    monkeypatch.setenv("PATH", str(Path(fake).parent))
    assert prometheus.find_binary(None) == fake
    assert prometheus.find_binary(sys.executable) == sys.executable


def test_a_missing_binary_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to get one, and names a path that is wrong."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"no `prometheus` on PATH; install it .*apt"):
        prometheus.find_binary(None)
    with pytest.raises(ConfigurationError, match="/nowhere is no executable file"):
        prometheus.find_binary("/nowhere")


def test_the_configuration_scrapes_the_demo(tmp_path: Path) -> None:
    """Target, path and rules that fit the demo's speed."""
    files = prometheus.write_rules(tmp_path, 10)
    assert [path.name for path in files] == ["prometheus_rules.yml", "prometheus_alerts.yml"]
    assert "for: 30s" in files[1].read_text("utf-8")
    config = json.loads(prometheus.config_text(ENDPOINT, files))
    assert config["rule_files"] == [str(path) for path in files]
    [job] = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"] == [{"targets": ["localhost:9464"]}]
    # Below: with 1 m windows every rate needs several scrapes.
    assert config["global"] == {"scrape_interval": "5s", "evaluation_interval": "5s"}


def test_it_runs_as_long_as_the_block(fake: str, port: int) -> None:
    """It is ready within the block; afterwards process and folder are gone."""
    with prometheus.serve(fake, ENDPOINT, port, []) as address:
        with urlopen(f"{address}/-/ready", timeout=5) as answer:
            config = json.loads(answer.read())
        assert config["scrape_configs"]
        assert address == f"http://127.0.0.1:{port}"
    with pytest.raises(OSError, match="refused"):
        urlopen(f"{address}/-/ready", timeout=5)


def test_a_program_that_does_not_start_is_explained(tmp_path: Path, port: int) -> None:
    """Its last words are in the message."""
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho first >&2\necho 'no such flag' >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    with (
        pytest.raises(ConfigurationError, match="did not start: no such flag"),
        prometheus.serve(str(program), ENDPOINT, port, []),
    ):
        pass


def test_a_port_in_use_is_explained(fake: str) -> None:
    """The message names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=rf"port {number}: .*--prometheus-port"),
            prometheus.serve(fake, ENDPOINT, number, []),
        ):
            pass


def test_the_demo_starts_and_stops_it(fake: str, port: int, tmp_path: Path) -> None:
    """The demo prints its address and where alerts are; afterwards it is gone."""
    out = io.StringIO()
    options = Options(
        size=Size(compute=4, layers=4, models=1),
        port=0,
        duration=0.3,
        with_prometheus=True,
        prometheus_binary=fake,
        prometheus_port=port,
    )
    run_demo(options, out)
    assert f"Prometheus: http://127.0.0.1:{port}\n" in out.getvalue()
    assert f"alerts: http://127.0.0.1:{port}/alerts\n" in out.getvalue()
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus"]
