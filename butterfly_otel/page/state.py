"""What the page asks for again and again: the facts of a node, and its metrics as they are now."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.exporters.prometheus.writing.collector import CollectionError
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.exporters.prometheus.serving.app import Renderer
    from butterfly_otel.page.facts import Facts, Part

_logger = logging.getLogger("butterfly_otel")

#: Text 0.0.4, which the page can read.
_ACCEPT: Final = "text/plain;version=0.0.4"
#: Seconds that collecting may take.
_TIMEOUT: Final = 5.0
#: Seconds between two questions of a page at least, and at most.
_SOONEST, _LATEST = 2.0, 60.0
#: The share of a core that an open page may cost.
_SHARE: Final = 0.005


class State:
    """Tells how a node is. Thread-safe.

    However many look, it is found out no more often than once in so many seconds, and a page
    is told when to ask again, so that being looked at costs half a percent of a core.

    Args:
        renderer: Gives the metrics, as a scrape has them.
        facts: Tells the rest.
        reuse: Seconds for which an answer is good for who else asks.
    """

    def __init__(
        self, renderer: Renderer, facts: Callable[[], Facts], *, reuse: float = 1.0
    ) -> None:
        self._renderer = renderer
        self._facts = facts
        self._reuse = reuse
        self._lock = forks.lock()
        self._answer = b""
        self._until = 0.0

    def answer(self) -> bytes:
        """Return the state as JSON."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._make()
                self._until = time.monotonic() + self._reuse
            return self._answer

    def _make(self) -> bytes:
        began = time.thread_time()
        # First: the processes of a node are those that were asked for these.
        metrics = self._metrics()
        facts = self._facts()
        told: dict[str, Any] = {
            "now": time.time(),
            "node": {"id": facts.node_id, "role": facts.node_role, "about": dict(facts.about)},
            "uptime": facts.uptime,
            "exporters": [_part(each) for each in facts.exporters],
            "collectors": [_part(each) for each in facts.collectors],
            "processes": [_part(each) for each in facts.processes],
        }
        told.update(metrics)
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        took = time.thread_time() - began
        every = min(_LATEST, max(_SOONEST, took / _SHARE))
        # Lone surrogates, which no label should have, are no reason to show nothing.
        return f'{{"every":{every:.1f},{text[1:]}'.encode("utf-8", "replace")

    def _metrics(self) -> dict[str, str]:
        try:
            _, body = self._renderer.render(_ACCEPT, None, timeout=_TIMEOUT)
        except CollectionError as error:
            return {"text": "", "error": str(error)}
        except KeyboardInterrupt:
            raise
        except BaseException:  # somebody else's collector may raise anything
            _logger.exception("The metrics could not be rendered for the page")
            return {"text": "", "error": "The metrics could not be rendered; the log says why."}
        return {"text": body.decode("utf-8", "replace")}


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "ok": part.ok,
        "tells": part.tells,
        "error": part.error,
        "errorAt": part.error_at,
    }
