"""The demo in real time, as a process and by its parts."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from butterfly_otel import catalog
from butterfly_otel.cli import main
from butterfly_otel.demo.run import Options, run_demo
from butterfly_otel.demo.size import Size
from tests.foreground import FOREGROUND

SMALL = Size(compute=4, layers=4, models=1)
PROGRAM = "import sys; from butterfly_otel.cli import main; sys.exit(main())"


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **FOREGROUND,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for text in process.stdout:
        found = re.match(r"metrics: (http://\S+)", text)
        if found:
            return found[1]
    raise AssertionError(process.stderr and process.stderr.read())


def _scrape(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_the_demo_serves_and_ends_by_itself() -> None:
    """As a process without a terminal it serves while it runs, and exits with 0 in time."""
    began = time.monotonic()
    with _process("--duration", "2", "--port", "0", "--plain", "--speed", "5") as process:
        url = _endpoint(process)
        text = _scrape(url)
        assert 'butterfly_cluster_size{state="active"} 3' in text
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
    assert 2 <= time.monotonic() - began < 25
    assert "stopped after 00:00:1" in out
    with pytest.raises(OSError, match="refused"):
        _scrape(url)


def test_the_page_is_named_and_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address of the page is printed before all others, and `--open` gives it to a browser."""
    opened, done = list[str](), threading.Event()

    def browse(url: str) -> None:
        opened.append(url)
        done.set()

    monkeypatch.setattr("webbrowser.open", browse)
    assert main(["demo", "--port", "0", "--duration", "0.5", "--plain", "--open"]) == 0
    assert done.wait(30)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"page: {opened[0]}"
    assert lines[2] == f"metrics: {opened[0]}metrics"


def test_a_page_that_is_not_served_cannot_be_opened(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an endpoint there is no page: one sentence says which option is missing."""
    assert main(["demo", "--exporter", "console", "--open"]) == 2
    assert "--open needs the page, which is not served" in capsys.readouterr().err


def test_all_metrics_are_served_soon() -> None:
    """After some 40 simulated seconds the endpoint has every metric of the contract."""
    with _process("--port", "0", "--speed", "20", "--seed", "4") as process:
        url = _endpoint(process)
        names = {metric.name for metric in catalog.CONTRACT}
        deadline, served = time.monotonic() + 20, set[str]()
        while served < names and time.monotonic() < deadline:
            served = set(re.findall(r"^# TYPE (\w+) ", _scrape(url), re.MULTILINE)) & names
            time.sleep(0.2)
        assert served == names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_demo_cleanly(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM are ways to stop it, not errors: exit code 0, no traceback."""
    with _process("--port", "0") as process:
        _endpoint(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "stopped after" in out


def test_a_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, what is wrong and which option mends it, and no traceback."""
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port), "--duration", "1"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"localhost:{port}" in said.err
    assert said.err.endswith("choose another address by --host and --port\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "0"], "--speed is 0; pass a number above 0"),
        (["--speed", "nan"], "--speed is nan"),
        (["--duration", "-1"], "--duration is -1"),
        (["--export-interval", "0"], "--export-interval is 0"),
        (["--nodes", "1"], "--nodes 1 leaves no node that computes"),
        (["--models", "99"], "not 99"),
        (["--fault", "meteor@5"], "'meteor@5' is no fault"),
        (["--fault", "quorum_loss@5", "--coordinators", "1"], "can't have quorum_loss"),
        (["--with-prometheus", "--prometheus-binary", "/nowhere"], "prometheus.io/download"),
        (["--exporter", "otlp", "--otlp-endpoint", "nonsense"], "nonsense"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line on stderr, before anything has been started."""
    assert main(["demo", "--duration", "1", "--port", "0", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("butterfly-otel: ")
    assert said.err.count("\n") == 1
    assert message in said.err


def test_prometheus_needs_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    """--with-prometheus without anything to scrape says what to pass."""
    arguments = [
        "--exporter",
        "console",
        "--with-prometheus",
        "--prometheus-binary",
        sys.executable,
    ]
    assert main(["demo", "--duration", "1", *arguments]) == 2
    assert "pass --exporter prometheus or both" in capsys.readouterr().err


def test_the_console_exporter_has_stdout_to_itself() -> None:
    """What is exported to the console is JSON; the demo's own lines are on stderr."""
    with _process("--duration", "0.5", "--exporter", "console") as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    names = {
        metric["name"]
        for resource in json.loads(out)["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    }
    assert "butterfly_requests_total" in names
    assert "requests/s" in err


def test_large_clusters_are_warned_of() -> None:
    """Where limits will be reached the demo says which, and runs."""
    out = io.StringIO()
    run_demo(Options(size=Size.of(130), port=0, duration=0.1), out)
    assert "warning: butterfly_connection_latency_seconds will have" in out.getvalue()
    assert "limit of 1000" in out.getvalue()


def test_a_disabled_sdk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With OTEL_SDK_DISABLED the demo runs, and says that nothing is measured."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    out = io.StringIO()
    run_demo(Options(size=SMALL, duration=0.1), out)
    assert "warning: OTEL_SDK_DISABLED is set" in out.getvalue()
    assert "metrics: http" not in out.getvalue()


@pytest.mark.parametrize(("speed", "seconds"), [(20.0, (15, 25)), (0.5, (1, 1))])
def test_speed_is_simulated_time_over_time(speed: float, seconds: tuple[int, int]) -> None:
    """In one second a fast simulation goes through many, a slow one through its first."""
    out = io.StringIO()
    options = Options(size=SMALL, speed=speed, duration=1, exporters=["none"], faults=[])
    run_demo(options, out)
    found = re.search(r"stopped after 00:00:(\d\d)", out.getvalue())
    assert found is not None
    assert seconds[0] <= int(found[1]) <= seconds[1]


def test_a_speed_out_of_reach_still_ends() -> None:
    """However many steps a round would have, time is looked at between them."""
    out = io.StringIO()
    options = Options(size=SMALL, speed=1e7, duration=0.3, exporters=["none"], faults=[])
    run_demo(options, out)
    assert "stopped after" in out.getvalue()


def test_handlers_of_signals_are_put_back() -> None:
    """After the demo the process answers signals as before."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run_demo(Options(size=SMALL, duration=0.05, exporters=["none"]), io.StringIO())
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
