"""Programs under gevent, where a signal handler may run in the event loop itself."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.runtime.test_ending import MEASURE, run

_FIRST = "from gevent import monkey; monkey.patch_all()\nimport gevent\n"


@pytest.fixture(autouse=True)
def _gevent(needed: Callable[[str], None]) -> None:
    needed("gevent")


def test_the_applications_handler_is_called(tmp_path: Path) -> None:
    """Nothing can wait where it is called, so ours doesn't."""
    body = """
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    start()
    metrics.consensus_leader_changes_total.add(3)
    ready()
    while not asked:
        gevent.sleep(0.01)
    metrics.consensus_leader_changes_total.add(4)
    """
    code, values = run(tmp_path, body, signal.SIGTERM, first=_FIRST)
    assert (code, values[-1]) == (0, "7")


def test_a_signal_under_its_default_flushes(tmp_path: Path) -> None:
    """As it does without gevent; the process ends by it."""
    body = MEASURE + "ready()\nwhile True: gevent.sleep(30)"
    assert run(tmp_path, body, signal.SIGTERM, first=_FIRST) == (-signal.SIGTERM, ["7"])


def test_a_signal_ends_a_program_that_never_lets_another_greenlet_run(tmp_path: Path) -> None:
    """The last export is lost then, but the process ends, a little later than without us."""
    body = """
    from butterfly_otel.runtime import signals
    signals._PATIENCE = 0.5
    start()
    ready()
    while True:
        pass
    """
    assert run(tmp_path, body, signal.SIGTERM, first=_FIRST) == (-signal.SIGTERM, [])


def test_a_child_that_becomes_another_program_runs_nothing_of_the_parents(tmp_path: Path) -> None:
    """Gevent forks to start a program; what waits in between lets greenlets go on in the child."""
    body = """
    from butterfly_otel.exporters.push import PushMetricReader
    from butterfly_otel.process import forks
    import subprocess
    from opentelemetry.sdk.metrics._internal import MeterProvider
    MeterProvider._handle_fork = lambda self: None  # the stock SDK's own part of this fault
    parent = os.getpid()
    def elsewhere():
        while True:
            if os.getpid() != parent:
                os.write(1, b"here\\n")
            gevent.sleep(0)
    reader = PushMetricReader(ToFile(), name="file", interval=3600, timeout=5)
    gevent.spawn(elsewhere)
    for _ in range(3):
        subprocess.run(["true"])
    """
    assert run(tmp_path, body, first=_FIRST) == (0, [])
