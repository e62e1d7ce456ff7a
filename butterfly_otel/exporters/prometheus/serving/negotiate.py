"""Which format and encoding a scraper gets.

Sources: RFC 9110, section 12.5; "Scrape protocol content negotiation" of the Prometheus
documentation. Everything here is pure and never raises, whatever the header says.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from butterfly_otel.exporters.prometheus.model.escaping import ESCAPINGS, Escaping
from butterfly_otel.exporters.prometheus.writing.formats import (
    OPENMETRICS,
    PROTOBUF,
    TEXT,
    Format,
)
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What stands between commas or semicolons, those inside quoted strings excepted.
_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_PARAMETER = re.compile(r'(?:[^;"]|"[^"]*"?)+')
#: Longer headers come from no scraper; the rest is ignored.
_LONGEST: Final = 4096


#: What can be served, the preferred first where a wildcard leaves the choice: who says
#: nothing gets what every tool can read.
_OFFERS: Final = (
    TEXT,
    OPENMETRICS,
    Format("openmetrics", "0.0.1"),
    Format("text", "1.0.0"),
    PROTOBUF,
)
#: What a range without a version means, and what wildcards mean: protobuf has to be named.
_DEFAULT_VERSIONS: Final = {TEXT, OPENMETRICS}
_WILDCARDS: Final = {"*/*", "text/*"}
#: The versions of formats that have escaping schemes; protobuf, which has none, has them.
_ESCAPABLE: Final = {"1.0.0", PROTOBUF.version}
#: What a range may name; the second spelling is that of Prometheus' documentation.
_SCHEMES: Final[dict[str, Escaping]] = {
    **{each: each for each in ESCAPINGS},
    "allow-utf8": "allow-utf-8",
}


class _Range(NamedTuple):
    """One element of an Accept header."""

    media_type: str
    parameters: dict[str, str]
    escaping: Escaping | None
    quality: float
    place: int


class _Match(NamedTuple):
    """How well a range covers an offer; the greatest wins."""

    specificity: int
    quality: float
    place: int
    escaping: Escaping | None


def choose_format(accept: str | None) -> Format:
    """Return the format that an Accept header prefers among those that can be served.

    The most specific range that covers a format gives its weight, as RFC 9110 has it; equal
    weights go to the more specific range, then to the one listed first. Ranges of unknown
    types and versions are ignored, and where nothing is left the answer is text 0.0.4: a
    scrape in that format beats no scrape.
    """
    ranges = _parse(accept or "")
    best: tuple[float, int, int, int] | None = None
    chosen = TEXT
    for order, offer in enumerate(_OFFERS):
        matches = [match for each in ranges if (match := _match(each, offer)) is not None]
        if not matches:
            continue
        match = max(matches, key=lambda match: match[:3])
        rank = (match.quality, match.specificity, match.place, -order)
        if match.quality > 0 and (best is None or rank > best):
            best = rank
            chosen = _with_escaping(offer, match.escaping)
    return chosen


def _with_escaping(offer: Format, escaping: Escaping | None) -> Format:
    """Return a format under the scheme that its range named; older versions know none."""
    if escaping is None or offer.version not in _ESCAPABLE:
        return offer
    return replace(offer, escaping=escaping, negotiated=True)


def prefers_html(accept: str | None) -> bool:
    """Tell whether an Accept header asks for ``text/html`` rather than for any metrics.

    It has to be named, as browsers do: wildcards are everybody's. Of equal weights the one that
    is named comes before a wildcard, then the one listed first.
    """
    ranges = _parse(accept or "")
    html = [(each.quality, each.place) for each in ranges if each.media_type == "text/html"]
    if not html or max(html)[0] == 0:
        return False
    named = {offer.media_type for offer in _OFFERS}
    metrics = [(each.quality, each.place) for each in ranges if each.media_type in named]
    others = [each.quality for each in ranges if each.media_type in _WILDCARDS]
    return max(html) > max(metrics, default=(0.0, 0)) and max(html)[0] >= max(others, default=0.0)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tell whether an Accept-Encoding header prefers gzip to no encoding at all."""
    weights: dict[str, float] = {}
    for coding, parameters in _elements(accept_encoding or ""):
        weights[coding.removeprefix("x-")] = _quality(parameters.get("q"))
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _parse(accept: str) -> list[_Range]:
    ranges: list[_Range] = []
    for place, (media_type, pairs) in enumerate(_elements(accept)):
        if "/" in media_type:
            ranges.append(
                _Range(
                    media_type,
                    pairs,
                    _SCHEMES.get(pairs.get("escaping", "")),
                    _quality(pairs.get("q")),
                    -place,
                )
            )
    return ranges


def _elements(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each element of a header in lower case, and its parameters by name."""
    for element in _ELEMENT.findall(header[:_LONGEST].lower()):
        head, *parameters = _PARAMETER.findall(element) or [""]
        split = (parameter.partition("=") for parameter in parameters)
        yield head.strip(), {key.strip(): value.strip().strip('"') for key, _, value in split}


def _quality(text: str | None) -> float:
    """Return a weight; an impossible one (``q=2``, ``q=x``) counts as no weight given."""
    try:
        quality = float(text) if text is not None else 1.0
    except ValueError:
        return 1.0
    return quality if 0.0 <= quality <= 1.0 else 1.0


def _match(each: _Range, offer: Format) -> _Match | None:
    if each.media_type == offer.media_type:
        wanted = {key: value.lower() for key, value in offer.parameters.items()}
        if wanted.items() <= each.parameters.items():
            specificity = 3
        elif "version" not in each.parameters and offer in _DEFAULT_VERSIONS:
            specificity = 2
        else:
            return None
    elif offer not in _DEFAULT_VERSIONS:
        return None
    elif each.media_type == offer.media_type.partition("/")[0] + "/*":
        specificity = 1
    elif each.media_type == "*/*":
        specificity = 0
    else:
        return None
    return _Match(specificity, each.quality, each.place, each.escaping)
