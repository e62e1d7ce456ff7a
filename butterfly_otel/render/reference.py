"""Renders ``docs/reference/metrics.md``: every metric, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.catalog import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.catalog.model import Across, Catalog, Label, Metric

_TITLES = {
    "requests": "Requests",
    "consensus": "Consensus",
    "computation": "Computation",
    "communication": "Communication",
    "resources": "Resource utilisation",
    "checkpoint": "Checkpoints and recovery",
    "coordination": "Coordination",
    "byzantine": "Byzantine faults",
    "telemetry": "The SDK's own metrics",
}
_ACROSS: dict[Across, str] = {
    "sum": "Sum",
    "max": "Largest",
    "min": "Smallest",
    "latest": "Latest to change",
    "each": "One series a process",
    "node": "Read once a node",
}
_HEADER = """\
<!-- Rendered from the catalogue by `butterfly-otel render`: edit the catalogue, not this. -->
# Metrics reference

Every metric of the Butterfly contract under its exact name, which is the same by Prometheus
text, OpenMetrics and OTLP. Where the specification contradicts itself,
[the contract](../contract.md) says what was decided.

*Limit* is the number of series one process exports of a metric; beyond it, OpenTelemetry's
overflow point (`otel_metric_overflow="true"`) takes what comes. A label's *budget* is the number
of distinct values one process may use; what is beyond it, and what is outside a vocabulary,
becomes `other` and is counted in `butterfly_otel_label_violations_total`.

*Across processes* tells what the values of several processes of one node make together, where
these share an endpoint. What counts or measures a distribution goes on when a process ends; of
all else only the values of living processes are shown.

`task_id`, `checkpoint_id` and `barrier_id` name things without end. In production, use the
overlay `views/low-cardinality.yaml`, which drops them.
"""
_OWN_HEADER = """\
<!-- Rendered from {source} by `butterfly-otel render`: edit the contract, not this. -->
# Metrics of {name}

*Limit* is the number of series one process exports of a metric; beyond it, OpenTelemetry's
overflow point (`otel_metric_overflow="true"`) takes what comes. A label's *budget* is the number
of distinct values one process may use; what is beyond it, and what is outside a vocabulary,
becomes `other`.
"""


def render_reference() -> str:
    """Return the text of ``docs/reference/metrics.md``."""
    lines = [_HEADER]
    category = None
    for metric in catalog.ALL:
        if metric.category != category:
            category = metric.category
            lines += [f"## {_TITLES[category]}", ""]
        lines += _metric(metric)
    lines += _usage()
    return "\n".join(lines).rstrip() + "\n"


def render_own_reference(contract: Catalog, source: str) -> str:
    """Return the reference of a contract, in Markdown.

    Args:
        contract: The contract.
        source: Where it comes from, as the head names it.
    """
    lines = [_OWN_HEADER.format(source=" ".join(source.split()), name=contract.name)]
    for category in dict.fromkeys(metric.category for metric in contract):
        lines += [f"## {category[:1].upper()}{category[1:]}", ""]
        for metric in contract:
            if metric.category == category:
                tells = f"By Prometheus it is called `{metric.prometheus_name}`; for example:"
                example = queries.Query(subject=metric.name, tells=tells, expr=metric.query)
                lines += _metric(metric, (example,))
    return "\n".join(lines).rstrip() + "\n"


def metric_reference(metric: Metric) -> str:
    """Return what the reference says of one metric."""
    return "\n".join(_metric(metric)).rstrip() + "\n"


def _metric(
    metric: Metric, examples: Iterable[queries.Query] = queries.OF_METRICS
) -> Iterator[str]:
    yield f"### `{metric.name}`"
    yield ""
    yield metric.help
    yield ""
    kind = metric.instrument.replace("_", " ")
    yield (
        f"**Type** {metric.type} · **Unit** `{metric.unit}` · **Instrument** {kind}"
        f" · **Limit** {metric.stream_limit} series"
    )
    yield ""
    yield f"{metric.why}"
    yield ""
    yield f"**Across processes** {_ACROSS[metric.across]}. {metric.across_why}"
    yield ""
    if metric.labels:
        yield "| Label | What it names | Values |"
        yield "|---|---|---|"
        yield from (
            f"| `{label.key}` | {label.help} | {_values(label)} |" for label in metric.labels
        )
        yield ""
    if metric.buckets:
        yield f"**Buckets** {', '.join(f'`{bound}`' for bound in metric.buckets)}, `+Inf`"
        yield ""
    for query in examples:
        if query.subject == metric.name:
            yield from _query(query)


def _usage() -> Iterator[str]:
    yield "## Queries for a purpose"
    yield ""
    subject = None
    for query in queries.USAGE:
        if query.subject != subject:
            subject = query.subject
            yield f"### {subject}"
            yield ""
        yield from _query(query)


def _query(query: queries.Query) -> Iterator[str]:
    yield query.tells
    yield ""
    yield "```promql"
    yield query.expr
    yield "```"
    yield ""


def _values(label: Label) -> str:
    if label.kind == "closed":
        text = ", ".join(f"`{value}`" for value in label.values)
    else:
        known = ", ".join(f"`{value}`" for value in label.values)
        kept = ", the latest" if label.keep == "latest" else ""
        text = f"{known + '; ' if known else ''}budget {label.budget}{kept}"
    return text + (_DEFAULTS[label.default] if label.default else "")


_DEFAULTS = {
    "node_id": "; by default this node's id",
    "node_role": "; by default this node's role",
    "empty": "; by default empty",
}
