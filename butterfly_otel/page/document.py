"""The page itself: one HTML document with its style and script, and the headers that guard it."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

#: In the order in which they make one script.
_SCRIPTS: Final = (
    *("format.js", "text.js", "history.js", "charts.js", "contract.js", "vitals.js"),
    *("nodes.js", "cards.js", "details.js", "documents.js", "health.js", "keys.js", "main.js"),
)
_STYLES: Final = ("page.css", "parts.css")
#: What every answer of the page has: nothing of it is kept, framed, or read by another site.
GUARDS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)


@lru_cache(maxsize=1)
def document() -> tuple[bytes, str]:
    """Return the page and its Content-Security-Policy; the files are read once."""
    style = "\n".join(map(_text, _STYLES))
    # What it defines is nobody else's: the browser has a `History` of its own, for one.
    script = "\n".join(('"use strict";\n{', *map(_text, _SCRIPTS), "}"))
    page = _text("page.html").replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = (
        "default-src 'none'",
        f"script-src '{_hash(script)}'",
        f"style-src '{_hash(style)}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return page.encode(), "; ".join(policy)


def _text(name: str) -> str:
    return (files("butterfly_otel.page") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
