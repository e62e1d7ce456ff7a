"""The command: against real endpoints that come and go, as text, JSON and live."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from butterfly_otel.cli import main
from butterfly_otel.cli.top import Watch
from butterfly_otel.cli.top.figures import Row
from butterfly_otel.cli.top.live import draw
from butterfly_otel.cli.top.table import COLUMNS, bytes_text, plain_table

PROGRAM = "import sys; from butterfly_otel.cli import main; sys.exit(main())"


class Endpoint:
    """A real HTTP endpoint that says what it is told, or nothing."""

    def __init__(self) -> None:
        self.text: str | None = "butterfly_quorum_size 3\n"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if outer.text is not None else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((outer.text or "").encode())

            def log_message(self, *_args: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Serve until the test ends."""
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@contextmanager
def demo() -> Iterator[str]:
    """Run a simulated cluster in a process of its own; give the URL of its metrics."""
    command = [sys.executable, "-c", PROGRAM, "demo", "--plain", "--port", "0", "--speed", "5"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = (re.match(r"metrics: (http://\S+)", line) for line in process.stdout)
        yield next(match[1] for match in found if match)
    finally:
        process.kill()
        process.communicate()


def test_the_demo_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Against a real endpoint: a row for the cluster and each node, figures of all kinds."""
    with demo() as url:
        assert main(["top", "--once", "--json", "--interval", "1.5", url]) == 0
    rows = {row["node"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    cluster, node = rows["demo"], rows["compute-node-1"]
    assert cluster["requests_per_second"] > 0
    assert 0 < cluster["p50"] < cluster["p99"] <= 10
    assert cluster["tokens_per_second"] > 0
    assert (cluster["quorum"], cluster["violations"]) == (2, None)
    assert 0 < node["gpu_utilization"] < 1
    assert list(rows) == sorted(rows, key=lambda name: [*map(str, re.split(r"(\d+)", name))])


def test_an_endpoint_goes_away_and_comes_back(endpoint: Endpoint) -> None:
    """While it is gone its row says why; when it is back its rates begin anew."""
    ticks = iter(range(100))
    watch = Watch([endpoint.url, endpoint.url], 10, lambda: float(next(ticks)))
    name = "butterfly_tokens_processed_total"

    def told(text: str | None) -> tuple[float | None, str | None]:
        endpoint.text = text
        [row] = watch.round()
        return row.tokens_per_second, row.error

    assert told(f"{name} 10\n") == (None, None)
    assert told(f"{name} 25\n") == (15, None)
    assert told(f"{name} 5\n") == (5, None)  # restarted
    assert told(None) == (None, f"{endpoint.url} answers 503 Service Unavailable")
    assert told(f"{name} 500\n") == (None, None)
    assert told(f"{name} 501\n") == (1, None)
    assert told("up 1\n") == (None, f"{endpoint.url} has no metric of Butterfly")


def test_unreachable_hosts_have_a_row_and_an_exit_code(
    endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 where some endpoints don't answer, 2 where none does; the others are shown."""
    gone = "http://127.0.0.1:1"
    assert main(["top", "--once", "--interval", "0.01", endpoint.url, gone]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.match(rf"127\.0\.0\.1:1 +{gone} cannot be reached: ", lines[1])
    assert "-/3" in lines[2]
    assert main(["top", "--once", "--interval", "0.01", gone]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interval", "0", "http://x"], "--interval is 0; pass a number of seconds above 0"),
        (["--timeout", "nan", "http://x"], "--timeout is nan; pass"),
        (["localhost"], "localhost is no endpoint that can be watched"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is scraped then."""
    assert main(["top", *arguments]) == 2
    assert said in capsys.readouterr().err


FULL = Row(
    "compute-node-1",
    "http://x",
    requests_per_second=12.34,
    error_ratio=0.0512,
    p50=0.25,
    p99=6.5,
    tokens_per_second=1234.4,
    in_flight=3,
    queued=101,
    gpu_utilization=0.5,
    gpu_temperature=85,
    gpu_memory=0.75,
    cpu=0.333,
    memory_bytes=4.32e9,
    memory_ratio=0.91,
    active=1,
    quorum=2,
    term=7,
    leader_changes=2,
    faults=5,
    new_faults=1,
    violations=0,
    new_violations=0,
)


def test_the_plain_table_marks_what_is_alarming() -> None:
    """Every figure with its unit; an exclamation mark where an alert would look."""
    head, line = plain_table([FULL])
    assert head.split("  ")[0] == "node"
    assert re.split(r"\s{2,}", line) == [
        "compute-node-1", "12.3", "5.1%!", "250 ms", "6.50 s!", "1234", "3", "101!", "50%", "85!",
        "75%", "33%", "4.3 GB 91%!", "1/2!", "7 (2 changes)", "5 +1!", "0",
    ]  # fmt: skip
    assert bytes_text(999) == "999 B"


@pytest.mark.parametrize("width", [200, 120, 80, 40, 20, 8])
def test_the_table_fits_the_terminal(width: int) -> None:
    """The least important columns go first, then the name is cut; no line is ever longer."""
    broken = Row("gone", "http://gone", error="http://gone cannot be reached: no route to host")
    lines = plain_table([FULL, broken], width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("node")
    assert ("violations" in lines[0]) == (width == 200)
    assert ("req/s" in lines[0]) == (width >= 20)


def test_control_characters_of_an_endpoint_reach_no_terminal() -> None:
    """A node's name is escaped: an endpoint can't move the cursor."""
    assert "\x1b" not in "".join(plain_table([Row("\x1b[2J", "http://x", quorum=1)]))


def _drawn(rows: list[Row], width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, record=True)
    console.print(draw(rows, 2.0, width, height))
    return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(200, 40), (80, 24), (40, 10)])
def test_the_live_view_fits_the_terminal(width: int, height: int) -> None:
    """However many nodes there are, with those in trouble among what is shown."""
    rows = [Row(f"node-{n}", "http://x", requests_per_second=n, error_ratio=0) for n in range(60)]
    rows.append(Row("gone", "http://gone", error="http://gone answers 503"))
    lines = _drawn(rows, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any(line.strip().startswith("gone") for line in lines)
    assert "more rows" in lines[-1]


def test_the_live_view_says_why_an_endpoint_is_gone() -> None:
    """Below the table, where a sentence has room."""
    lines = _drawn([FULL, Row("gone", "http://gone", error="http://gone answers 503")], 200, 30)
    assert "http://gone answers 503" in lines[-2]
    assert len(COLUMNS) == 17


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("missing", [(), ("rich",)])
def test_q_ends_it(endpoint: Endpoint, missing: tuple[str, ...]) -> None:
    """In a real terminal, with rich and without it: it draws, and the key q ends it."""
    import pty  # noqa: PLC0415 - POSIX only

    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in missing)
    program = PROGRAM.replace("import sys; ", f"import sys; {hidden}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, "top", "--interval", "60", endpoint.url],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(theirs)
    seen = b""
    while b"127.0.0.1" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b"xq")
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    _, said = process.communicate(timeout=60)
    reader.join()
    os.close(ours)
    assert process.returncode == 0
    assert ("rich is missing" in said.decode()) == bool(missing)
    assert (b"\x1b[?1049h" in seen) != bool(missing)


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        return
