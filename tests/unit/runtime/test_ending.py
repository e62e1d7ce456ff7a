"""Ways a process ends: each one flushes what was measured. Real processes, real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.foreground import FOREGROUND

_PRELUDE = """
import os, signal, sys, threading, time
import butterfly_otel
from butterfly_otel import metrics
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

class ToFile(MetricExporter):
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        with open(sys.argv[1], "a") as file:
            for scope in metrics_data.resource_metrics[0].scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "butterfly_consensus_leader_changes_total":
                        file.write(f"{metric.data.data_points[0].value}\\n")
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10_000): return True
    def shutdown(self, timeout_millis=30_000, **kwargs): pass

from butterfly_otel.exporters.push import PushMetricReader
def start(**settings):
    reader = PushMetricReader(ToFile(), name="file", interval=3600, timeout=5)
    butterfly_otel.configure(node_id="n", node_role="coordinator", exporter="none",
                             zero_init=False, metric_readers=[reader], **settings)
def ready():
    print("ready", flush=True)
def wait():
    # In small steps: a signal that comes just before a sleep begins is looked at after it.
    for _ in range(600):
        time.sleep(0.05)
"""


def run(
    tmp_path: Path,
    body: str,
    send: signal.Signals | None = None,
    *,
    first: str = "",
    exported: str = "exported",
) -> tuple[int, list[str]]:
    """Run a program, signal it once it is ready; return exit code and exported values."""
    file = tmp_path / exported
    program = first + _PRELUDE + textwrap.dedent(body)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        **FOREGROUND,
    ) as process:
        assert process.stdout is not None
        try:
            if send is not None:
                assert process.stdout.readline() == "ready\n"
                process.send_signal(send)
            code = process.wait(60)
        finally:
            process.kill()
        rest = process.stdout.read()
    values = file.read_text().split() if file.exists() else []
    return code, [*values, *rest.split()]


MEASURE = """
start()
metrics.consensus_leader_changes_total.add(7)
"""


def test_a_normal_exit_flushes(tmp_path: Path) -> None:
    """The end of the program exports what was measured."""
    assert run(tmp_path, MEASURE) == (0, ["7"])


def test_an_uncaught_exception_flushes(tmp_path: Path) -> None:
    """A crash by exception exports what was measured."""
    code, values = run(tmp_path, MEASURE + "raise SystemExit(3)")
    assert (code, values) == (3, ["7"])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_its_default_handler_flushes_and_ends_the_process(
    tmp_path: Path, sent: signal.Signals
) -> None:
    """SIGTERM and SIGINT export what was measured; the process ends by that signal."""
    code, values = run(tmp_path, MEASURE + "ready()\nwait()", sent)
    assert values == ["7"]
    # Python turns SIGINT into KeyboardInterrupt, then ends by the signal as well.
    assert code == -sent


def test_a_signal_while_the_main_thread_measures_flushes(tmp_path: Path) -> None:
    """A handler that interrupts a measurement, whatever lock it holds, can't deadlock."""
    body = """
    start()
    metrics.consensus_leader_changes_total.add(1)
    ready()
    while True:
        metrics.consensus_leader_changes_total.add(1)
    """
    code, values = run(tmp_path, body, signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert len(values) == 1


def test_the_applications_own_handler_keeps_working(tmp_path: Path) -> None:
    """A handler installed before configure() runs, decides the exit, and data is flushed."""
    body = """
    def mine(number, frame):
        print("mine", flush=True)
        sys.exit(5)
    signal.signal(signal.SIGTERM, mine)
    start()
    metrics.consensus_leader_changes_total.add(7)
    ready()
    wait()
    """
    code, values = run(tmp_path, body, signal.SIGTERM)
    assert code == 5
    assert values[-1] == "mine"
    assert set(values[:-1]) == {"7"}


def test_a_handler_installed_later_keeps_working(tmp_path: Path) -> None:
    """A handler that replaces ours runs, and the normal exit it leads to flushes."""
    body = (
        MEASURE
        + """
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(6))
ready()
wait()
"""
    )
    assert run(tmp_path, body, signal.SIGTERM) == (6, ["7"])


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """SIG_IGN is a decision of the application and is left alone."""
    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start()
    metrics.consensus_leader_changes_total.add(7)
    ready()
    time.sleep(1)
    print("alive")
    """
    assert run(tmp_path, body, signal.SIGTERM) == (0, ["7", "alive"])


def test_shutdown_puts_the_signals_back(tmp_path: Path) -> None:
    """After shutdown() the signal's disposition is what it was before."""
    body = (
        MEASURE
        + """
butterfly_otel.shutdown()
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
    )
    assert run(tmp_path, body) == (0, ["7", "True"])


def test_configure_in_another_thread_installs_no_handler(tmp_path: Path) -> None:
    """Only the main thread may install handlers; elsewhere configure() just works."""
    body = """
    thread = threading.Thread(target=start)
    thread.start(); thread.join()
    metrics.consensus_leader_changes_total.add(7)
    print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    """
    assert run(tmp_path, body) == (0, ["7", "True"])


def test_the_end_of_the_program_waits_for_a_shutdown_that_is_going_on(tmp_path: Path) -> None:
    """As after SIGTERM, when the main thread ends by itself while the last export is going on."""
    body = """
    begun, export = threading.Event(), ToFile.export
    def slow(self, metrics_data, **kwargs):
        begun.set()
        time.sleep(0.5)  # the main thread ends meanwhile
        return export(self, metrics_data)
    ToFile.export = slow
    start()
    metrics.consensus_leader_changes_total.add(7)
    threading.Thread(target=butterfly_otel.shutdown, daemon=True).start()
    begun.wait()
    """
    assert run(tmp_path, body) == (0, ["7"])


@pytest.mark.parametrize(
    "end",
    ["signal.raise_signal(signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGTERM)"],
)
def test_a_process_that_ends_itself_by_the_signal_exports_before(tmp_path: Path, end: str) -> None:
    """As uvicorn does: it ends gracefully, puts the default back and sends the signal again."""
    body = f"""
    # A list, looked at in small steps: Event.set() in a handler may wait for the lock that the
    # interrupted wait() holds.
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    start()
    metrics.consensus_leader_changes_total.add(3)
    ready()
    while not asked:
        time.sleep(0.05)
    time.sleep(0.3)  # what is flushed at the signal has been
    metrics.consensus_leader_changes_total.add(4)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    {end}
    """
    code, values = run(tmp_path, body, signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert values[-1] == "7"


def test_a_handler_that_ends_the_process_by_the_signal_exports_before(tmp_path: Path) -> None:
    """The usual end of a handler: the default again, and the signal again."""
    body = """
    def mine(number, frame):
        metrics.consensus_leader_changes_total.add(4)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    signal.signal(signal.SIGTERM, mine)
    start()
    metrics.consensus_leader_changes_total.add(3)
    ready()
    wait()
    """
    code, values = run(tmp_path, body, signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert values[-1] == "7"


def test_signals_that_end_nothing_are_sent_as_before(tmp_path: Path) -> None:
    """Nothing is ended by a signal to another process, one that is handled, or signal 0."""
    body = """
    start()
    got = []
    signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    os.kill(os.getpid(), 0)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    print(len(got), butterfly_otel.force_flush())
    """
    assert run(tmp_path, body)[1][-2:] == ["2", "True"]


@pytest.mark.parametrize("settings", ["", "handle_signals=False"])
def test_what_sends_signals_is_put_back(tmp_path: Path, settings: str) -> None:
    """After shutdown(), or from the start where signals are none of our business."""
    body = f"""
    before = signal.raise_signal, os.kill
    start({settings})
    print((signal.raise_signal, os.kill) == before)
    butterfly_otel.shutdown()
    print((signal.raise_signal, os.kill) == before)
    """
    assert run(tmp_path, body)[1] == [str(bool(settings)), "True"]


def test_a_signal_during_the_last_export_waits_for_it(tmp_path: Path) -> None:
    """Neither the export nor the signal is lost."""
    body = """
    export = ToFile.export
    def slow(self, metrics_data, **kwargs):
        ready()
        time.sleep(0.5)
        return export(self, metrics_data)
    ToFile.export = slow
    start()
    metrics.consensus_leader_changes_total.add(7)
    butterfly_otel.shutdown()
    wait()
    """
    assert run(tmp_path, body, signal.SIGTERM) == (-signal.SIGTERM, ["7"])


def test_a_handler_is_called_where_no_thread_can_be_started(tmp_path: Path) -> None:
    """Whatever becomes of our flush: the application's handler decides, or the signal's default."""
    body = """
    import _thread
    def none(*_): raise RuntimeError("can't start new thread")
    started, _thread.start_new_thread = _thread.start_new_thread, none
    if sys.argv[1].endswith("own"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    start()
    _thread.start_new_thread = started
    metrics.consensus_leader_changes_total.add(7)
    ready()
    wait()
    """
    assert run(tmp_path, body, signal.SIGTERM, exported="own") == (5, ["7"])
    assert run(tmp_path, body, signal.SIGTERM)[0] == -signal.SIGTERM


def test_importing_the_package_is_light() -> None:
    """Importing butterfly_otel loads neither the SDK nor gRPC, protobuf or prometheus_client."""
    program = """
import sys, json
import butterfly_otel
from butterfly_otel import metrics
print(json.dumps(sorted(sys.modules)))
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    loaded = set(json.loads(output))
    heavy = {"opentelemetry.sdk", "grpc", "google.protobuf", "prometheus_client", "pynvml", "rich"}
    assert not loaded & heavy
