"""What a person sees: lines of text, and the live view."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.demo import run as run_module
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.faults import Planned
from butterfly_otel.demo.plain import PlainView, is_behind, line
from butterfly_otel.demo.run import Options, choose_view
from butterfly_otel.demo.size import Size
from butterfly_otel.demo.step import Step
from butterfly_otel.demo.window import Status, Window

if TYPE_CHECKING:
    from rich.console import Console

SMALL = Size(compute=4, layers=4, models=1)
ENDPOINT = "http://localhost:9464/metrics"


class _Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _status(seconds: int, *planned: Planned, size: Size = SMALL) -> Status:
    status = Status(Cluster(size, 2, planned), Window(), seed=2, speed=1, endpoint=ENDPOINT)
    status.reached = 1.0
    for _ in range(seconds):
        status.window.add(status.cluster.advance())
    return status


def test_numbers_of_the_window() -> None:
    """Rates, ratio and quantiles are those of the steps that were taken in."""
    window = Window()
    assert window.latency(0.99) == window.error_ratio == window.request_rate == 0
    for second in range(100):
        step = Step(clock=second)
        step.requests["coordinator", "inference", "success"] = 9
        step.requests["coordinator", "inference", "error"] = 1
        step.requests["compute", "inference", "success"] = 80
        step.request_seconds = [("coordinator", "inference", 0.1 * n) for n in range(10)]
        step.request_seconds.append(("compute", "inference", 99.0))
        step.tokens["gpt-4", "compute-node-1"] = 5
        step.tokens["gpt-4", "compute-node-2"] = 7
        step.bytes_sent["a", "b", "quic"] = 1000
        window.add(step)
    assert window.request_rate == 10
    assert window.error_ratio == pytest.approx(0.1)
    assert window.latency(0.5) == pytest.approx(0.5)
    assert window.latency(0.99) == pytest.approx(0.9)
    assert window.token_rates == {"gpt-4": 12}
    assert window.token_rate == 12
    assert window.bytes_rate == 1000


def test_a_line_says_how_the_cluster_is() -> None:
    """One line has the rates, the latencies, the leader, the voters and the faults."""
    status = _status(60, Planned(40, 300, "gpu_overheating"))
    text = line(status)
    [victim] = status.cluster.faults.active[0].victims
    assert re.match(r"00:01:00  \d+\.\d requests/s \| \d+\.\d% errors \| p50 \d", text)
    assert f"faults: gpu_overheating ({victim.node_id})" in text
    assert "voters 3/3 (quorum 2)" in text
    assert status.cluster.world.leader is not None
    assert f"leader {status.cluster.world.leader.node_id}" in text
    assert "faults: none" in line(_status(10))


def test_lines_tell_everything_that_happens_once() -> None:
    """Each event is written once, with its time; numbers only every few seconds."""
    out = io.StringIO()
    view, status = PlainView(out, every=1000), _status(0, Planned(5, 10, "byzantine_fault"))
    status.warnings.append("careful")
    view.begin(status)
    for _ in range(30):
        status.window.add(status.cluster.advance())
        view.update(status)
    view.end(status)
    text = out.getvalue()
    assert text.count("byzantine_fault is over") == 1
    assert text.count("  * byzantine_fault: a compute node lies (compute-node-") == 1
    assert f"metrics: {ENDPOINT}\n" in text
    assert "warning: careful\n" in text
    assert text.count("requests/s") == 2
    assert text.endswith("stopped after 00:00:30 of simulated time\n")


def test_being_behind_is_told() -> None:
    """A machine too slow for the speed is told of, once that can be known."""
    status = _status(2)
    status.reached = 0.5
    assert not is_behind(status)
    status = _status(10)
    status.reached = 0.5
    assert is_behind(status)
    assert "reaches speed 0.5" in line(status)
    status.reached = 0.99
    assert not is_behind(status)


@pytest.mark.parametrize(
    ("options", "terminal", "live"),
    [
        (Options(), True, True),
        (Options(), False, False),
        (Options(plain=True), True, False),
        (Options(exporters=["console"]), True, False),
    ],
)
def test_the_live_view_is_for_terminals(options: Options, terminal: bool, live: bool) -> None:  # noqa: FBT001
    """Pipes, --plain and the console exporter get lines of text."""
    pytest.importorskip("rich")
    out = _Terminal() if terminal else io.StringIO()
    assert isinstance(choose_view(options, out), PlainView) != live


def test_without_rich_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal without rich gets lines of text rather than an ImportError."""
    monkeypatch.setattr(run_module, "find_spec", lambda _name: None)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert isinstance(choose_view(Options(), _Terminal()), PlainView)


def _console(width: int, height: int) -> Console:
    from rich.console import Console  # noqa: PLC0415 - an optional extra

    return Console(file=io.StringIO(), width=width, height=height, record=True)


def _drawn(status: Status, width: int, height: int) -> str:
    from butterfly_otel.demo.view import draw  # noqa: PLC0415 - needs rich

    console = _console(width, height)
    console.print(draw(status, height))
    return console.export_text()


def test_the_live_view_shows_what_matters() -> None:
    """Address, how to scrape it, rates, leader, quorum, faults and every compute node."""
    pytest.importorskip("rich")
    status = _status(60, Planned(30, 300, "gpu_overheating"), Planned(40, 60, "node_failure"))
    text = _drawn(status, 100, 40)
    assert f"curl -s {ENDPOINT} | grep butterfly_" in text
    assert status.cluster.world.leader is not None
    assert status.cluster.world.leader.node_id in text
    assert "3/3, need 2" in text
    assert re.search(r"P99 +\d+\.\d\d s", text)
    assert re.search(r"tokens +\d{4} /s", text)
    for number in range(1, 5):
        assert f"compute-node-{number} " in text
    hot, down = status.cluster.faults.active
    assert f"gpu_overheating: {hot.detail}, 2" in text
    assert re.search(rf"{down.detail} +- +- +- +- +- +- +down, node_failure", text)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 40), (200, 60)])
def test_the_live_view_fits_the_terminal(width: int, height: int) -> None:
    """Neither many nodes nor long texts make it larger than the terminal."""
    pytest.importorskip("rich")
    size = Size.of(40)
    status = _status(30, Planned(10, 300, "network_partition"), size=size)
    status.addresses["Prometheus"] = "http://127.0.0.1:9090"
    lines = _drawn(status, width, height).splitlines()
    assert len(lines) <= height
    assert max(len(text) for text in lines) <= width
    assert lines[-1].startswith("Ctrl-C")
    assert any("more" in text for text in lines)


def test_the_live_view_runs_in_a_terminal() -> None:
    """It takes the screen, draws, gives it back and leaves a summary."""
    pytest.importorskip("rich")
    from butterfly_otel.demo.view import LiveView  # noqa: PLC0415 - needs rich

    out = _Terminal()
    view, status = LiveView(out), _status(30)
    view.begin(status)
    view.update(status)
    view.end(status)
    text = out.getvalue()
    assert "Inference" in text
    assert "requests/s" in text.split("Inference")[-1]
    assert "stopped after" in text
