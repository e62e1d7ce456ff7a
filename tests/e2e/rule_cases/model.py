"""A unit test of a rule: series over time, and what the rule makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The order of the groups in docs: promtool 2.42 evaluates them in any order otherwise.
ORDER = (
    "butterfly_aggregations",
    "butterfly_slo",
    "butterfly_alerts",
    "butterfly_slo_alerts",
    "butterfly_gpu_alerts",
    "butterfly_operations",
)

Series = Mapping[str, str]


def s(name: str, **labels: object) -> str:
    """Return a series in Prometheus' notation."""
    inner = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inner}}}" if inner else name


@dataclass(frozen=True)
class Fire:
    """An alert that fires."""

    labels: Mapping[str, str]
    summary: str
    description: str


@dataclass(frozen=True)
class AlertCase:
    """A story of one alert.

    Attributes:
        alert: Its name.
        title: What the story is.
        series: Values of each series, in promtool's notation, one every `interval`.
        checks: What fires at which time; nothing is as good an answer as anything.
        severity: Of the alert.
        extra: Labels of the rule beside the severity.
    """

    alert: str
    title: str
    series: Series
    checks: Mapping[str, tuple[Fire, ...]]
    severity: str = "warning"
    interval: str = "15s"

    @property
    def rule(self) -> str:
        """The name of the rule."""
        return self.alert

    def test(self) -> dict[str, Any]:
        """The story as promtool reads it."""
        runbook = f"butterfly-otel runbook {self.alert}"
        return {
            "name": f"{self.alert}: {self.title}",
            "interval": self.interval,
            "input_series": _input(self.series),
            "alert_rule_test": [
                {
                    "eval_time": time,
                    "alertname": self.alert,
                    "exp_alerts": [
                        {
                            "exp_labels": {"severity": self.severity, **fire.labels},
                            "exp_annotations": {
                                "summary": fire.summary,
                                "description": fire.description,
                                "runbook": runbook,
                            },
                        }
                        for fire in fires
                    ],
                }
                for time, fires in self.checks.items()
            ],
        }


@dataclass(frozen=True)
class RecordCase:
    """A story of one recording rule.

    Attributes:
        record: Its name.
        title: What the story is.
        series: Values of each series, in promtool's notation, one every `interval`.
        checks: The values at a time, by labels in Prometheus' notation.
        select: A matcher where only some series of that name are looked at.
    """

    record: str
    title: str
    series: Series
    checks: Mapping[str, Mapping[str, float]]
    interval: str = "15s"
    select: str = ""

    @property
    def rule(self) -> str:
        """The name of the rule."""
        return self.record

    def test(self) -> dict[str, Any]:
        """The story as promtool reads it.

        It compares floats exactly, so they are rounded, which takes the name from them.
        """
        return {
            "name": f"{self.record}: {self.title}",
            "interval": self.interval,
            "input_series": _input(self.series),
            "promql_expr_test": [
                {
                    "expr": f"round({self.record}{self.select}, 0.000001)",
                    "eval_time": time,
                    "exp_samples": [
                        {"labels": labels.removeprefix(self.record) or "{}", "value": value}
                        for labels, value in samples.items()
                    ],
                }
                for time, samples in self.checks.items()
            ],
        }


def _input(series: Series) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]
