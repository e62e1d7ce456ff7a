"""Seeing to it that a signal handler is called, in children that are ended by a signal as a rule.

Python calls handlers in the main thread, between two of its steps. A signal that comes just before
that thread begins to wait for a lock, as a pool's worker does all the time, is looked at when it
has the lock: never, where ``Pool.terminate()`` holds it. Without a handler the child would just
have ended. So what the interpreter writes at each signal is read in a thread, which sends the
signal once more to a main thread that has not looked at it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Handled = Callable[[int], bool]

#: What the interpreter writes to, and where that is read.
_pipe: tuple[int, ...] = ()
#: Seconds after which a signal is sent once more.
_PATIENCE = 0.2


def nudge(
    start: Callable[[Callable[[int, int, Handled], None], tuple[int, int, Handled]], object],
    handled: Handled,
) -> None:
    """Begin to watch, in the main thread, unless somebody else watches or nobody can.

    Args:
        start: Calls a function with arguments in a thread, without waiting for it.
        handled: Tells whether a signal needs no more to be sent.
    """
    if not hasattr(signal, "pthread_kill") or "gevent" in sys.modules:
        return
    global _pipe  # noqa: PLW0603 - the process has one
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(ValueError, RuntimeError):  # not the main thread, or no more threads
        before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        inherited, _pipe = _pipe, ()
        if before == -1 or before in inherited:
            # Written to by this child, the parent's would end the parent.
            for number in inherited:
                os.close(number)
            start(_watch, (read, threading.main_thread().ident or 0, handled))
            _pipe = (read, write)
            return
        signal.set_wakeup_fd(before)
    os.close(read)
    os.close(write)


def in_child_process() -> bool:
    """Tell whether ``multiprocessing`` has started this process."""
    multiprocessing = sys.modules.get("multiprocessing")
    parent = getattr(multiprocessing, "parent_process", None)
    return parent is not None and parent() is not None


def _watch(pipe: int, main: int, handled: Handled) -> None:
    # Ends with the process, whose own end of the pipe is open.
    while numbers := os.read(pipe, 1):
        time.sleep(_PATIENCE)
        if not handled(numbers[0]):
            # Is written to the pipe again, and so looked at again.
            signal.pthread_kill(main, numbers[0])
