"""What a handle has looked up: where label values lead, in dictionaries within dictionaries.

One for all threads where there is a GIL. Without it, each thread has its own: threads that look
into one dictionary count references in one place, and wait for each other there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from butterfly_otel.handles.paths import cut, grow
from butterfly_otel.process import forks
from butterfly_otel.process.gil import ATOMIC

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Whether each thread looks up by itself.
APART: Final = not ATOMIC
# A thread may begin to look up in a finalizer, while it adds to those that do.
_changing = forks.rlock()


class Known:
    """What all threads know, or one."""

    __slots__ = ("__weakref__", "cells", "count")

    def __init__(self) -> None:
        #: Dictionaries within dictionaries, to the targets.
        self.cells: dict[Any, Any] = {}
        self.count = 0


class Lookups:
    """What one handle has looked up since it last forgot everything.

    To keep or forget something needs the handle's lock; to look it up needs none.

    Args:
        order: In which order labels are looked up, as :func:`.nesting` has it.
        most: How many series are kept; by each thread, where they look up apart.
    """

    __slots__ = ("_every", "_most", "_order", "_together", "cells")

    def __init__(self, order: Sequence[int], most: int) -> None:
        self._order = order
        self._most = most
        self._every: dict[ref[Known], None] = {}
        self._together = Known()
        #: The outermost dictionary, or what has each thread's as ``here``.
        self.cells: Any = _Apart(self) if APART else self._together.cells

    @property
    def count(self) -> int:
        """How many series are remembered, by all threads together."""
        return sum(known.count for known in self._all())

    def joined(self) -> Known:
        """Return what a thread is going to know. Called where each looks up apart."""
        known, every = Known(), self._every
        with _changing:
            # It goes with its thread.
            every[ref(known, lambda gone: every.pop(gone, None))] = None
        return known

    def keep(self, values: Sequence[object], target: object) -> None:
        """Remember where label values lead, unless as many are remembered as may be.

        Raises:
            Exception: Whatever the values' own ``__hash__`` or ``__eq__`` raises.
        """
        known: Known = self.cells.known if APART else self._together
        # Beyond the stream's limit everything is the overflow point: nothing to gain.
        if known.count < self._most:
            known.count += grow(known.cells, self._order, values, target)

    def forget(self, values: Sequence[object]) -> None:
        """Forget where label values lead."""
        path = [values[at] for at in self._order] or [()]
        for known in self._all():
            known.count -= cut(known.cells, path)

    def _all(self) -> list[Known]:
        if not APART:
            return [self._together]
        with _changing:
            found = [reference() for reference in self._every.copy()]
        return [known for known in found if known is not None]


class _Apart(threading.local):
    """What each thread has looked up.

    Attributes:
        here: This thread's outermost dictionary.
        known: All that it knows.
    """

    def __init__(self, lookups: Lookups) -> None:
        # Called once in each thread.
        self.known = lookups.joined()
        self.here = self.known.cells
