"""Processes that multiprocessing, Celery and os.fork start, as one node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.everyday import everyday
from tests.foreground import FOREGROUND
from tests.serving.load import SECONDS, free_port, our_code
from tests.serving.watching import Watcher, scrape, total, wait_for
from tests.serving.workers import ask_celery, celery

pytestmark = pytest.mark.timeout(200)
TOKENS = "butterfly_tokens_processed_total"
TASKS = 60

#: A parent that is configured, and whose children are of one of multiprocessing's three kinds.
_POOL = """
import multiprocessing, sys
import butterfly_otel
from butterfly_otel import metrics

def configure():
    butterfly_otel.configure(
        node_id="compute-1", node_role="compute", processes="shared", collectors="none"
    )

def work(number):
    metrics.tokens_processed_total.add(number, model="m")

if __name__ == "__main__":
    way, parent = sys.argv[1:]
    if parent == "configured":
        configure()
    context = multiprocessing.get_context(way)
    with context.Pool(3, initializer=configure, maxtasksperchild=5) as pool:
        pool.map(work, range({tasks}), chunksize=1)
        pool.close()
        pool.join()
        configure()
        print("ready", flush=True)
        sys.stdin.readline()
"""

#: Children of os.fork that end by os._exit after they have shut down.
_FORKS = """
import os, sys
import butterfly_otel
from butterfly_otel import metrics
butterfly_otel.configure(
    node_id="compute-1", node_role="compute", processes="shared", collectors="none"
)
for number in range({tasks}):
    if os.fork() == 0:
        metrics.tokens_processed_total.add(number, model="m")
        butterfly_otel.shutdown()
        os._exit(0)
    os.wait()
print("ready", flush=True)
sys.stdin.readline()
"""


def _environ(port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": our_code(),
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }


@pytest.mark.parametrize("parent", ["configured", "not configured"])
@pytest.mark.parametrize("way", everyday(["fork"], ["fork", "spawn", "forkserver"]))
def test_what_children_of_multiprocessing_counted_is_all_there(
    way: str, parent: str, tmp_path: Path, needed: Callable[..., None]
) -> None:
    """They come and go, and end by os._exit; the port has the sum."""
    needed()
    _sum_of_all(tmp_path, _POOL.replace("{tasks}", str(TASKS)), way, parent)


def test_what_forked_children_counted_is_all_there(
    tmp_path: Path, needed: Callable[..., None]
) -> None:
    """Each has ended before the next one began."""
    needed()
    _sum_of_all(tmp_path, _FORKS.replace("{tasks}", str(TASKS)))


def _sum_of_all(folder: Path, source: str, *arguments: str) -> None:
    (folder / "program.py").write_text(source)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "program.py", *arguments],
        cwd=folder,
        env=_environ(port),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **FOREGROUND,
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            assert total(port, TOKENS) == sum(range(TASKS))
            program.communicate("\n", timeout=SECONDS)
            assert program.returncode == 0
        finally:
            program.kill()


_CELERY = """
import butterfly_otel
from celery import Celery
from butterfly_otel import metrics
butterfly_otel.configure(
    node_id="compute-1", node_role="compute", processes="shared", collectors="none"
)
app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={name: "queue" for name in ("data_folder_in", "data_folder_out")},
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=7,
    broker_connection_retry_on_startup=True,
)

@app.task
def work():
    metrics.tokens_processed_total.add(1, model="m")
"""


@pytest.mark.long
def test_what_celerys_tasks_counted_is_all_there(
    tmp_path: Path, needed: Callable[..., None]
) -> None:
    """With prefork workers that are replaced after seven tasks."""
    needed("celery")
    port = free_port()
    environ = _environ(port)
    log = tmp_path / "log"
    with celery(tmp_path, _CELERY, environ):
        wait_for(lambda: bool(scrape(port)), log.read_text)
        with Watcher(port) as watcher:
            ask_celery(tmp_path, environ, TASKS)
            wait_for(lambda: total(port, TOKENS) >= TASKS, log.read_text)
        assert watcher.problems == [], log.read_text()
        assert total(port, TOKENS) == TASKS
