"""Units of Prometheus' names, such that translating back gives the very name.

A metric keeps its whole name, suffixes included, as the specification has it ("Prometheus and
OpenMetrics Compatibility", "Metric Metadata"): with any translation strategy a suffix that is
there is not added again. A unit is told only where that holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from butterfly_otel.exporters.prometheus.model.names import Naming, unit_of_word

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.model.names import MetricKind

_NAMING: Final = Naming()


@lru_cache(maxsize=4096)
def unit_of(name: str, unit: str, kind: MetricKind) -> str:
    """Return the OpenTelemetry unit of a metric; empty where there is none.

    Args:
        name: As it is exposed.
        unit: Of its UNIT line; empty where that is only in the name.
        kind: What it is as an instrument.

    >>> unit_of("vllm:e2e_latency_seconds", "", "histogram"), unit_of("free_ratio", "", "gauge")
    ('s', '1')
    >>> unit_of("shop_requests_total", "requests", "counter")
    'requests'
    >>> unit_of("rate_per_second", "", "gauge")
    ''
    """
    stem = name.removesuffix("_total") if kind == "counter" else name
    head, _, last = stem.rpartition("_")
    word = unit or last
    # The Collector looks for a unit among the words of a name. One of several words, such as
    # `bytes_per_second`, it never finds, and adds again.
    if not head or word != last or head.endswith("_per"):
        return ""
    if word == "ratio":
        # Of a gauge alone: it takes every `ratio` out of the name and puts one at the end.
        return "1" if kind == "gauge" and "ratio" not in head.split("_") else ""
    found = unit_of_word(word) or unit
    same = _NAMING.metric(name, found, kind) == _NAMING.metric(name, "", kind)
    return found if same else ""
