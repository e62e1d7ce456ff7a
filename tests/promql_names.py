"""Which metrics and labels an expression names; enough of PromQL for the expressions we write."""

from __future__ import annotations

import re

from butterfly_otel import catalog

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_METRIC = re.compile(r"\b(?:butterfly[_:][\w:]+|up|target_info|scrape_\w+|node_memory_\w+)\b")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_MATCHED = re.compile(r"([\w.]+)\s*(?:=~|!~|!=|=(?!=))\s*(?=\"|`)")
_PARTS = ("_bucket", "_sum", "_count")
#: What Prometheus itself, and an exporter beside us, give.
FOREIGN = {
    "up",
    "target_info",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
}
#: Labels that no metric of the contract declares.
ADDED = {"job", "instance", "le", "slo", "otel_metric_overflow", "__name__"}


def metrics(expr: str) -> set[str]:
    """The names of metrics and recorded series, but for those matched by a label."""
    return set(_METRIC.findall(_STRING.sub('""', expr)))


def labels(expr: str) -> set[str]:
    """The labels that are matched or grouped by."""
    grouped = {name.strip() for found in _GROUPED.findall(expr) for name in found.split(",")}
    return (grouped | set(_MATCHED.findall(expr))) - {""}


def known(name: str, recorded: set[str]) -> bool:
    """Whether there is such a metric; a receiver of OTLP may append `_total`."""
    for part in _PARTS:
        base = catalog.BY_NAME.get(name.removesuffix(part))
        if name.endswith(part) and base is not None and base.type == "histogram":
            return True
    renamed = name.removesuffix("_total") if name.startswith("butterfly_network_bytes") else name
    metric = catalog.BY_NAME.get(renamed)
    plain = metric is not None and metric.type != "histogram"
    return plain or name in recorded or name in FOREIGN


def known_labels(*extra: str) -> set[str]:
    """Every label of the contract, and what is added to it."""
    return {key for metric in catalog.ALL for key in metric.label_keys} | ADDED | set(extra)
