"""Queues whose length is observed."""

from __future__ import annotations

import asyncio
import gc
import queue
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.coordination import observe_queue

Start = Callable[..., Any]
QUEUED = "butterfly_tasks_queued"


def _filled(made: Any) -> Any:
    made.put_nowait("task")
    return made


@pytest.mark.parametrize(
    "waiting",
    [
        _filled(queue.Queue()),
        _filled(queue.SimpleQueue()),
        _filled(asyncio.Queue()),
        deque(["task"]),
        ["task"],
        lambda: 1,
    ],
    ids=["queue", "simple", "asyncio", "deque", "list", "function"],
)
def test_anything_that_knows_how_long_it_is_can_be_observed(start: Start, waiting: Any) -> None:
    """Queues, sized things and functions are read at each collection."""
    measured = start()
    with observe_queue(waiting):
        assert measured.value(QUEUED, node_id="coordinator-1") == 1
        if hasattr(waiting, "append"):
            waiting.append("another")
            assert measured.value(QUEUED, node_id="coordinator-1") == 2
    assert measured.values(QUEUED) == {}


def test_a_queue_of_another_node(start: Start) -> None:
    """The label can be given."""
    measured = start()
    waiting = deque("ab")
    with observe_queue(waiting, node_id="compute-node-1"):
        assert measured.value(QUEUED, node_id="compute-node-1") == 2


def test_the_queue_is_not_kept_alive(start: Start) -> None:
    """Its series ends with it, and so does the callback."""
    measured, waiting = start(), deque("ab")
    observe_queue(waiting)
    assert measured.value(QUEUED, node_id="coordinator-1") == 2
    del waiting
    gc.collect()
    assert measured.values(QUEUED) == {}
    assert metrics.tasks_queued.registrations == ()


def test_a_queue_that_raises_is_counted(start: Start) -> None:
    """The metric is missing, and the failure is seen."""

    class Broken:
        def qsize(self) -> int:
            raise NotImplementedError

    measured, broken = start(), Broken()
    with observe_queue(broken):
        assert measured.values(QUEUED) == {}
        assert measured.value("butterfly_otel_callback_errors_total", metric=QUEUED) >= 1


def test_what_has_no_length_is_refused(start: Start) -> None:
    """The error says what would do."""
    start()
    with pytest.raises(ConfigurationError, match="a int has neither qsize"):
        observe_queue(7)  # type: ignore[arg-type]
