"""What a scraper can read of a name, and the schemes by which the rest is escaped.

Source: "UTF-8 metric and label name escaping schemes" of the Prometheus documentation, and
where that and Prometheus' own implementation differ (``EscapeName`` of prometheus/common), the
implementation: names that every format can show stay as they are under each scheme, and what
``dots`` can't show becomes two underscores.

Everything here is pure and safe to call from any thread.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, get_args

from butterfly_otel.catalog.naming import by_value, legacy

#: How names outside the legacy alphabet are written; ``allow-utf-8`` writes them in quotes.
Escaping = Literal["underscores", "allow-utf-8", "dots", "values"]
#: The schemes; the first is what who names none gets.
ESCAPINGS: Final[tuple[Escaping, ...]] = get_args(Escaping)

_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_CHAR = re.compile(r"[^a-zA-Z0-9_:]")
_LABEL_CHAR = re.compile(r"[^a-zA-Z0-9_]")
_DOT = {".": "_dot_", "_": "__"}


def is_legacy_metric_name(name: str) -> bool:
    """Tell whether ``name`` needs no quotes in any version of the formats."""
    return _LEGACY_METRIC.fullmatch(name) is not None


def is_legacy_label_name(name: str) -> bool:
    """Tell whether ``name`` needs no quotes as a label name."""
    return _LEGACY_LABEL.fullmatch(name) is not None


@lru_cache(maxsize=8192)
def shown_metric_name(name: str, escaping: Escaping) -> str:
    """Return a metric's name as a scraper that asked for ``escaping`` is shown it.

    >>> [shown_metric_name("a.b_c", each) for each in ESCAPINGS]
    ['a_b_c', 'a.b_c', 'a_dot_b__c', 'U__a_2e_b__c']
    >>> shown_metric_name("a_b:c", "dots")
    'a_b:c'
    """
    if is_legacy_metric_name(name):
        return name
    return _shown(name, escaping, _METRIC_CHAR)


@lru_cache(maxsize=8192)
def shown_label_name(name: str, escaping: Escaping) -> str:
    """Return a label's name likewise."""
    if is_legacy_label_name(name):
        return name
    return _shown(name, escaping, _LABEL_CHAR)


def _shown(name: str, escaping: Escaping, foreign: re.Pattern[str]) -> str:
    if escaping == "allow-utf-8" or not name:
        return name or "_"
    if escaping == "underscores":
        return legacy(name, foreign)
    # A digit is foreign where a name begins.
    first = name[:1].isdigit() and name[:1].isascii()
    if escaping == "dots":
        characters = (_DOT.get(each) or foreign.sub("__", each) for each in name[first:])
        return "".join(("__" * first, *characters))
    return by_value(name, foreign, first=first)
