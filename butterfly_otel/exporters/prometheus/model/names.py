"""From OpenTelemetry names and units to Prometheus ones.

Source of the rules: the OpenTelemetry specification, "Prometheus and OpenMetrics
Compatibility", section "OTLP Metric points to Prometheus", and "Metrics Exporter -
Prometheus", sections "Translation Strategy" and "Content Negotiation".

Everything here is pure and safe to call from any thread.
"""

from __future__ import annotations

from typing import Final, get_args

from butterfly_otel.catalog.naming import (
    MetricKind,
    escape_label_name,
    escape_metric_name,
    unit_of_word,
    unit_words,
    with_suffixes,
)
from butterfly_otel.exporters.prometheus.model.escaping import (
    Escaping,
    shown_label_name,
    shown_metric_name,
)
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.settings.exporters import TranslationStrategy

#: The strategies of the specification; the first is its default.
STRATEGIES: Final[tuple[TranslationStrategy, ...]] = get_args(TranslationStrategy)

__all__ = [
    "STRATEGIES",
    "MetricKind",
    "Naming",
    "escape_label_name",
    "escape_metric_name",
    "unit_of_word",
    "unit_words",
]


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
            full = with_suffixes(full, unit_words(unit), kind)
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
