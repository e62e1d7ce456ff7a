"""A finalizer or a signal's handler may measure while its own thread holds a lock of ours.

Provoked at each moment at which one may run: where a function begins, after a call, and at a
backward jump, of a measurement and of a collection.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from butterfly_otel.engine import MeterProvider, table
from butterfly_otel.process.gil import gil_enabled
from tests.unit.engine.conftest import Interruption
from tests.unit.engine.test_threads import DELTA, METHODS, Session

pytestmark = [
    pytest.mark.skipif(not gil_enabled(), reason="the moments are those of the GIL"),
    pytest.mark.timeout(60),
]


class Finalizer(Interruption):
    """Runs ``intrude`` in the same thread, in the midst of the work."""

    def __init__(self, intrude: Callable[[], None], point: int) -> None:
        super().__init__(intrude, point)
        self._thread = threading.Thread(target=lambda: None)
        self._thread.start()

    def _moment(self) -> None:
        if self._left == 0:
            sys.settrace(None)
            self._run()
        self._left -= 1


@pytest.fixture(params=["as here", "locked"], autouse=True)
def _locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure as this interpreter can, and as one does without a GIL."""
    if request.param == "locked":
        monkeypatch.setattr(table, "ATOMIC", False)


@pytest.mark.parametrize("state", ["live", "collected"])
@pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"])
@pytest.mark.parametrize("preferences", [(None,), (DELTA,), (None, DELTA)])
@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("amid", ["a measurement", "a collection"])
def test_a_measurement_amid_another_counts_once(
    kind: str, preferences: tuple[Any, ...], state: str, amid: str, *, bound: bool
) -> None:
    """It neither waits for its own thread, nor is it lost, nor counted twice."""
    point = 0
    while True:
        session = Session(kind, preferences, state, bound=bound)
        work = session.measure if amid == "a measurement" else session.collect
        if not Finalizer(session.measure, point).during(work):
            break
        session.check()
        point += 1
    assert point > 0


def test_the_extremes_are_those_of_both() -> None:
    """What a finalizer measures amid the first measurement is among the extremes."""
    point = 0
    while True:
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], shutdown_on_exit=False)
        cell: Any = provider.get_meter("m").create_histogram("h").bind({"k": "v"})
        cell.record(5)
        if not Finalizer(lambda: cell.record(1), point).during(lambda: cell.record(9)):  # noqa: B023
            break
        counts, total, low, high = cell.read()
        assert (sum(counts), total, low, high) == (3, 15, 1, 9)
        point += 1
    assert point > 0
