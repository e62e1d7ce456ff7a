"""What a contract means where it says nothing: so that a plain semantic convention is one.

A default that is a text is one sentence, as the lint rules want it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Across, InstrumentKind, Label

#: Distinct values of a label that has no vocabulary.
BUDGET: Final = 100
#: The value by which a semantic convention says that there are others.
REST: Final = "_OTHER"
#: Of durations: those that the semantic conventions give to HTTP's.
_SECONDS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
_MILLISECONDS: Final = tuple(bound * 1000 for bound in _SECONDS)
#: From 1 KiB to 1 GiB.
_BYTES: Final = tuple(float(4**power) for power in range(5, 16))
_SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
#: OpenTelemetry's own.
_ANY: Final = (
    *(0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0),
    *(1000.0, 2500.0, 5000.0, 7500.0, 10000.0),
)
_BUCKETS: Final = {"s": _SECONDS, "ms": _MILLISECONDS, "By": _BYTES, "1": _SHARES}
_WHY: Final = {
    "counter": "Counted as it happens; it never falls.",
    "up_down_counter": "Moved up and down by those who take part.",
    "gauge": "Set to what it is now.",
    "histogram": "A distribution, of which the quantiles matter.",
    "observable_counter": "Read at each collection; it never falls.",
    "observable_up_down_counter": "Read at each collection; parts of it add up.",
    "observable_gauge": "Read at each collection.",
}
_ACROSS_WHY: Final[dict[Across, str]] = {
    "sum": "Each process measures its own part; the parts add up.",
    "max": "The largest of the processes' values tells.",
    "min": "The smallest of the processes' values tells.",
    "latest": "What changed last is what holds.",
    "each": "Each process has a value of its own.",
    "node": "It is read once a node.",
}


def buckets(unit: str) -> tuple[float, ...]:
    """Return the bounds of a histogram of a unit."""
    return _BUCKETS.get(unit, _ANY)


def why(instrument: InstrumentKind) -> str:
    """Return why a metric has its instrument."""
    return _WHY[instrument]


def across(instrument: InstrumentKind) -> Across:
    """Return what the values of several processes make together."""
    return "latest" if instrument in {"gauge", "observable_gauge"} else "sum"


def across_why(chosen: Across) -> str:
    """Return why they make that together."""
    return _ACROSS_WHY[chosen]


def query(name: str, kind: str, labels: tuple[Label, ...], chosen: Across) -> str:
    """Return an example query, in PromQL.

    Args:
        name: The metric's in Prometheus.
        kind: Its type there.
        labels: Its labels.
        chosen: What the values of several processes make together.
    """
    keys = [label.prometheus_key for label in labels]
    if kind == "histogram":
        by = ", ".join((*keys, "le"))
        return f"histogram_quantile(0.99, sum by ({by}) (rate({name}_bucket[5m])))"
    by = f"by ({', '.join(keys)}) " if keys else ""
    if kind == "counter":
        return f"sum {by}(rate({name}[5m]))"
    return f"{'sum' if chosen == 'sum' else 'max'} {by}({name})"
