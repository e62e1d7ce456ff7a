"""Flushing when the process is asked to end by a signal.

A handler may interrupt the very code that holds a lock the flush needs, so nothing is flushed
*in* it: a thread does that, while the interrupted code goes on. Where the signal's disposition
was the default, the thread then sends it again under the default, so the process ends as it
would have; where the application had a handler, that is called at once, whatever becomes of ours.

The handler waits for nothing. Under gevent it may run in the event loop itself, where whatever
waits is an error, and starting a :class:`threading.Thread` does wait.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from butterfly_otel.runtime.endings import ASKING, LastWords
from butterfly_otel.runtime.nudge import in_child_process, nudge

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


#: Seconds after which a process ends whether it has made its last export or not.
_PATIENCE = 11.0


class SignalFlush:
    """Installed handlers for SIGTERM and SIGINT, and the way back.

    SIGINT under Python's own handler raises KeyboardInterrupt, which leads to a normal exit,
    so it is left alone. Only the main thread may install handlers; elsewhere what is noticed is
    that the process sends itself such a signal.

    Args:
        flush: Exports what is measured; must keep its own deadline.
        shutdown: The same, for a process that is about to end.
    """

    def __init__(self, flush: Callable[[], object], shutdown: Callable[[], object]) -> None:
        self._flush = flush
        self._shutdown = shutdown
        self._previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._handled: set[int] = set()
        self._last_words = LastWords(shutdown)
        # As it is now: what was built until now waits as this one's threads do, also where
        # gevent replaces it later.
        self._start_thread = _thread.start_new_thread

    def install(self) -> None:
        """Take over the signals that nothing else answers, and chain to the others' handlers."""
        self._last_words.install()
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ASKING:
            previous = signal.getsignal(number)
            # None: a handler that was not installed from Python, and can't be chained to.
            if previous in (None, signal.SIG_IGN, signal.default_int_handler):
                continue
            self._previous[number] = previous
            signal.signal(number, self._handle)
        if in_child_process():
            self.watch()

    def watch(self) -> None:
        """See to it that the handlers are called, in a child that may be ended by a signal."""
        self._handled.clear()
        if self._previous:
            nudge(self._start_thread, self._is_handled)

    def _is_handled(self, number: int) -> bool:
        # Another's handler is none of our business, and the default ends the process.
        return number in self._handled or signal.getsignal(number) != self._handle

    def uninstall(self) -> None:
        """Put back what was there, unless somebody has replaced our handler since."""
        self._last_words.uninstall()
        if threading.current_thread() is not threading.main_thread():
            return
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, previous)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._handled.add(number)
        previous = self._previous.get(number, signal.SIG_DFL)
        if callable(previous):
            try:
                # In case it ends the process at once. What ends gracefully exports again then.
                self._start(self._flush)
            finally:
                previous(number, frame)
            return
        # From now on the signal has its default effect, whoever sends it.
        signal.signal(number, signal.SIG_DFL)
        if not self._start(lambda: self._end(number)):
            self._last_words.send(number)
        start_native = _native("_thread", "start_new_thread")
        if start_native != self._start_thread:
            with suppress(RuntimeError):
                start_native(self._insist, (number,))

    def _end(self, number: int) -> None:
        try:
            self._shutdown()
        finally:
            self._last_words.send(number)

    def _insist(self, number: int) -> None:
        """End the process where a greenlet was to do so, but another never lets it run."""
        _native("time", "sleep")(_PATIENCE)
        self._last_words.send(number)

    def _start(self, target: Callable[[], object]) -> bool:
        """Call ``target`` in a thread, without waiting for anything; False where none starts."""
        try:
            self._start_thread(target, ())
        except RuntimeError:  # no more threads, or the interpreter is at its end
            return False
        return True


def _native(module: str, name: str) -> Any:  # noqa: ANN401 - of any module
    """Return what a module's name stands for where gevent has not replaced it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None:
        return getattr(import_module(module), name)
    return monkey.get_original(module, name)
