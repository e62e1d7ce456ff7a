"""A fork while other threads are anywhere at all: the child goes on as if it were new."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.metrics import get_meter

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.consensus import Elections
from butterfly_otel.integrations.peers import Link, links
from butterfly_otel.process import forks
from tests.conftest import Measured
from tests.unit.engine.test_fork import in_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

_LOCKS = type(threading.Lock()), type(threading.RLock())
#: What measuring, scraping and ending go through.
_ROOMS = (
    "engine",
    "enforcement",
    "exporters",
    "instruments",
    "runtime",
    "bound",
    "consensus",
    "integrations",
)


def _ours(module: object) -> bool:
    # What is written in C may have anything for its __module__.
    rooms = tuple(f"butterfly_otel.{room}" for room in _ROOMS)
    return isinstance(module, str) and module.startswith(rooms)


def _locks() -> list[Any]:
    """Return every lock that a module of ours or an object of theirs has."""
    found: list[Any] = []
    for name, module in list(sys.modules.items()):
        if _ours(name):
            found += [each for each in vars(module).values() if isinstance(each, _LOCKS)]
    for each in gc.get_objects():
        if _ours(type(each).__module__) and not isinstance(each, type):
            names = [*getattr(each, "__dict__", ()), *getattr(type(each), "__slots__", ())]
            values = (getattr(each, name, None) for name in names)
            found += [value for value in values if isinstance(value, _LOCKS)]
    return list({id(each): each for each in found}.values())


@contextmanager
def _held(locks: list[Any]) -> Iterator[None]:
    """Let another thread hold every lock that is free."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        taken = [each for each in locks if each.acquire(blocking=False)]
        held.set()
        over.wait()
        for each in taken:
            each.release()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_child_waits_for_no_lock_that_a_thread_of_its_parent_holds(
    start: Callable[..., Measured],
) -> None:
    """It measures what is new, breaks the contract, is scraped, flushes, ends, starts again."""
    runtime = start(exporter="prometheus", prometheus_server=False).runtime
    reader = runtime.prometheus_reader
    assert reader is not None

    elections = Elections()
    early: Any = get_meter("m").create_counter("early")
    bound = early.bind({"k": "v"})

    def child() -> str:
        bound.record(3)
        metrics.request_errors_total.add(1, method="inference", error_type="timeout")
        metrics.request_errors_total.add(1, method="nonsense", error_type="x" * 1000)  # type: ignore[arg-type]
        metrics.request_errors_total.add(float("nan"), method="inference", error_type="timeout")
        elections.ended("coordinator-2")
        links.up(Link("compute-node-2"), elections)
        get_meter("butterfly_otel").create_counter("none_of_ours")
        get_meter("m").create_counter("c").add(1, {"k": "v"})
        get_meter("m").create_gauge("c.total").set(1)  # two families of one name
        with metrics.cluster_size.observe(lambda: 1):
            text = reader.render()[1].decode()
        runtime.force_flush()
        butterfly_otel.shutdown()
        return text

    with _held(_locks()):
        text = in_child(child)
    assert 'error_type="timeout"' in text
    assert "c_total" in text
    assert "butterfly_connection_active{" in text
    assert 'early_total{k="v"} 3.0' in text


def test_starting_again_registers_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fork calls can't be taken back, so it isn't one more thing for each configure()."""
    registered: list[Any] = []

    def register(**calls: Callable[[], object]) -> None:
        registered.extend(calls.values())

    monkeypatch.setattr(os, "register_at_fork", register)
    for _ in range(2):
        butterfly_otel.configure(
            node_id="compute-1",
            node_role="compute",
            exporter=["prometheus", "otlp"],
            prometheus_port=0,
            collectors=["cpu"],
        )
        butterfly_otel.shutdown(timeout=0)
    assert [each for each in registered if _is_ours(each)] == []


def _is_ours(function: Callable[[], object]) -> bool:
    return function.__module__.startswith("butterfly_otel")


class Noting:
    """Something that goes on in a child."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.noted = 0

    def go_on(self) -> None:
        """Note it; raise what there is to raise."""
        self.noted += 1
        if self.problem is not None:
            raise self.problem


def test_what_fails_in_a_child_keeps_nothing_else_from_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is called once, in the child alone; what is gone is not called."""
    # A thread that the child lacks may hold the lock of the stream that is logged to.
    logger = logging.getLogger("butterfly_otel")
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    each = [Noting(), Noting(OSError("no")), Noting()]
    for one in each:
        forks.call_in_child(one.go_on)
    assert in_child(lambda: [one.noted for one in each]) == [1, 1, 1]
    assert [one.noted for one in each] == [0, 0, 0]
    gone = weakref.ref(each.pop())
    del one
    gc.collect()
    assert gone() is None
    assert in_child(lambda: [one.noted for one in each]) == [1, 1]
