"""From OpenTelemetry names and units to Prometheus ones: what metrics are called there.

Source of the rules: the OpenTelemetry specification, "Prometheus and OpenMetrics
Compatibility", section "OTLP Metric points to Prometheus", and "Metrics Exporter -
Prometheus", section "Translation Strategy".

Everything here is pure and safe to call from any thread.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

#: What decides on a type suffix: a monotonic sum gets ``_total``, and nothing else gets one.
MetricKind = Literal["counter", "up_down_counter", "gauge", "histogram", "exponential"]

#: The table of the specification, "Metric Metadata". ``KBy`` is no UCUM, but other
#: translators know it.
_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tebibytes",
    "kBy": "kilobytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
#: Denominators are singular, so these are the words that do not merely lose an "s", and
#: the units of time which only ever occur below the line.
_PER: Final = {
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "w": "week",
    "wk": "week",
    "mo": "month",
    "a": "year",
    "y": "year",
}

#: The UCUM unit of a word; of several, the first above.
_WORDS: Final = {word: unit for unit, word in reversed(_UNITS.items())}

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_METRIC_RUN = re.compile(r"(?:[^a-zA-Z0-9_:]|_)+")
_LABEL_CHAR = re.compile(r"[^a-zA-Z0-9_]")
_LABEL_RUN = re.compile(r"(?:[^a-zA-Z0-9_]|_)+")


@lru_cache(maxsize=1024)
def unit_words(unit: str) -> str:
    """Return the Prometheus words for a UCUM unit, or ``""`` where there are none.

    Annotations (``{request}``) and the unit ``1`` yield nothing; units outside the
    specification's table keep their own letters.

    >>> unit_words("kBy"), unit_words("W/m"), unit_words("By/{token}"), unit_words("{call}/s")
    ('kilobytes', 'watts_per_meter', 'bytes', 'per_second')
    """
    top, *denominators = (part.strip() for part in _ANNOTATION.sub("", unit).split("/"))
    words = [] if top in {"", "1"} else [_UNITS.get(top, top)]
    words += [f"per_{_denominator(part)}" for part in denominators if part not in {"", "1"}]
    return _METRIC_RUN.sub("_", "_".join(words)).strip("_")


def unit_of_word(word: str) -> str:
    """Return the UCUM unit of a Prometheus word, or ``""`` where the table has none.

    >>> unit_of_word("seconds"), unit_of_word("kilobytes"), unit_of_word("requests")
    ('s', 'kBy', '')
    """
    return _WORDS.get(word, "")


def _denominator(unit: str) -> str:
    if unit in _PER:
        return _PER[unit]
    word = _UNITS.get(unit)
    return unit if word is None else word.removesuffix("s")


@lru_cache(maxsize=8192)
def escape_metric_name(name: str) -> str:
    """Return ``name`` in the legacy alphabet, runs of underscores collapsed.

    >>> escape_metric_name("http.server..duration"), escape_metric_name("2xx")
    ('http_server_duration', '_2xx')
    """
    return legacy(name, _METRIC_RUN)


@lru_cache(maxsize=8192)
def escape_label_name(name: str) -> str:
    """Return a label name in the legacy alphabet, runs of underscores collapsed.

    No name keeps two leading underscores, which Prometheus reserves for itself.

    >>> escape_label_name("http.method"), escape_label_name("__name__")
    ('http_method', '_name_')
    """
    return legacy(name, _LABEL_RUN)


def legacy(name: str, foreign: re.Pattern[str]) -> str:
    """Return ``name`` with an underscore for whatever ``foreign`` matches."""
    escaped = foreign.sub("_", name)
    if not escaped.strip("_") and name.strip("_"):
        # Only foreign letters: underscores alone would make all such names the same, so
        # they take the reversible scheme.
        return by_value(name, _LABEL_CHAR, first=False)
    if escaped[:1].isdigit():
        return f"_{escaped}"
    return escaped or "_"


def by_value(name: str, foreign: re.Pattern[str], *, first: bool) -> str:
    """Return ``name`` with the code of whatever ``foreign`` matches, which can be read back."""
    characters = (
        "__"
        if each == "_"
        else f"_{ord(each):x}_"
        if foreign.fullmatch(each) or (first and not index)
        else each
        for index, each in enumerate(name)
    )
    return "".join(("U__", *characters))


def translated(name: str, unit: str, kind: MetricKind) -> str:
    """Return the name by the default strategy, as in text format 0.0.4.

    >>> translated("gen_ai.client.token.usage", "{token}", "counter")
    'gen_ai_client_token_usage_total'
    >>> translated("http.server.request.duration", "s", "histogram")
    'http_server_request_duration_seconds'
    """
    return with_suffixes(escape_metric_name(name), unit_words(unit), kind)


def with_suffixes(name: str, unit: str, kind: MetricKind) -> str:
    """Return a name with the suffixes of its unit, in words, and of its kind."""
    suffix = "total" if kind == "counter" else ""
    if suffix:
        name = _without_suffix(name, suffix)
    if unit:
        name = _with_unit(name, unit)
    return f"{name}_{suffix}" if suffix else name


def _without_suffix(name: str, suffix: str) -> str:
    stem = name.removesuffix(suffix)
    # A name that is nothing but the suffix keeps it.
    if stem == name or len(stem) < 2 or stem[-1].isalnum():  # noqa: PLR2004 - one letter and a separator
        return name
    return stem[:-1]


def _with_unit(name: str, unit: str) -> str:
    if _ends_with_word(name, unit):
        return name
    main, per, rest = unit.partition("_per_")
    if per and _ends_with_word(name, main):
        return f"{name}_per_{rest}"
    return f"{name}_{unit}"


def _ends_with_word(name: str, word: str) -> bool:
    stem = name.removesuffix(word)
    return stem != name and (not stem or not stem[-1].isalnum())
