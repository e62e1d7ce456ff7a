"""Waiting for time to pass or for the key that ends it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

#: Seconds between two looks at the keyboard where the system can't tell us.
_LOOK = 0.1
_QUIT = frozenset({"q", "Q", "\x03", "\x04"})


@contextmanager
def keyboard(*, listen: bool) -> Generator[Callable[[float], bool], None, None]:
    """Give a function that waits so many seconds and tells whether ``q`` was pressed meanwhile.

    Keys are read at once and not echoed until the block ends. Where standard input is no
    terminal, or ``listen`` is False, as for a program in the background, it only waits.
    """
    if not listen or not sys.stdin.isatty():
        yield _just_wait
    elif sys.platform == "win32":
        yield _windows
    else:
        import termios  # noqa: PLC0415 - POSIX only
        import tty  # noqa: PLC0415

        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            yield _posix
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _just_wait(seconds: float) -> bool:
    sleep(max(0.0, seconds))
    return False


def _posix(seconds: float) -> bool:
    import os  # noqa: PLC0415
    from select import select  # noqa: PLC0415

    end = monotonic() + seconds
    while (left := end - monotonic()) > 0:
        if select([sys.stdin], [], [], left)[0]:
            # Not by the stream, whose buffer select() knows nothing of.
            pressed = os.read(sys.stdin.fileno(), 64).decode("ascii", "replace")
            if not pressed or set(pressed) & _QUIT:
                return True
    return False


def _windows(seconds: float) -> bool:
    import importlib  # noqa: PLC0415

    keys = importlib.import_module("msvcrt")
    end = monotonic() + seconds
    while monotonic() < end:
        if keys.kbhit() and keys.getwch() in _QUIT:
            return True
        sleep(_LOOK)
    return False
