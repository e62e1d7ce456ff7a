"""What has to be done in a forked child, which has the parent's locks but not its threads."""

from __future__ import annotations

import logging
import os
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("butterfly_otel")
_locks: WeakSet[Any] = WeakSet()


def lock() -> Any:  # noqa: ANN401 - threading.RLock is not a class
    """Return a lock that is free in every child forked from now on, whoever held it before.

    The thread that holds it may take it again: a finalizer or a signal handler that measures
    runs in whatever thread there is, be it inside this very lock. So what is under it has to
    be right for who comes in the middle.
    """
    made = RLock()
    _locks.add(made)
    return made


#: The same, for who takes it again on purpose.
rlock = lock


# Kept here, since nothing ever forgets what `os.register_at_fork` was given.
_methods: list[WeakMethod[Callable[[], None]]] = []
_before: list[WeakMethod[Callable[[], None]]] = []
_after: list[WeakMethod[Callable[[], None]]] = []
_registering = lock()


def call_in_child(method: Callable[[], None]) -> None:
    """Call a bound method in every child forked from now on, while its object lives."""
    with _registering:
        _methods[:] = [each for each in _methods if each() is not None]
        _methods.append(WeakMethod(method))


def call_around_fork(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call bound methods in the parent before and after each fork, while their object lives.

    The application waits meanwhile, so ``before`` has to come back soon.
    """
    with _registering:
        for known, method in ((_before, before), (_after, after)):
            known[:] = [each for each in known if each() is not None]
            known.append(WeakMethod(method))


def _before_fork() -> None:
    _call_each(_before)


def _after_fork_in_parent() -> None:
    _call_each(_after)


def _call_each(references: list[WeakMethod[Callable[[], None]]]) -> None:
    for reference in tuple(references):
        method = reference()
        if method is not None:
            try:
                method()
            except Exception:
                _logger.exception("%r failed at a fork", method)


def _after_fork() -> None:
    for each in _locks:
        # What the standard library does with its own locks.
        each._at_fork_reinit()  # noqa: SLF001
    # Some methods make objects that have methods to be called, too: in their own children.
    _call_each(_methods)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork,
    )
