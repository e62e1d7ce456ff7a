"""Whether this interpreter has a GIL, and what threads without one must not share."""

from __future__ import annotations

import sys
from typing import Final


def gil_enabled() -> bool:
    """Tell whether a statement of plain numbers is atomic in this interpreter."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return sys.implementation.name == "cpython" and (enabled is None or bool(enabled()))


#: Decided once.
ATOMIC: Final = gil_enabled()


def share(thing: object) -> None:
    """Let threads use an object at once without waiting for each other.

    Without a GIL, threads that use one object count its references in one place, and wait for
    each other there. CPython 3.14 can leave that to the garbage collector. Elsewhere, and where
    there is a GIL, this does nothing.

    Args:
        thing: An object that lives long, since only the garbage collector ends it from now on.
    """
    if not ATOMIC and sys.implementation.name == "cpython" and sys.version_info >= (3, 14):
        try:
            import ctypes  # noqa: PLC0415 - there alone

            ctypes.pythonapi.PyUnstable_Object_EnableDeferredRefcount(ctypes.py_object(thing))
        except (ImportError, AttributeError):  # it may be left out of a build
            return
