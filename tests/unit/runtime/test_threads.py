"""Threads, conditions and sockets of the world that a thread began in."""

from __future__ import annotations

import _thread
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from butterfly_otel.process import sockets, threads

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0


class Replaced:
    """What gevent puts in the place of the standard library's, seen from another thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used: list[str] = []
        # From 3.13 on threads are begun by another function.
        begins = next(
            name
            for name in ("_start_joinable_thread", "_start_new_thread")
            if hasattr(threading, name)
        )
        for module, name in (
            (_thread, "start_new_thread"),
            (_thread, "allocate_lock"),
            (threading, "_allocate_lock"),
            (threading, begins),
            (time, "sleep"),
            (socket, "socket"),
        ):
            monkeypatch.setattr(module, name, self._instead_of(name, getattr(module, name)))

    def _instead_of(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            self.used.append(name)
            return original(*args, **how)

        return call


def test_what_has_begun_keeps_what_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that began before uses nothing that was replaced, nor do those that it begins."""
    go, done = threads.Event(), threads.Event()
    seen: list[str] = []

    def inner(event: threads.Event) -> None:
        threads.sleep(0.001)
        event.set()

    def work() -> None:
        assert go.wait(PATIENCE)
        del replaced.used[:]
        event = threads.Event()
        threads.start(inner, event)
        assert event.wait(PATIENCE)
        assert not threads.Event().wait(0.001)
        with sockets.new(socket.AF_INET) as listener, sockets.selector():
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            with sockets.new(socket.AF_INET) as client, sockets.duplicate(listener) as again:
                client.connect(listener.getsockname())
                connection, _ = sockets.accept(again)
                connection.close()
        one, other = sockets.pair()
        one.close()
        other.close()
        seen.extend(replaced.used)
        done.set()

    threads.start(work)
    replaced = Replaced(monkeypatch)
    go.set()
    assert done.wait(PATIENCE)
    assert seen == []


def test_others_have_what_there_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that greenlets wait for one another where gevent came before they began."""
    replaced = Replaced(monkeypatch)
    event = threads.Event()
    threads.start(event.set)
    assert event.wait(PATIENCE)
    threads.sleep(0)
    assert {"start_new_thread", "allocate_lock", "sleep"} <= set(replaced.used)


def test_a_condition_of_before_is_waited_for_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has begun another way is not woken by a lock of the old kind, and looks instead."""
    event = threads.Event()
    threads.start(lambda: (threads.sleep(0.05), event.set()))
    replaced = Replaced(monkeypatch)
    assert not threads.Event().wait(0.001)
    assert event.wait(PATIENCE)
    assert event.is_set()
    assert "allocate_lock" in replaced.used


def test_a_thread_that_is_begun_can_be_joined() -> None:
    """Without threading's own start(), which waits; one of a parent's counts as ended."""
    go = threads.Event()
    thread = threads.Thread(go.wait, (PATIENCE,))
    thread.begin()
    thread.join(0.001)
    assert thread.is_alive()
    go.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    left = threads.Thread(go.wait)
    left.abandon()
    left.join()
    assert not left.is_alive()


def test_a_condition_is_left_as_it_was_found_when_time_is_up() -> None:
    """Whoever comes later is woken, and not who has gone; it may be held more than once."""
    condition = threads.Condition()
    with condition, condition:
        assert not condition.wait(0.001)
        assert not condition.wait_for(lambda: 0, 0.001)
        condition.notify_all()
    found: list[int] = []

    def later() -> None:
        with condition:
            found.append(1)
            condition.notify_all()

    with condition:
        threads.start(later)
        assert condition.wait_for(lambda: found, PATIENCE) == [1]
