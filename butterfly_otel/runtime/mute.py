"""A forked child that nobody can scrape and that pushes nothing: it says so, once."""

from __future__ import annotations

import _thread
import logging
import time
from contextlib import suppress

_logger = logging.getLogger("butterfly_otel")

#: Seconds after which a child is one that lives: most are replaced by another program at once.
_LIVES = 1.0


class MuteChild:
    """Warns when the process has lived for a while, or asks for what there is not. Thread-safe."""

    def __init__(self) -> None:
        self._told = False
        # Not a Thread, which waits until it runs: under gevent that would let the parent's
        # greenlets go on in the child.
        with suppress(RuntimeError):
            _thread.start_new_thread(self._tell_later, ())

    def tell(self) -> None:
        """Warn, unless that was done before."""
        if self._told:
            return
        self._told = True
        _logger.warning(
            "this process was forked after configure(), and what it measures leaves it nowhere:"
            " its parent has the Prometheus endpoint. Call configure() in each child instead, or"
            " push by OTLP (docs/how-to/forking.md)"
        )

    def _tell_later(self) -> None:
        time.sleep(_LIVES)
        self.tell()
