"""Real servers with several workers that are one node: whichever is scraped has all totals."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.everyday import everyday
from tests.serving.load import Service, free_port
from tests.serving.test_gunicorn import _ASGI, _WSGI
from tests.serving.watching import Watcher, total, wait_for

pytestmark = pytest.mark.timeout(200)
REQUESTS = "butterfly_requests_total"
#: What is measured for so long before SIGKILL may be lost.
BOUND = 1.0
_WORKERS = 3

_CONFIGURED = """
import os
import butterfly_otel
butterfly_otel.configure(
    node_id="coordinator-1", node_role="coordinator", processes="shared", collectors="none"
)
open(f"up-{os.getpid()}", "w").close()
"""
_GUNICORN = ("-m", "gunicorn", "--workers", str(_WORKERS), "--worker-class")
_UVICORN = (
    "-m",
    "uvicorn",
    "--no-access-log",
    "--workers",
    str(_WORKERS),
    "app:application",
    "--port",
)
_SERVERS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "sync": ((*_GUNICORN, "sync"), _WSGI, ("gunicorn",)),
    "gthread": ((*_GUNICORN, "gthread", "--threads", "3"), _WSGI, ("gunicorn",)),
    "gevent": ((*_GUNICORN, "gevent"), _WSGI, ("gunicorn", "gevent")),
    "uvicorn worker": (
        (*_GUNICORN, "uvicorn_worker.UvicornWorker"),
        _ASGI,
        ("gunicorn", "uvicorn", "uvicorn_worker"),
    ),
    "preload": ((*_GUNICORN, "sync", "--preload"), _WSGI, ("gunicorn",)),
    "preload gevent": ((*_GUNICORN, "gevent", "--preload"), _WSGI, ("gunicorn", "gevent")),
    "uvicorn": (_UVICORN, _ASGI, ("uvicorn",)),
}


class Node(Service):
    """A server whose workers are one node.

    Attributes:
        metrics: The port of its metrics.
    """

    def __init__(self, kind: str, folder: Path, *options: str, app: str = "") -> None:
        command, source, _ = _SERVERS[kind]
        (folder / "app.py").write_text(_CONFIGURED + source + app)
        port, self.metrics = free_port(), free_port()
        if "gunicorn" in command:
            bind = ("--bind", f"127.0.0.1:{port}", *options, "app:application")
        else:
            bind = (str(port), *options)
        environ = {
            "OTEL_METRICS_EXPORTER": "prometheus",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics),
        }
        self.port = port
        self._folder = folder
        self._preloaded = "--preload" in command
        super().__init__([sys.executable, *command, *bind], folder, port, environ)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer, not multiprocessing's own, nor those that are over."""
        found: list[psutil.Process] = []
        for each in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if not any("resource_tracker" in word for word in each.cmdline()):
                    found.append(each)
        return found

    def end_one(self, by: signal.Signals) -> float:
        """Send a worker a signal and wait until it is gone; return when that was.

        Not before all of them are configured: one has to be there that goes on.
        """
        wait_for(self._are_up, self.log.read_text)
        worker = self.workers()[0]
        at = time.monotonic()
        worker.send_signal(by)
        worker.wait(60)
        return at

    def _are_up(self) -> bool:
        up = [(self._folder / f"up-{each.pid}").exists() for each in self.workers()]
        return self._preloaded or (len(up) == _WORKERS and all(up))

    def counted(self) -> int:
        """Return how many requests were counted, as a scrape has it."""
        return total(self.metrics, REQUESTS)


@pytest.fixture
def start(tmp_path: Path, needed: Callable[..., None]) -> Callable[..., Node]:
    """Return what starts a server with three workers."""

    def begin(kind: str, *options: str, app: str = "") -> Node:
        needed(*_SERVERS[kind][2])
        return Node(kind, tmp_path, *options, app=app)

    return begin


@pytest.mark.parametrize("kind", everyday(["sync", "uvicorn"], _SERVERS))
def test_a_scrape_has_what_all_workers_have_counted(kind: str, start: Callable[..., Node]) -> None:
    """Also those that were ended; no counter ever falls, no scrape fails, nothing is lost."""
    with start(kind) as node:
        node.wait_for(60)
        wait_for(lambda: node.counted() > 0, node.log.read_text)
        with Watcher(node.metrics) as watcher:
            for _ in range(3):
                before = node.answered
                node.end_one(signal.SIGTERM)
                node.wait_for(before + 60)
            answered = node.rest()
        assert watcher.problems == [], node.log.read_text()
        assert watcher.scrapes > 0
        wait_for(lambda: node.counted() >= answered, node.log.read_text)
        assert node.counted() == answered, node.log.read_text()


@pytest.mark.parametrize("kind", everyday(["preload"], ["gthread", "preload", "uvicorn"]))
def test_a_killed_worker_loses_its_last_second_at_most(
    kind: str, start: Callable[..., Node]
) -> None:
    """By SIGKILL, whichever holds the port: totals never fall, and the port stays open."""
    with start(kind) as node:
        node.wait_for(60)
        wait_for(lambda: node.counted() > 0, node.log.read_text)
        at: list[float] = []
        with Watcher(node.metrics) as watcher:
            for _ in range(3):
                before = node.answered
                at.append(node.end_one(signal.SIGKILL))
                node.wait_for(before + 60)
            answered = node.rest()
        assert watcher.problems == [], node.log.read_text()
        lost = sum(node.answered_between(each - BOUND, each + BOUND) for each in at)
        assert answered - lost <= node.counted()
        # What a killed worker had counted before it could answer.
        assert node.counted() <= answered + 3 * 6


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "option", "jitter"),
    [
        ("gthread", "--max-requests", ("--max-requests-jitter", "40")),
        ("uvicorn", "--limit-max-requests", ()),
    ],
)
def test_recycled_workers_are_counted(
    kind: str, option: str, jitter: tuple[str, ...], start: Callable[..., Node]
) -> None:
    """Workers that end by themselves after so many requests leave what they counted."""
    with start(kind, option, "40", *jitter) as node:
        node.wait_for(60)
        first = {each.pid for each in node.workers()}
        wait_for(lambda: node.counted() > 0, node.log.read_text)
        with Watcher(node.metrics) as watcher:
            node.wait_for(400)
            answered = node.rest()
        # While all of them start anew at once there is nobody to answer.
        problems = [each for each in watcher.problems if "refused" not in each]
        assert problems == [], node.log.read_text()
        assert first != {each.pid for each in node.workers()}
        wait_for(lambda: node.counted() >= answered, node.log.read_text)
        assert node.counted() == answered, node.log.read_text()


_MOUNTED = """
from butterfly_otel.integrations.asgi import metrics_app
inner, metrics = application, metrics_app()

async def application(scope, receive, send):
    mine = scope["type"] == "http" and scope["path"] == "/metrics"
    await (metrics if mine else inner)(scope, receive, send)
"""


def test_the_applications_own_port_has_the_totals_as_well(start: Callable[..., Node]) -> None:
    """Whichever worker answers there."""
    with start("uvicorn", app=_MOUNTED) as node:
        node.wait_for(60)
        wait_for(lambda: node.counted() > 0, node.log.read_text)
        answered = node.rest()
        found = {total(node.port, REQUESTS) for _ in range(12)}
        assert found == {answered}, node.log.read_text()
