"""A real Celery worker as a process, and what asks it for tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.serving.load import SECONDS

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


@contextmanager
def celery(
    folder: Path, tasks: str, environ: Mapping[str, str], *options: str
) -> Generator[subprocess.Popen[bytes], None, None]:
    """Yield a Celery with two prefork workers; killed at the end, where it still runs.

    Args:
        folder: Where its files are: its tasks, their queue, and its `log`.
        tasks: The module of its tasks, with a broker in the file system.
        environ: All its variables.
        options: More of its command line.
    """
    (folder / "queue").mkdir()
    (folder / "tasks.py").write_text(tasks)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "2"]
    with (folder / "log").open("w") as log:
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", *options],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield worker
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(SECONDS)


def ask_celery(folder: Path, environ: Mapping[str, str], tasks: int) -> None:
    """Ask for so many tasks `work`, from a process that measures nothing."""
    ask = f"import tasks\nfor _ in range({tasks}): tasks.work.delay()"
    subprocess.run(
        [sys.executable, "-c", ask],
        cwd=folder,
        env={**environ, "OTEL_SDK_DISABLED": "true"},
        check=True,
        timeout=SECONDS,
    )
