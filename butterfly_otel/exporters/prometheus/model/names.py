"""From OpenTelemetry names and units to Prometheus ones.

Source of the rules: the OpenTelemetry specification, "Prometheus and OpenMetrics
Compatibility", section "OTLP Metric points to Prometheus", and "Metrics Exporter -
Prometheus", sections "Translation Strategy" and "Content Negotiation".

Everything here is pure and safe to call from any thread.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, get_args

from butterfly_otel.exporters.prometheus.model.escaping import (
    Escaping,
    legacy,
    shown_label_name,
    shown_metric_name,
)
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.settings.exporters import TranslationStrategy

#: The strategies of the specification; the first is its default.
STRATEGIES: Final[tuple[TranslationStrategy, ...]] = get_args(TranslationStrategy)

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

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_METRIC_RUN = re.compile(r"(?:[^a-zA-Z0-9_:]|_)+")
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


class Naming(NamedTuple):
    """How one exposition names its metrics and labels.

    Attributes:
        strategy: The specification's translation strategy.
        prefix: Put before every translated name, with an underscore.
        escaping: What the scraper asked for: names that the strategy leaves outside the
            legacy alphabet are escaped by it, as the specification's "Interaction with
            Translation Strategy" demands.
    """

    strategy: TranslationStrategy = "UnderscoreEscapingWithSuffixes"
    prefix: str = ""
    escaping: Escaping = "underscores"

    @property
    def escapes(self) -> bool:
        """Whether the strategy itself escapes, so that ``escaping`` makes no difference."""
        return self.strategy.startswith("UnderscoreEscaping")

    def metric(self, name: str, unit: str, kind: MetricKind) -> str:
        """Return the exposed name of a metric and its suffixes.

        The result is the name in text format 0.0.4: that of a counter has its ``_total``.
        """
        full = f"{self.prefix}_{name}" if self.prefix else name
        if self.escapes:
            full = escape_metric_name(full)
        if self.strategy.endswith("WithSuffixes"):
            full = _with_suffixes(full, unit_words(unit), kind)
        return full if self.escapes else self.exact(full)

    def exact(self, name: str) -> str:
        """Return a name that is to be exposed as it is, or as nearly as the format can."""
        return shown_metric_name(name, "underscores" if self.escapes else self.escaping)

    def label(self, key: str) -> str:
        """Return the exposed name of a label."""
        if self.escapes:
            return escape_label_name(key)
        name = shown_label_name(key, self.escaping)
        # Two leading underscores are Prometheus' own: it would drop or, worse, obey them.
        return "_" + name.lstrip("_") if name.startswith("__") else name


def _with_suffixes(name: str, unit: str, kind: MetricKind) -> str:
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
