"""What logs may show of a receiver's address and of its answers: no password, key or token."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from butterfly_otel.exporters.outage import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Shorter values are not looked for: half of any text would be hidden.
_SHORTEST = 4


def shown(url: str) -> str:
    """Return a URL without a user, a password, a query or a fragment."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}" if place else parts.path


class Secrets:
    """The secrets of an exporter, so that they can be kept out of what it says.

    A receiver may repeat a header or the URL in its answer, as may an error of a library.
    """

    def __init__(self, url: str, headers: Iterable[tuple[str, str]]) -> None:
        parts = urlsplit(url)
        found = {value for _, value in headers}
        found |= {value.split(maxsplit=1)[-1] for value in found if value.strip()}
        found |= {value for _, value in parse_qsl(parts.query)}
        found |= {piece.partition("=")[2] for piece in parts.query.split("&")}
        found |= {parts.query, parts.username or "", parts.password or ""}
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        found |= {user, password, b64encode(f"{user}:{password}".encode()).decode()}
        found |= {quote(value) for value in found}
        # The longest first: one may be a part of another.
        self._found = sorted((each for each in found if len(each) >= _SHORTEST), key=len)[::-1]

    def hide(self, text: str) -> str:
        """Return text as one line in which each secret is ``***``."""
        for each in self._found:
            text = text.replace(each, "***")
        return one_line(text)
