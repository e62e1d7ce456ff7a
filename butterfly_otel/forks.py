"""What has to be done in a forked child, which has the parent's locks but not its threads."""

from __future__ import annotations

import os
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

_locks: WeakSet[Any] = WeakSet()


def lock() -> Lock:
    """Return a lock that is free in every child forked from now on, whoever held it before."""
    made = Lock()
    _locks.add(made)
    return made


def rlock() -> Any:  # noqa: ANN401 - threading.RLock is no class
    """Return a lock that the thread which holds it may take again; otherwise as :func:`lock`."""
    made = RLock()
    _locks.add(made)
    return made


def call_in_child(method: Callable[[], None]) -> None:
    """Call a bound method in every child forked from now on, while its object lives."""
    if not hasattr(os, "register_at_fork"):
        return
    weak = WeakMethod(method)

    def after_fork() -> None:
        alive = weak()
        if alive is not None:
            alive()

    os.register_at_fork(after_in_child=after_fork)


def _free_locks() -> None:
    for each in _locks:
        # What the standard library does with its own locks.
        each._at_fork_reinit()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)
