"""Names that are nearly the same: what a setting, an escaping or a slip made of a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from butterfly_otel.catalog.model import Metric

_Names = Mapping[str, Metric]

_WITHOUT_SUFFIXES = (
    "set `translation_strategy: UnderscoreEscapingWithoutSuffixes` in Prometheus' `otlp` section"
    " or in the Collector's Prometheus exporter (`add_metric_suffixes: false` in older ones)"
)
#: UNIT of a UCUM unit; annotations such as ``{request}`` have none.
UNIT_WORDS = {"s": "seconds", "By": "bytes", "Cel": "celsius", "1": "ratio"}
_UNIT_SUFFIX = re.compile(
    r"_(?P<unit>seconds|milliseconds|microseconds|nanoseconds|minutes|hours|days|bytes|kibibytes"
    r"|mebibytes|gibibytes|kilobytes|megabytes|celsius|percent)(?:_total)?$"
)
_SCALED = {
    "milliseconds": "seconds",
    "microseconds": "seconds",
    "nanoseconds": "seconds",
    "kilobytes": "bytes",
    "megabytes": "bytes",
    "kibibytes": "bytes",
    "mebibytes": "bytes",
    "percent": "ratio",
}
_CUTOFF = 0.8
#: What Prometheus' escaping `values` makes of a character, and of an underscore.
_BY_VALUE = re.compile(r"__|_([0-9A-Fa-f]{1,6})_")
_SIGNS = re.compile(r"_dot_|[^a-zA-Z0-9]+")


def explain_name(name: str, names: _Names) -> str:
    """Say which metric an unknown name was meant to be, and what made it another.

    Returns:
        A sentence, or the empty string where nothing is close.
    """
    for artefact in _ARTEFACTS:
        hint = artefact(name, names)
        if hint:
            return hint
    close = get_close_matches(name, names, n=1, cutoff=_CUTOFF)
    return f"did you mean `{close[0]}`?" if close else ""


def bare_name(name: str) -> str:
    """Return what all spellings of a name have in common, whichever way it was escaped.

    >>> {bare_name(each) for each in ("a.b:c", "a_b_c", "a_dot_b:c", "U__a_2e_b:c")}
    {'a_b_c'}
    """
    if name.startswith("U__"):
        name = _BY_VALUE.sub("_", name[3:])
    return _SIGNS.sub("_", _SIGNS.sub("_", name))


def _dotted(name: str, names: _Names) -> str:
    base = re.sub(r"[.\-/ ]", "_", name)
    if base == name or base not in names:
        return ""
    return f"it is `{base}` unescaped: translate names with an `UnderscoreEscaping…` strategy"


def _total_appended(name: str, names: _Names) -> str:
    base = name.removesuffix("_total")
    if base == name or base not in names:
        return ""
    return (
        f"it is `{base}` with the suffix `_total` that a translation with suffixes and some"
        f" client libraries append to counters: {_WITHOUT_SUFFIXES}"
    )


def _total_missing(name: str, names: _Names) -> str:
    if f"{name}_total" not in names:
        return ""
    return (
        f"the name is `{name}_total` in full; only OpenMetrics leaves `_total` out, and only in"
        " the metadata of counters"
    )


def _ratio_appended(name: str, names: _Names) -> str:
    base = name.removesuffix("_ratio")
    if base == name or base not in names:
        return ""
    return (
        f"it is `{base}` with the suffix `_ratio` that a translation with suffixes appends to a"
        f" gauge of unit `1`: declare the unit `{names[base].unit}`"
    )


def _unit_appended(name: str, names: _Names) -> str:
    match = _UNIT_SUFFIX.search(name)
    if match is None:
        return ""
    base = name[: match.start()]
    for candidate in (base, f"{base}_total"):
        if candidate in names:
            unit = names[candidate].unit
            wrong = match["unit"] != UNIT_WORDS.get(unit)
            mend = f"declare the unit `{unit}`" if wrong else _WITHOUT_SUFFIXES
            return (
                f"it is `{candidate}` with a suffix for its unit that a translation with suffixes"
                f" appends: {mend}"
            )
    return ""


def _scaled(name: str, names: _Names) -> str:
    for scaled, unit in _SCALED.items():
        base = name.replace(f"_{scaled}", f"_{unit}")
        if base != name and base in names:
            return f"it is `{base}` in {scaled}: the contract has base units only"
    return ""


def _prefixed(name: str, names: _Names) -> str:
    for known in names:
        if name.endswith(f"_{known}"):
            prefix = name.removesuffix(known)
            return (
                f"it is `{known}` behind the prefix `{prefix}`: remove the `namespace` of the"
                " Collector's Prometheus exporter, or the `prefix` of the SDK's"
            )
    return ""


#: From the certain to the vague; the first that knows the name has the word.
_ARTEFACTS: tuple[Callable[[str, _Names], str], ...] = (
    _dotted,
    _total_appended,
    _total_missing,
    _ratio_appended,
    _unit_appended,
    _scaled,
    _prefixed,
)
