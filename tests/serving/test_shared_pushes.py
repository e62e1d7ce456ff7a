"""What leaves by OTLP where several processes are one node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.everyday import everyday
from tests.foreground import FOREGROUND
from tests.serving.load import SECONDS, our_code
from tests.serving.receiver import Receiver
from tests.serving.watching import wait_for

pytestmark = pytest.mark.timeout(150)
TOKENS = "butterfly_tokens_processed_total"

#: A parent that measures, and two children that are there at once and end one after the other.
_PROGRAM = """
import os, sys
import butterfly_otel
from butterfly_otel import metrics
butterfly_otel.configure(
    node_id="compute-1", node_role="compute", processes="shared", collectors="none"
)
metrics.tokens_processed_total.add(1, model="m")
go_on, going = os.pipe()
children = []
for number in (20, 300):
    children.append(os.fork())
    if children[-1] == 0:
        os.close(going)
        metrics.tokens_processed_total.add(number, model="m")
        os.read(go_on, 1)  # until the parent closes it
        butterfly_otel.shutdown()
        os._exit(0)
butterfly_otel.force_flush()
os.close(going)
for child in children:
    os.waitpid(child, 0)
butterfly_otel.shutdown()
"""


def run(folder: Path, receiver: Receiver, source: str = _PROGRAM, **environ: str) -> None:
    """Run a program that pushes to a receiver."""
    (folder / "program.py").write_text(source)
    subprocess.run(
        [sys.executable, "-W", "ignore", "program.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": our_code(),
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url,
            **environ,
        },
        check=True,
        timeout=SECONDS,
        **FOREGROUND,
    )


@pytest.mark.parametrize("exporters", everyday(["otlp,prometheus"], ["otlp", "otlp,prometheus"]))
def test_a_node_pushes_once_with_the_totals_of_all(
    exporters: str, tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> None:
    """By whoever leads; the receiver sees one instance, also of the children that have ended."""
    needed()
    run(
        tmp_path,
        receiver,
        OTEL_METRICS_EXPORTER=exporters,
        OTEL_EXPORTER_PROMETHEUS_PORT="0",
    )
    assert receiver.total(TOKENS) == 321
    assert receiver.processes(TOKENS) == 1
    assert receiver.instances(TOKENS) == {"compute-1"}


def test_each_process_pushes_its_own_where_that_is_asked_for(
    tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> None:
    """Under an instance id of its own, which is used again when the process is replaced."""
    needed()
    run(tmp_path, receiver, BUTTERFLY_OTEL_OTLP_PROCESSES="process")
    assert receiver.total(TOKENS) == 321
    assert receiver.instances(TOKENS) == {"compute-1-0", "compute-1-1", "compute-1-2"}


#: The parent, which leads, ends first.
_ORPHAN = """
import os, time
import butterfly_otel
from butterfly_otel import metrics
runtime = butterfly_otel.configure(
    node_id="compute-1", node_role="compute", processes="shared", collectors="none"
)
metrics.tokens_processed_total.add(1, model="m")
read, write = os.pipe()
if os.fork() == 0:
    os.close(write)
    os.read(read, 1)  # until the parent has ended
    metrics.tokens_processed_total.add(20, model="m")
    butterfly_otel.shutdown()
    open("done", "w").close()
    os._exit(0)
"""


def test_the_last_process_pushes_what_the_others_have_left(
    tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> None:
    """Though it has not led before."""
    needed()
    source = _ORPHAN + "os.close(read)\n"
    run(tmp_path, receiver, source)
    wait_for((tmp_path / "done").exists, lambda: "it has not ended")
    assert receiver.total(TOKENS) == 21


#: What the program above does besides, where each process counts by prometheus_client too.
_COUNTING = {
    "import os, sys": "import os, sys\nfrom prometheus_client import Counter",
    "go_on, going": "requests = Counter('vllm:requests', 'R.')\ngo_on, going",
    "        os.read": "        requests.inc(number)\n        os.read",
    "butterfly_otel.force_flush()": "requests.inc(1)\nbutterfly_otel.force_flush()",
}
_WITH_OTHERS = _PROGRAM
for _line, _more in _COUNTING.items():
    _WITH_OTHERS = _WITH_OTHERS.replace(_line, _more)


@pytest.mark.parametrize("exporters", everyday(["otlp"], ["otlp", "otlp,prometheus"]))
@pytest.mark.parametrize("kept", ["in memory", "in files"])
def test_what_prometheus_client_counts_in_all_processes_is_pushed_once(
    exporters: str, kept: str, tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> None:
    """With `push_registry`, as a scrape shows it: also from the files that it shares itself."""
    needed()
    folder = tmp_path / "files"
    folder.mkdir()
    run(
        tmp_path,
        receiver,
        _WITH_OTHERS,
        OTEL_METRICS_EXPORTER=exporters,
        OTEL_EXPORTER_PROMETHEUS_PORT="0",
        BUTTERFLY_OTEL_PUSH_REGISTRY="true",
        **({"PROMETHEUS_MULTIPROC_DIR": str(folder)} if kept == "in files" else {}),
    )
    assert receiver.total(TOKENS) == receiver.total("vllm:requests_total") == 321
    assert receiver.instances("vllm:requests_total") == {"compute-1"}
