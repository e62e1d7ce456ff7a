"""Threads that go on as they began, also where gevent replaces what they are made of under them.

A process may be configured before gevent patches it, as gunicorn's workers are by ``--preload``.
Threads that run by then stay threads, but what the standard library looks up late is gevent's from
then on: a lock that waits makes them an event loop of their own, in the middle of an import or of
another's lock, and a socket they accept is closed by a loop that nobody runs. So a thread begun
here, and each that it begins in turn, keeps what there was when this module was imported.
Everybody else has what there is now: greenlets that wait for one another, where gevent came first.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections import deque
from threading import TIMEOUT_MAX, RLock
from time import monotonic
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

_start: Final = _thread.start_new_thread
_allocate: Final = _thread.allocate_lock
_sleep: Final = time.sleep
#: Whether that is the standard library's: gevent, if it comes at all, comes later.
_FIRST: Final = isinstance(_start, BuiltinFunctionType)
_here: Final = _thread._local()  # noqa: SLF001 - `threading.local` may be greenlets' by now
#: Seconds between two looks of who can't be woken, as it waits in another way than others.
_LOOK: Final = 0.005


def keeps() -> bool:
    """Tell whether this thread goes on with what there was, whatever gevent replaces."""
    return _FIRST and _is_kept()


def start(target: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - the target's own
    """Call a function in a new daemon thread, without waiting for anything.

    Raises:
        RuntimeError: When there can be no more threads.
    """
    if _is_kept() or not _is_replaced():
        _start(_run, (target, args))
    else:
        _thread.start_new_thread(target, args)


def sleep(seconds: float) -> None:
    """Let so many seconds pass, in the way of this thread."""
    (_sleep if _is_kept() else time.sleep)(seconds)


class Condition:
    """What :class:`threading.Condition` is, between threads of all kinds."""

    def __init__(self) -> None:
        self._allocate = _allocate_now()
        # Its private methods are those that threading.Condition calls.
        self._lock: Any = RLock() if self._allocate is _allocate else threading.RLock()
        self._waiters: deque[Any] = deque()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be notified, so many seconds at most; return whether it was."""
        waiter = self._allocate()
        waiter.acquire()
        self._waiters.append(waiter)
        held = self._lock._release_save()  # noqa: SLF001
        woken = False
        try:
            woken = self._wait_for(waiter, timeout)
        finally:
            self._lock._acquire_restore(held)  # noqa: SLF001
            if not woken and waiter in self._waiters:
                self._waiters.remove(waiter)
        return woken

    def wait_for(self, holds: Callable[[], Any], timeout: float | None = None) -> Any:  # noqa: ANN401
        """Wait until something holds, so many seconds at most; return it."""
        until = None if timeout is None else monotonic() + timeout
        while not (found := holds()):
            left = None if until is None else until - monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return found

    def notify_all(self) -> None:
        """Wake all that wait."""
        while self._waiters:
            self._waiters.popleft().release()

    def _wait_for(self, waiter: Any, timeout: float | None) -> bool:  # noqa: ANN401 - of any kind
        if self._allocate is _allocate_now():
            limit = -1 if timeout is None else min(max(0.0, timeout), TIMEOUT_MAX)
            return bool(waiter.acquire(timeout=limit))
        until = None if timeout is None else monotonic() + timeout
        while not waiter.acquire(blocking=False):
            if until is not None and monotonic() >= until:
                return False
            sleep(_LOOK)
        return True


class Event:
    """What :class:`threading.Event` is, between threads of all kinds."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._set = False

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake all that wait."""
        with self._changed:
            self._set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, so many seconds at most; return whether it is."""
        with self._changed:
            return bool(self._changed.wait_for(self.is_set, timeout))


class Thread(threading.Thread):
    """A daemon thread with a name, that others wait for.

    Args:
        target: What it does.
        args: The arguments of that.
        name: What it is called.
    """

    def __init__(
        self, target: Callable[..., object], args: tuple[Any, ...] = (), name: str | None = None
    ) -> None:
        super().__init__(target=target, args=args, name=name, daemon=True)
        self._over: Event | None = None
        self._keeps = False

    def start(self) -> None:
        """Begin, and wait until it runs where that may be waited for.

        Raises:
            RuntimeError: When there can be no more threads.
        """
        if keeps():
            self.begin()
        else:
            self._start_known()

    def run(self) -> None:
        """Do what it is for."""
        if self._keeps:
            _here.kept = True
        super().run()

    def start_soon(self) -> None:
        """Begin as :meth:`start` does, which another thread waits for."""
        start(lambda: self.begin() if _is_replaced() else self._start_known())

    def begin(self) -> None:
        """Begin, without waiting for anything; :mod:`threading` knows nothing of it then.

        Raises:
            RuntimeError: When there can be no more threads.
        """
        self._over = Event()
        start(self._go, self._over)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, so many seconds at most."""
        if self._over is None:
            super().join(timeout)
        else:
            self._over.wait(timeout)

    def abandon(self) -> None:
        """Take it for ended, in a forked child, where it is not."""
        self._over = Event()
        self._over.set()

    def is_alive(self) -> bool:
        """Tell whether it has begun and not ended."""
        return super().is_alive() if self._over is None else not self._over.is_set()

    def _start_known(self) -> None:
        self._keeps = not _is_replaced()
        super().start()

    def _go(self, over: Event) -> None:
        try:
            self.run()
        finally:
            over.set()


def _run(target: Callable[..., object], args: tuple[Any, ...]) -> None:
    _here.kept = True
    target(*args)


def _is_kept() -> bool:
    return getattr(_here, "kept", False)


def _is_replaced() -> bool:
    return _thread.start_new_thread is not _start


def _allocate_now() -> Callable[[], Any]:
    return _allocate if _is_kept() else _thread.allocate_lock
