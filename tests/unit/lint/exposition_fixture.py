"""A full and true exposition, rendered from the catalogue and from nothing else.

It is independent of the exporter on purpose: a mistake of the exporter's is not in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog import Label, Metric

_UNITS = {"s": "seconds", "By": "bytes", "Cel": "celsius", "1": "ratio"}
_VALUES = {
    "identity": "node-1",
    "pair": "node-1_node-2",
    "bounded": "7",
    "unbounded": "static",
    "open": "timeout",
}
_FOREIGN = ("# HELP process_threads Threads.", "# TYPE process_threads gauge", "process_threads 4")


def render_text() -> str:
    """Render all metrics, and one that is nobody's business, in text 0.0.4."""
    lines = [line for metric in catalog.ALL for line in _family(metric, openmetrics=False)]
    return "\n".join([*lines, *_FOREIGN, ""])


def render_openmetrics() -> str:
    """Render all metrics, and one that is nobody's business, in OpenMetrics 1.0."""
    lines = [line for metric in catalog.ALL for line in _family(metric, openmetrics=True)]
    return "\n".join([*lines, *_FOREIGN, "# EOF", ""])


def _family(metric: Metric, *, openmetrics: bool) -> Iterator[str]:
    name, kind = metric.name, str(metric.type)
    unit = _UNITS.get(metric.unit, "")
    if openmetrics and kind == "counter":
        name, kind = (
            name.removesuffix("_total"),
            "counter" if name.endswith("_total") else "unknown",
        )
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} {kind}"
    if openmetrics and unit and name.endswith(unit):
        yield f"# UNIT {name} {unit}"
    for labels in _series(metric.labels):
        yield from _samples(metric, labels)


def _series(labels: tuple[Label, ...]) -> Iterator[list[str]]:
    """Give one series for each value of the longest closed label."""
    pairs = [f'{label.key}="{_value(label)}"' for label in labels]
    longest = max(
        labels, key=lambda label: len(label.values) * (label.kind == "closed"), default=None
    )
    if longest is None or longest.kind != "closed":
        yield pairs
        return
    at = labels.index(longest)
    for value in longest.values:
        yield [*pairs[:at], f'{longest.key}="{value}"', *pairs[at + 1 :]]


def _value(label: Label) -> str:
    if label.default == "empty":
        return ""
    return label.values[0] if label.kind == "closed" else _VALUES[label.kind]


def _samples(metric: Metric, labels: list[str]) -> Iterator[str]:
    name = metric.name
    if metric.type != "histogram":
        value = "0.5" if metric.unit == "1" else "1.0"
        yield f"{name}{_braces(labels)} {value}"
        return
    for count, bound in enumerate(metric.buckets, 1):
        text = f"{bound:.0e}" if bound >= 1e6 else repr(bound)
        le = f'le="{text}"'
        yield f"{name}_bucket{_braces([*labels, le])} {count}"
    total = len(metric.buckets) + 1
    infinity = 'le="+Inf"'
    yield f"{name}_bucket{_braces([*labels, infinity])} {total}"
    yield f"{name}_count{_braces(labels)} {total}"
    yield f"{name}_sum{_braces(labels)} 12.5"


def _braces(labels: list[str]) -> str:
    return "{" + ",".join(labels) + "}" if labels else ""
