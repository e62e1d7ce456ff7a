"""A real Celery with prefork workers, stopped by SIGTERM: what tasks counted has been exported."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, blocks_of
from tests.serving.load import SECONDS, our_code
from tests.serving.receiver import Receiver
from tests.serving.workers import ask_celery, celery

_TASKS = """
from celery import Celery
from butterfly_otel import metrics

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={name: "queue" for name in ("data_folder_in", "data_folder_out")},
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)

@app.task
def work():
    metrics.tokens_processed_total.add(1, model="m")
    with open("done", "a") as done:  # in one write each
        done.write("x")
"""

#: Before Celery is there to be told of.
_FIRST = """
import butterfly_otel
butterfly_otel.configure(node_id="compute-1", node_role="compute")
"""


def _documented() -> str:
    blocks = blocks_of(DOCS / "how-to" / "forking.md")
    [block] = [each for each in blocks if "from celery.signals" in each.text]
    return block.text


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after"),
    [("", _documented()), (_FIRST, "")],
    ids=["as documented", "first of all"],
)
def test_what_every_task_counted_is_exported(
    before: str, after: str, tmp_path: Path, receiver: Receiver, needed: Callable[..., None]
) -> None:
    """Its workers end by os._exit, wherever they were configured."""
    needed("celery")
    environ = {
        **os.environ,
        "PYTHONPATH": our_code(),
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url,
        "BUTTERFLY_OTEL_COLLECTORS": "none",
    }
    with celery(tmp_path, before + _TASKS + after, environ, "--loglevel", "INFO") as worker:
        ask_celery(tmp_path, environ, 40)
        done = tmp_path / "done"
        deadline = time.monotonic() + SECONDS
        while not done.exists() or len(done.read_text()) < 10:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        worker.wait(SECONDS)
    counted = round(receiver.total("butterfly_tokens_processed_total"))
    assert counted == len(done.read_text()), (tmp_path / "log").read_text()
