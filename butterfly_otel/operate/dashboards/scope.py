"""PromQL under Grafana's variables: each selector gets those whose label its metric has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from butterfly_otel import catalog
from butterfly_otel.operate.dashboards.model import Target
from butterfly_otel.operate.rules import Alert, alert_groups
from butterfly_otel.operate.rules.promql import Promql

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.model import Choice
    from butterfly_otel.operate.dashboards.options import Options
    from butterfly_otel.operate.rules import Thresholds

#: What Grafana makes four scrapes long at least.
WINDOW = "$__rate_interval"
#: Variables of every dashboard, by the label they narrow.
TARGETS = ("cluster", "job", "instance")
#: The labels that each choice narrows: of a connection, the end that reports it.
NARROWS: dict[Choice, tuple[str, ...]] = {
    "role": ("node_role",),
    "node": ("node_id", "from_node"),
    "model": ("model",),
}
_PARTS = ("_bucket", "_sum", "_count", "_total")
#: Metrics of which the node that is meant is the one at the far end.
_TO_NODE = (
    "butterfly_network_bytes_received",
    "butterfly_network_messages_received",
    "butterfly_tasks_assigned",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Writes the queries of one dashboard.

    Attributes:
        options: For whom.
        choices: The variables it has beside those that every dashboard has.
    """

    options: Options
    choices: tuple[Choice, ...] = ()

    @property
    def limits(self) -> Thresholds:
        """Where alerts begin."""
        return self.options.rules.thresholds

    def series(self, name: str, *matchers: str) -> str:
        """Return a selector of a metric under all variables that it has the label of."""
        return self._promql().series(name, *matchers, *_targets(), *self._chosen(name))

    def of_jobs(self, name: str, *matchers: str) -> str:
        """Return a selector of a series that every target has, of Butterfly's alone."""
        return self._promql().of_jobs(name)[:-1] + ", " + ", ".join((*matchers, *_targets())) + "}"

    def present(self, matcher: str, chosen: tuple[str, ...]) -> str:
        """Return a selector of what a matcher names, under some of the targets' variables."""
        return self._promql().series("", matcher, *(_variable(name, name) for name in chosen))

    def alerts(self) -> str:
        """Return a matcher of the names of all alerts."""
        groups = alert_groups(self.options.rules)
        names = "|".join(
            rule.name for group in groups for rule in group.rules if isinstance(rule, Alert)
        )
        return f'alertname=~"{names}"'

    def recorded(self, name: str, *matchers: str) -> str:
        """Return a selector of a recorded series: it is over all jobs and instances."""
        return self._promql().recorded(name, *matchers, _variable("cluster", "cluster"))

    def rate(self, name: str, *matchers: str) -> str:
        """Return the rate of a counter."""
        return f"rate({self.series(name, *matchers)}[{WINDOW}])"

    def byte_rate(self, name: str, *matchers: str) -> str:
        """Return the rate of a counter that OTLP may have given a ``_total``."""
        return f"({self.rate(name, *matchers)} or {self.rate(f'{name}_total', *matchers)})"

    def summed(self, by: str, name: str, *matchers: str) -> str:
        """Return the rate of a counter, added up."""
        return f"{fold('sum', by)}({self.rate(name, *matchers)})"

    def share(self, by: str, name: str, part: str, *matchers: str) -> str:
        """Return which share of a counter's rate its series under the matcher ``part`` have."""
        return f"{self.summed(by, name, part, *matchers)} / {self.summed(by, name, *matchers)}"

    def mean(self, by: str, name: str) -> str:
        """Return the mean of what a histogram has observed."""
        return f"{self.summed(by, f'{name}_sum')} / {self.summed(by, f'{name}_count')}"

    def quantile(self, q: float, by: str, name: str, window: str = WINDOW) -> str:
        """Return a quantile of a histogram."""
        buckets = f"rate({self.series(f'{name}_bucket')}[{window}])"
        labels = f"{by}, le" if by else "le"
        return f"histogram_quantile({q:g}, sum by ({labels}) ({buckets}))"

    def quantiles(self, by: str, name: str, window: str = WINDOW) -> tuple[Target, ...]:
        """Return the targets of P99 and P50, with exemplars."""
        legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(",") if label)
        return tuple(
            Target(
                expr=self.quantile(q, by, name, window),
                legend=f"P{q * 100:g} {legend}".strip(),
                exemplars=True,
            )
            for q in (0.99, 0.5)
        )

    def buckets(self, name: str) -> tuple[Target, ...]:
        """Return the target of a heatmap, with exemplars."""
        expr = self.summed("le", f"{name}_bucket")
        return (Target(expr=expr, legend="{{le}}", exemplars=True),)

    def hourly(self, name: str, *matchers: str) -> str:
        """Return by how much a counter grew within an hour."""
        return f"increase({self.series(name, *matchers)}[1h])"

    def new(self, by: str, name: str) -> str:
        """Count within an hour, with what a series born within it began with.

        No ``increase()`` sees that, and of what is rare it is all there is. It is new if it was
        not there in all of the hour before: it may have missed a scrape just an hour ago.
        """
        series = self.series(name)
        before = f"last_over_time({series}[1h] offset 1h)"
        return (
            f"{fold('sum', by)}(({self.hourly(name)} and {before}) or ({series} unless {before}))"
        )

    def _promql(self) -> Promql:
        return Promql(self.options.rules)

    def _chosen(self, name: str) -> tuple[str, ...]:
        keys = _labels(name)
        return tuple(
            _variable(label, choice)
            for choice in self.choices
            for label in _narrowed(name, choice)
            if label in keys
        )


def fold(how: Literal["sum", "avg", "min", "max", "count"], by: str) -> str:
    """Return the head of an aggregation."""
    return f"{how} by ({by}) " if by else how


def top(expr: str, count: int = 10) -> str:
    """Return the largest series of an expression; for panels that show what is now."""
    return f"topk({count}, {expr})"


def spread(expr: str) -> tuple[Target, ...]:
    """Return the targets of an expression's largest value, its mean and its smallest."""
    return (
        Target(expr=f"max({expr})", legend="largest"),
        Target(expr=f"avg({expr})", legend="mean"),
        Target(expr=f"min({expr})", legend="smallest"),
    )


def _narrowed(name: str, choice: Choice) -> tuple[str, ...]:
    given = choice == "node" and name.removesuffix("_total") in _TO_NODE
    return ("to_node",) if given else NARROWS[choice]


def _labels(name: str) -> tuple[str, ...]:
    for part in ("", *_PARTS):
        metric = catalog.BY_NAME.get(name.removesuffix(part))
        if metric is not None:
            return metric.label_keys
    return ()


def _targets() -> tuple[str, ...]:
    return tuple(_variable(name, name) for name in TARGETS)


def _variable(label: str, name: str) -> str:
    return f"{label}=~{json.dumps(f'${name}')}"
