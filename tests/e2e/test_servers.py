"""The real servers start, scrape, survive an outage and end; the absent ones are told of."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .servers import (
    HOST,
    OPENMETRICS,
    SCRIPT,
    TEXT,
    Prometheus,
    Scrape,
    ServerError,
    find_program,
    free_port,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

TEXT_PAGE = """\
# HELP demo_bytes_sent Bytes.
# TYPE demo_bytes_sent counter
demo_bytes_sent{to="b"} 5
# HELP demo_seconds Time.
# TYPE demo_seconds histogram
demo_seconds_bucket{le="5"} 1
demo_seconds_bucket{le="+Inf"} 2
demo_seconds_sum 9
demo_seconds_count 2
"""
OPENMETRICS_PAGE = """\
# HELP demo_bytes_sent Bytes.
# TYPE demo_bytes_sent unknown
demo_bytes_sent{to="b"} 5
# HELP demo_seconds Time.
# TYPE demo_seconds histogram
# UNIT demo_seconds seconds
demo_seconds_bucket{le="5.0"} 1 # {trace_id="abc"} 0.5
demo_seconds_bucket{le="+Inf"} 2
demo_seconds_sum 9
demo_seconds_count 2
# EOF
"""
JOBS = ("openmetrics", "text")
PAGES = {
    "/text": ("text/plain; version=0.0.4; charset=utf-8", TEXT_PAGE),
    "/openmetrics": (
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        OPENMETRICS_PAGE,
    ),
}


@contextmanager
def pages() -> Iterator[str]:
    """Serve `PAGES` on loopback; gives the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content_type, body = PAGES[self.path]
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("program", ["prometheus2", "prometheus3"])
def test_prometheus_scrapes_both_formats(
    request: pytest.FixtureRequest, tmp_path: Path, program: str
) -> None:
    """What either Prometheus scrapes in either format is found by query and metadata."""
    executable = request.getfixturevalue(program)
    asked = {"text": [TEXT], "openmetrics": [OPENMETRICS]} if program == "prometheus3" else {}
    with pages() as address:
        scrapes = [Scrape([address], job, asked.get(job), f"/{job}") for job in JOBS]
        with Prometheus(executable, tmp_path, scrapes=scrapes) as prometheus:
            prometheus.wait_for("count(demo_bytes_sent) == 2")
            samples = prometheus.query("demo_bytes_sent")
            types = {
                (one["target"]["job"], one["metric"]): one["type"]
                for one in prometheus.targets_metadata()
            }
            families = prometheus.metadata("demo_seconds")
            exemplars = prometheus.exemplars("demo_seconds_bucket")
            buckets = prometheus.series('demo_seconds_bucket{le!="+Inf"}')
    name = {"__name__": "demo_bytes_sent"}
    expected = [{**name, "to": "b", "job": job, "instance": address} for job in JOBS]
    assert sorted(samples, key=lambda one: one.labels["job"]) == [(one, 5) for one in expected]
    assert types["text", "demo_bytes_sent"] == "counter"
    assert types["openmetrics", "demo_bytes_sent"] == "unknown"
    assert types["text", "demo_seconds"] == types["openmetrics", "demo_seconds"] == "histogram"
    assert {one["type"] for one in families["demo_seconds"]} == {"histogram"}
    assert {one["seriesLabels"]["job"] for one in exemplars} == {"openmetrics"}
    as_written = "5" if program == "prometheus2" else "5.0"
    assert {one["job"]: one["le"] for one in buckets} == {"text": as_written, "openmetrics": "5.0"}


def test_an_outage_keeps_the_address(prometheus3: Path, tmp_path: Path) -> None:
    """A server that was stopped, or killed, starts again on its port with its data."""
    with pages() as address:
        scrape = Scrape([address], path="/text")
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            before = prometheus.url
            prometheus.wait_for("demo_bytes_sent")
            prometheus.stop()
            with pytest.raises(ServerError, match="did not answer"):
                prometheus.query("1")
            prometheus.start()
            assert prometheus.query("count_over_time(demo_bytes_sent[1h])")
            prometheus.kill()
            prometheus.start()
            assert prometheus.url == before
            assert prometheus.query("vector(1) + 1")[0].value == 2


def test_a_server_that_does_not_start_shows_its_log(prometheus3: Path, tmp_path: Path) -> None:
    """A bad command line is an error at once, with what the server said of it."""
    with pytest.raises(ServerError, match=r"ended before it was ready(.|\n)*unknown long flag"):
        Prometheus(prometheus3, tmp_path, flags=["--no-such-flag"]).start()


def test_waiting_in_vain_names_the_target(prometheus3: Path, tmp_path: Path) -> None:
    """Waiting for what never comes ends with the error of each target."""
    target = f"{HOST}:{free_port()}"
    with Prometheus(prometheus3, tmp_path, scrapes=[Scrape([target])]) as prometheus:
        prometheus.wait_for("up == 0")
        with pytest.raises(ServerError, match=f"http://{target}/metrics down .*refused"):
            prometheus.wait_for("up == 1", timeout=0.2)


def test_an_unknown_program_is_an_error() -> None:
    """A misspelt program is not taken for one that is not built."""
    with pytest.raises(ServerError, match="invalid choice"):
        find_program("prometheus4")


@pytest.mark.parametrize(("required", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_an_absent_program_skips_or_fails(tmp_path: Path, required: str, outcome: str) -> None:
    """A program that is not built skips its tests, and fails them where it is required."""
    environment = {
        **os.environ,
        "BUTTERFLY_OTEL_CACHE": str(tmp_path),
        "BUTTERFLY_OTEL_REQUIRE_SERVERS": required,
        "CI": "",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "COLUMNS": "200",
    }
    test = f"{__file__}::{test_waiting_in_vain_names_the_target.__name__}"
    alone = ["-o", "addopts=-ra --import-mode=importlib", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *alone, test]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert outcome in answer.stdout
    assert "prometheus3 is not built here; run `make servers`" in answer.stdout


def test_a_build_without_go_says_what_to_install(tmp_path: Path) -> None:
    """Where there is no Go, the build fails with one sentence, and leaves nothing behind."""
    environment = {"PATH": str(tmp_path), "BUTTERFLY_OTEL_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run(
        [sys.executable, str(SCRIPT), "build", "otelcol"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("otelcol: not built: there is no Go toolchain here: install")
    assert answer.stderr.count("\n") == 1
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.name == "bin"]
