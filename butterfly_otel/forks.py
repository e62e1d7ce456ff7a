"""What has to be done in a forked child, which has the parent's locks but not its threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable


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
