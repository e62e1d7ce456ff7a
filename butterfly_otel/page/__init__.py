"""The page for people at ``/``: this node, its health and every metric, in a browser.

:func:`page_site` gives its routes. The server tells how things are only when it is asked, and the
page keeps the history: nothing runs while nobody looks. One HTML document, whose style and
script are in it and are allowed by their hashes; what was measured is only ever set as text.

A part of the page is a file in ``assets/``, named in :mod:`.document`; what it is told is
made in :mod:`.state` (what changes) and :mod:`.contract` (what does not). Knows nothing of
``runtime``, which tells it the facts.
"""

from __future__ import annotations

from butterfly_otel.page.facts import Facts, Part
from butterfly_otel.page.site import page_site

__all__ = ["Facts", "Part", "page_site"]
