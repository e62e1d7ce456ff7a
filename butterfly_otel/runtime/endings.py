"""The ways a process ends without ``atexit``, and what makes a last export in each.

A child of ``multiprocessing``, and so of a process pool, ends by ``os._exit``; so does one of
Celery's prefork workers. Each has a place of its own for last words, which we use. Others, such
as uvicorn, end gracefully and then send themselves the signal that asked for it, under its
default action: nothing at all runs after that, so it is noticed when it is sent.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    End = Callable[[], object]

#: The signals that ask a process to end.
ASKING = (signal.SIGTERM, signal.SIGINT)
#: ``multiprocessing`` and Celery's variant of it. Looked for, never imported.
_POOLS = ("multiprocessing.util", "billiard.util")
#: Finalizers of a lower priority run later: after those of the application, and after the
#: process has waited for its own children.
_LAST = -1000


class Endings:
    """Calls ``end`` where a process ends by ``os._exit``, from :meth:`watch` on. Thread-safe.

    Each forked child registers anew: these places forget what the parent has registered, and
    the child may have imported more of them.

    Args:
        end: Makes the last export; must be harmless when done twice.
    """

    def __init__(self, end: End) -> None:
        self._end = end
        self._watching = False
        self._finalizers: dict[str, Any] = {}
        self._following: set[str] = set()
        forks.call_in_child(self._after_fork)

    def watch(self) -> None:
        """Register wherever something to register with is imported by now; harmless twice."""
        self._watching = True
        for name in _POOLS:
            if (util := sys.modules.get(name)) is not None:
                with suppress(AttributeError):  # imported in part, or of another make
                    self._register(name, util)
        signals = getattr(sys.modules.get("celery.signals"), "worker_process_shutdown", None)
        if signals is not None:
            # Under a name, so that it is connected once.
            signals.connect(self._celery, weak=False, dispatch_uid="butterfly_otel")

    def _register(self, name: str, util: ModuleType) -> None:
        made = self._finalizers.get(name)
        if made is None or not made.still_active():
            self._finalizers[name] = util.Finalize(None, self._end, exitpriority=_LAST)
        if name not in self._following:
            self._following.add(name)
            # A new process forgets all finalizers, after the hooks of os.fork and before these.
            util.register_after_fork(self, Endings.watch)

    def _after_fork(self) -> None:
        if self._watching:
            self.watch()

    def _celery(self, **_sent: object) -> None:
        self._end()


class LastWords:
    """Calls ``end`` before this process sends itself a signal that will end it.

    That is the last moment at which anything can be done. Replaces ``signal.raise_signal`` and
    ``os.kill``, from :meth:`install` to :meth:`uninstall`; both pass everything on.

    Args:
        end: Makes the last export, within a deadline of its own.
    """

    def __init__(self, end: End) -> None:
        self._end = end
        self._raise_signal: Callable[[int], None] | None = None
        self._kill: Callable[[int, int], None] | None = None

    def install(self) -> None:
        """Notice such signals from now on."""
        self._raise_signal, self._kill = signal.raise_signal, os.kill
        signal.raise_signal, os.kill = self._raising, self._killing

    def uninstall(self) -> None:
        """Put back what was there, unless somebody has replaced ours since."""
        if self._raise_signal is not None and signal.raise_signal == self._raising:
            signal.raise_signal = self._raise_signal
        if self._kill is not None and os.kill == self._killing:
            os.kill = self._kill

    def send(self, number: int) -> None:
        """Send this process a signal without calling ``end``, which was done."""
        (self._kill or os.kill)(os.getpid(), number)

    def _raising(self, number: int, /) -> None:
        self._before(number)
        if self._raise_signal is not None:
            self._raise_signal(number)

    def _killing(self, pid: int, number: int, /) -> None:
        if pid == os.getpid():
            self._before(number)
        if self._kill is not None:
            self._kill(pid, number)

    def _before(self, number: int) -> None:
        if number in ASKING and signal.getsignal(number) is signal.SIG_DFL:
            # The signal must be sent, whatever happens.
            with suppress(Exception):
                self._end()
