"""What is refused: counted each time, and logged so often that nobody can fill a disk."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Literal

from butterfly_otel.exporters.prometheus.securing.bucket import Bucket
from butterfly_otel.process import forks
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("butterfly_otel")

Refusal = Literal[
    "missing_credentials",
    "wrong_credentials",
    "too_many_failures",
    "rate_limit",
    "client_certificate",
    "plain_http",
    "failed_handshake",
]

_TELLS: Final[dict[Refusal, str]] = {
    "missing_credentials": "it has neither a user's password nor a token",
    "wrong_credentials": "its password or token is wrong",
    "too_many_failures": "too many of its passwords or tokens were wrong",
    "rate_limit": "there are more requests than rate_limit allows",
    "client_certificate": "its certificate is missing or not accepted",
    "plain_http": "it speaks HTTP where TLS is spoken",
    "failed_handshake": "no TLS could be agreed on",
}
#: Sources whose refusals are known to have been told.
_MOST: Final = 256
#: Seconds for one more line, and lines at once.
_INTERVAL: Final = 60.0
_BURST: Final = 20


class Refusals:
    """Counts refusals, and tells the first of each kind from each source.

    Args:
        count: Called with the reason of each.

    Thread-safe.
    """

    def __init__(self, count: Callable[[Refusal], None]) -> None:
        self._count = count
        self._lock = forks.lock()
        self._told: OrderedDict[tuple[str, Refusal], None] = OrderedDict()
        self._lines = Bucket(_INTERVAL, _BURST)

    def add(self, reason: Refusal, source: str, detail: str = "") -> None:
        """Count a refusal.

        Args:
            reason: Why.
            source: From where it came.
            detail: More for the log; nothing that the client has sent as a secret.
        """
        self._count(reason)
        if not self._is_news(reason, source):
            return
        _logger.warning(
            "A scrape from %s is refused: %s%s; more of this are counted in"
            " butterfly_otel_scrape_refusals_total only",
            printable(source) or "an unknown address",
            _TELLS[reason],
            f" ({printable(detail)})" if detail else "",
        )

    def _is_news(self, reason: Refusal, source: str) -> bool:
        key = (source, reason)
        with self._lock:
            if key in self._told:
                self._told.move_to_end(key)
                return False
            if self._lines.take():
                return False
            self._told[key] = None
            if len(self._told) > _MOST:
                self._told.popitem(last=False)
            return True
