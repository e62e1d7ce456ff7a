"""A second process of the same node that shows its own metrics alone is told of the cure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

import butterfly_otel
from butterfly_otel import ConfigurationError
from tests.serving.load import our_code

NODE = {"node_id": "n", "node_role": "compute", "collectors": "none"}

#: A parent and two children that multiprocessing starts, as uvicorn's workers are.
_WORKERS = """
import multiprocessing, sys
import butterfly_otel

def work(server, held, over):
    butterfly_otel.configure(
        node_id="n", node_role="compute", collectors="none", prometheus_server=False
    )
    held.release()
    over.wait()

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    held, over = context.Semaphore(0), context.Event()
    workers = [context.Process(target=work, args=(False, held, over)) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        held.acquire()
    over.set()
    for each in workers:
        each.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="claims are names of sockets there")
def test_workers_that_show_the_same_node_apart_are_warned_of(tmp_path: object) -> None:
    """Each but the first says once that a scrape has one of them, and what makes it have all."""
    program = f"{tmp_path}/program.py"
    with open(program, "w") as file:  # noqa: PTH123 - a name is at hand
        file.write(_WORKERS)
    environ = {**os.environ, "PYTHONPATH": our_code()}
    ran = subprocess.run(
        [sys.executable, program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert ran.stderr.count("processes='shared'") == 2
    assert "another process shows the metrics of compute 'n' too" in ran.stderr


def test_one_process_is_warned_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Also when it is configured again."""
    for _ in range(2):
        butterfly_otel.configure(**NODE, prometheus_server=False)
        butterfly_otel.shutdown()
    assert "another process" not in caplog.text


def test_a_port_that_is_taken_names_the_cure() -> None:
    """Where it may be another process of the same node."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="set processes='shared' in both"):
            butterfly_otel.configure(**NODE, prometheus_host="127.0.0.1", prometheus_port=port)


def test_shared_processes_do_not_take_another_programs_port(tmp_path: object) -> None:
    """It is refused at the start, and nothing is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"can't be opened on 127.0.0.1:{port}"):
            butterfly_otel.configure(
                **NODE,
                processes="shared",
                prometheus_host="127.0.0.1",
                prometheus_port=port,
                processes_directory=str(tmp_path),
            )
    assert butterfly_otel.configure(**NODE, exporter="none").prometheus_url is None
