"""First dashboards of a contract of one's own: one a category, a panel or two a metric.

A counter is shown by its rate, a histogram by its quantiles and its mean, all else as it is now.
The labels that most metrics have are choices. Pure, as all dashboards are.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from butterfly_otel.operate.dashboards.model import Around, Dashboard, Panel, Row, Target, Variable
from butterfly_otel.operate.dashboards.scope import TARGETS, WINDOW

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Catalog, Label, Metric

#: How many labels are choices, and by how many a panel tells series apart.
_CHOICES: Final = 4
_APART: Final = 2
#: Labels of more values would fill a panel.
_FEW: Final = 21
_UNITS: Final = {"s": "s", "ms": "ms", "By": "bytes", "1": "percentunit", "Cel": "celsius"}
_RATES: Final = {"By": "Bps", "{request}": "reqps", "s": "percentunit"}
_NAMED: Final = {
    "cluster": ("Cluster", "Where the label `cluster` exists."),
    "job": ("Job", "Of Prometheus, or the service's name where it pushes."),
    "instance": ("Instance", "The process that reports."),
}
#: The part of a histogram that every one has once.
_COUNT: Final = "count"
_NAME = re.compile(r"[^a-z0-9_-]+")


def slug_of(text: str, length: int) -> str:
    """Return a text as names of files and addresses have it."""
    return _NAME.sub("-", text.lower()).strip("-_")[:length] or "metrics"


def own_dashboards(contract: Catalog) -> tuple[Dashboard, ...]:
    """Return the dashboards of a contract, in the order of its categories."""
    categories = dict.fromkeys(metric.category for metric in contract)
    return tuple(_dashboard(contract, category) for category in categories)


def _dashboard(contract: Catalog, category: str) -> Dashboard:
    metrics = [metric for metric in contract if metric.category == category]
    choices = _choices(metrics)
    parts = (
        ("How many", [each for each in metrics if each.type == "counter"]),
        ("Distributions", [each for each in metrics if each.type == "histogram"]),
        ("Now", [each for each in metrics if each.type == "gauge"]),
    )
    rows = tuple(
        Row(title, tuple(panel for metric in found for panel in _panels(metric, choices)))
        for title, found in parts
        if found
    )
    title = f"{category[:1].upper()}{category[1:]}"
    return Dashboard(
        slug=slug_of(category, 30),
        title=title,
        description=f"The metrics of {contract.name} in the category {category}: rates, quantiles"
        " and what is now.",
        rows=rows,
        around=Around(
            source=f"A Prometheus that has the metrics of {contract.name}.",
            variables=_variables(metrics, choices),
            tags=(contract.name,),
        ),
    )


def _choices(metrics: list[Metric]) -> tuple[str, ...]:
    """Return the labels, by their names in Prometheus, that most metrics have."""
    count = Counter(
        label.prometheus_key
        for metric in metrics
        for label in metric.labels
        if label.kind not in {"pair", "unbounded"} and label.prometheus_key not in TARGETS
    )
    return tuple(key for key, _ in count.most_common(_CHOICES))


def _variables(metrics: list[Metric], choices: tuple[str, ...]) -> tuple[Variable, ...]:
    names = "|".join(map(_series_name, metrics))
    found: list[Variable] = []
    chosen: list[str] = [f'__name__=~"{names}"']
    for key in TARGETS:
        title, text = _NAMED[key]
        found.append(_variable(key, title, text, chosen))
        chosen.append(_matcher(key))
    helps = {label.prometheus_key: label for metric in metrics for label in metric.labels}
    for key in choices:
        label = helps[key]
        having = "|".join(_series_name(each) for each in metrics if key in _keys(each))
        within = [f'__name__=~"{having}"', *chosen[1:]]
        found.append(_variable(key, label.key, label.help or label.key, within))
    return tuple(found)


def _variable(key: str, label: str, text: str, within: list[str]) -> Variable:
    query = f"label_values({{{', '.join(within)}}}, {key})"
    return Variable(name=key, label=label, query=query, description=text)


def _series_name(metric: Metric) -> str:
    name = metric.prometheus_name
    return f"{name}_{_COUNT}" if metric.type == "histogram" else name


def _keys(metric: Metric) -> tuple[str, ...]:
    return tuple(label.prometheus_key for label in metric.labels)


def _matcher(key: str) -> str:
    return f"{key}=~{json.dumps(f'${key}')}"


@dataclass(frozen=True, slots=True)
class _Queries:
    """Writes the queries of one metric."""

    metric: Metric
    choices: tuple[str, ...]

    def selector(self, part: str = "") -> str:
        keys = _keys(self.metric)
        chosen = [*TARGETS, *(key for key in self.choices if key in keys)]
        matchers = ", ".join(map(_matcher, chosen))
        name = self.metric.prometheus_name
        series = f"{name}_{part}" if part else name
        return f"{series}{{{matchers}}}"

    def summed(self, by: tuple[str, ...], part: str = "") -> str:
        return f"{_fold('sum', by)}(rate({self.selector(part)}[{WINDOW}]))"

    def quantile(self, q: float, by: tuple[str, ...]) -> str:
        return f"histogram_quantile({q:g}, {self.summed((*by, 'le'), 'bucket')})"

    def mean(self, by: tuple[str, ...]) -> str:
        return f"{self.summed(by, 'sum')} / {self.summed(by, 'count')}"


def _fold(how: str, by: tuple[str, ...]) -> str:
    return f"{how} by ({', '.join(by)}) " if by else how


def _panels(metric: Metric, choices: tuple[str, ...]) -> tuple[Panel, ...]:
    queries = _Queries(metric, choices)
    by = tuple(label.prometheus_key for label in metric.labels if _is_small(label))[:_APART]
    legend = " ".join(f"{{{{{key}}}}}" for key in by)
    about = metric.help or metric.name
    if metric.type == "histogram":
        return _distribution(metric, queries, by, legend)
    if metric.type == "counter":
        return (
            Panel(
                title=metric.name,
                description=f"{about} How many a second.",
                unit=_RATES.get(metric.unit, "cps"),
                targets=(Target(expr=queries.summed(by), legend=legend or "all"),),
            ),
        )
    how = "sum" if metric.across == "sum" else "max"
    return (
        Panel(
            title=metric.name,
            description=f"{about} {'All together.' if how == 'sum' else 'The largest.'}",
            unit=_UNITS.get(metric.unit, "short"),
            targets=(Target(expr=f"{_fold(how, by)}({queries.selector()})", legend=legend or how),),
            least=None,
        ),
    )


def _distribution(
    metric: Metric, queries: _Queries, by: tuple[str, ...], legend: str
) -> tuple[Panel, ...]:
    about = metric.help or metric.name
    unit = _UNITS.get(metric.unit, "short")
    quantiles = tuple(
        Target(
            expr=queries.quantile(q, by), legend=f"P{q * 100:g} {legend}".strip(), exemplars=True
        )
        for q in (0.99, 0.5)
    )
    means = (Target(expr=queries.mean(by), legend=f"mean {legend}".strip()),)
    rates = (Target(expr=queries.summed(by, "count"), legend=legend or "all"),)
    return (
        Panel(
            title=metric.name,
            description=f"{about} P99 and P50, as far as the buckets tell.",
            unit=unit,
            targets=quantiles,
        ),
        Panel(
            title=f"{metric.name}: mean",
            description=f"{about} The mean.",
            unit=unit,
            targets=means,
            width=6,
        ),
        Panel(
            title=f"{metric.name}: how often",
            description=f"{about} How many were measured a second.",
            unit="cps",
            targets=rates,
            width=6,
        ),
    )


def _is_small(label: Label) -> bool:
    return label.seats <= _FEW
