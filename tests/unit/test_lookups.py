"""What a handle has looked up: for all threads, or apart."""

from __future__ import annotations

import gc
from copy import deepcopy
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from butterfly_otel import metrics
from butterfly_otel.handles import lookups
from butterfly_otel.handles.lookups import Lookups
from butterfly_otel.process.gil import ATOMIC, share

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up as where there is no GIL."""
    monkeypatch.setattr(lookups, "APART", True)


def elsewhere(work: Callable[[], None]) -> None:
    """Do something in another thread, until it ends."""
    thread = Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.usefixtures("apart")
def test_each_thread_looks_up_by_itself() -> None:
    """What one thread has looked up, another one does not share."""
    known = Lookups((0,), 10)
    elsewhere(lambda: known.keep(("a",), "other"))
    known.keep(("b",), "mine")
    assert known.cells.here == {"b": "mine"}


@pytest.mark.usefixtures("apart")
def test_a_series_that_ends_is_forgotten_by_every_thread() -> None:
    """To forget in one thread is to forget in all, and each may keep one more then."""
    known = Lookups((1, 0), 1)
    found: list[object] = []

    def keep_and_look() -> None:
        known.keep(("a", "b"), "target")
        found.append(deepcopy(known.cells.here))
        elsewhere(lambda: known.forget(("a", "b")))
        found.append(deepcopy(known.cells.here))
        known.keep(("c", "d"), "next")
        found.append(deepcopy(known.cells.here))

    elsewhere(keep_and_look)
    assert found == [{"b": {"a": "target"}}, {}, {"d": {"c": "next"}}]


@pytest.mark.usefixtures("apart")
def test_what_a_thread_knew_goes_with_it() -> None:
    """Threads that come and go leave nothing behind."""
    known = Lookups((0,), 10)
    for _ in range(50):
        elsewhere(lambda: known.keep(("a",), "target"))
    gc.collect()
    assert len(known._every) == 1


@pytest.mark.parametrize("separately", [False, True])
def test_no_more_series_are_kept_than_may_be(
    monkeypatch: pytest.MonkeyPatch, *, separately: bool
) -> None:
    """Beyond the limit nothing is remembered, with a GIL and without."""
    monkeypatch.setattr(lookups, "APART", separately)
    known = Lookups((0,), 2)
    for value in ("a", "b", "c"):
        known.keep((value,), value)
    cells = known.cells.here if separately else known.cells
    assert cells == {"a": "a", "b": "b"}


def test_an_object_that_is_shared_stays_what_it_is() -> None:
    """To share an object changes nothing that can be seen, whatever the interpreter."""
    handle = metrics.requests_total
    share(handle)
    assert handle.metric.name == "butterfly_requests_total"
    assert lookups.APART is not ATOMIC
