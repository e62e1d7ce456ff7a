"""Children that end by os._exit: whoever made them, they export what they measured."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

_METHODS = multiprocessing.get_all_start_methods()

_PROGRAM = """
import multiprocessing, os, sys
{early}
import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.exporters.push import PushMetricReader
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

OUT = sys.argv[1]

class ToFile(MetricExporter):
    # Each process has a file of its own, with what it exported last.
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        for scope in metrics_data.resource_metrics[0].scope_metrics:
            for metric in scope.metrics:
                if metric.name == "butterfly_consensus_leader_changes_total":
                    with open(f"{{OUT}}/{{os.getpid()}}", "w") as file:
                        file.write(str(metric.data.data_points[0].value))
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10_000): return True
    def shutdown(self, timeout_millis=30_000, **kwargs): pass

def start(*_arguments):
    reader = PushMetricReader(ToFile(), name="file", interval=3600, timeout=5)
    butterfly_otel.configure(node_id="n", node_role="coordinator", exporter="none",
                             zero_init=False, metric_readers=[reader])

def measure(count=7):
    metrics.consensus_leader_changes_total.add(count)

def start_and_measure():
    start()
    measure()

if __name__ == "__main__":
{body}
"""


def exported(tmp_path: Path, body: str, *, early: str = "") -> list[int]:
    """Run a program; return what each of its processes exported last, if it is not 0."""
    program = tmp_path / "program.py"
    indented = textwrap.indent(textwrap.dedent(body), "    ")
    program.write_text(_PROGRAM.format(body=indented, early=early))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", program, out], check=True, timeout=60
    )
    return sorted(int(each.read_text()) for each in out.iterdir())


@pytest.mark.parametrize("method", _METHODS)
def test_a_child_that_configures_itself_exports_at_its_end(tmp_path: Path, method: str) -> None:
    """By every way to start one, of which two end by os._exit."""
    body = f"""
    child = multiprocessing.get_context({method!r}).Process(target=start_and_measure)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body) == [7]


@pytest.mark.parametrize("early", ["", "import butterfly_otel; butterfly_otel.configure"])
def test_a_child_whose_parent_was_configured_exports_at_its_end(tmp_path: Path, early: str) -> None:
    """Its own measurements, once; the parent exports its own."""
    body = """
    start()
    measure(5)
    child = multiprocessing.get_context("fork").Process(target=measure)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body, early=early) == [5, 7]


def test_a_child_exports_where_multiprocessing_was_imported_after_configure(
    tmp_path: Path,
) -> None:
    """What is registered with is looked for again in the child."""
    body = """
    start()
    for name in [each for each in sys.modules if each.startswith("multiprocessing")]:
        del sys.modules[name]
    import multiprocessing
    child = multiprocessing.get_context("fork").Process(target=measure)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body) == [7]


def test_the_child_of_a_child_exports_at_its_end(tmp_path: Path) -> None:
    """And the child itself not before it has waited for it."""
    body = """
    def have_a_child():
        measure(1)
        child = multiprocessing.get_context("fork").Process(target=measure)
        child.start()
        measure(2)
    start()
    child = multiprocessing.get_context("fork").Process(target=have_a_child)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body) == [3, 7]


def test_a_child_after_the_parents_shutdown_starts_anew(tmp_path: Path) -> None:
    """Shut down in the parent, configure in the child: that one exports."""
    body = """
    start()
    measure(5)
    butterfly_otel.shutdown()
    child = multiprocessing.get_context("fork").Process(target=start_and_measure)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body) == [5, 7]


@pytest.mark.parametrize("end", ["pool.close(); pool.join()", "pool.terminate(); pool.join()"])
@pytest.mark.parametrize("where", ["start()", "pass"])
def test_the_workers_of_a_pool_export(tmp_path: Path, end: str, where: str) -> None:
    """However the pool ends, configured before the fork or by the pool's initializer."""
    initializer = "None" if where == "start()" else "start"
    body = f"""
    {where}
    pool = multiprocessing.get_context("fork").Pool(2, initializer={initializer})
    pool.map(measure, [1] * 20, chunksize=1)
    {end}
    """
    assert sum(exported(tmp_path, body)) == 20


@pytest.mark.parametrize("method", _METHODS)
def test_the_workers_of_an_executor_export(tmp_path: Path, method: str) -> None:
    """ProcessPoolExecutor's, by every way to start them."""
    body = f"""
    from concurrent.futures import ProcessPoolExecutor
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(2, mp_context=context, initializer=start) as pool:
        list(pool.map(measure, [1] * 20))
    """
    assert sum(exported(tmp_path, body)) == 20


def test_configuring_again_and_again_registers_one_finalizer() -> None:
    """Else a process that starts and ends many lives would collect them."""
    program = """
import multiprocessing.util as util
import butterfly_otel
for _ in range(3):
    butterfly_otel.configure(node_id="n", node_role="compute", exporter="none", collectors="none")
    butterfly_otel.shutdown()
    print(len(util._finalizer_registry), len(util._afterfork_registry))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(set(run.stdout.splitlines())) == 1


def test_a_module_that_has_lost_what_we_register_with_is_passed_over(tmp_path: Path) -> None:
    """The process is configured, measures and exports all the same."""
    early = "import types; sys.modules['billiard.util'] = types.ModuleType('billiard.util')"
    assert exported(tmp_path, "start_and_measure()", early=early) == [7]


def test_a_signal_that_the_main_thread_has_not_looked_at_is_sent_again(tmp_path: Path) -> None:
    """A worker that waits for a lock for ever ends when it is terminated, and exports before."""
    body = """
    import signal, threading, time
    context = multiprocessing.get_context("fork")
    def wait():
        measure()
        def take():
            time.sleep(0.2)
            # It interrupts this thread, and not the main thread, as if it had come before.
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            time.sleep(30)
        threading.Thread(target=take, daemon=True).start()
        lock = context.Lock()
        lock.acquire()
        lock.acquire()
    start()
    child = context.Process(target=wait)
    child.start()
    child.join(20)
    print(child.exitcode)
    child.kill()
    """
    assert exported(tmp_path, body) == [7]


def test_nothing_is_written_to_the_pipe_of_a_parent(tmp_path: Path) -> None:
    """A child's child that is terminated leaves its parent alone."""
    body = """
    import time
    context = multiprocessing.get_context("fork")
    def leave():
        measure(1)
        time.sleep(30)
    def have_a_child():
        other = context.Process(target=leave)
        other.start()
        time.sleep(0.3)
        other.terminate()
        other.join()
        time.sleep(0.5)  # longer than a signal waits to be sent again
        measure(7)
    start()
    child = context.Process(target=have_a_child)
    child.start()
    child.join()
    """
    assert exported(tmp_path, body) == [1, 7]
