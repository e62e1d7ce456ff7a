"""Stories of one cluster told of two at once, whose series meet under the label `cluster`."""

from __future__ import annotations

import re
from typing import Any

from .model import AlertCase, RecordCase
from .operations import CASES as OPERATIONS

CLUSTERS = ("east", "west")
_SERIES = re.compile(r"(\w*)(?:\{(.*)\})?", re.DOTALL)
#: Rules that say something of each cluster that has a target.
_OF_TARGETS = ("objective", "budget", "burn_rate")


def labelled(series: str, cluster: str) -> str:
    """A series, or its labels alone, with one label more."""
    found = _SERIES.fullmatch(series)
    assert found is not None, series
    labels = f'{found[2]}, cluster="{cluster}"' if found[2] else f'cluster="{cluster}"'
    return f"{found[1]}{{{labels}}}"


def of_two(case: AlertCase | RecordCase) -> dict[str, Any]:
    """The story as promtool reads it, where both clusters live through it under equal names."""
    told = case.test()
    told["input_series"] = [
        {**each, "series": labelled(each["series"], cluster)}
        for each in told["input_series"]
        for cluster in CLUSTERS
    ]
    if any(part in case.rule for part in _OF_TARGETS):
        target = 'target_info{job="butterfly", instance="i"}'
        told["input_series"] += [
            {"series": labelled(target, cluster), "values": "1x20000"} for cluster in CLUSTERS
        ]
    for check in told.get("alert_rule_test", ()):
        check["exp_alerts"] = [
            {**alert, "exp_labels": {**alert["exp_labels"], "cluster": cluster}}
            for alert in check["exp_alerts"]
            for cluster in CLUSTERS
        ]
    for check in told.get("promql_expr_test", ()):
        check["exp_samples"] = [
            {**sample, "labels": labelled(sample["labels"], cluster)}
            for sample in check["exp_samples"]
            for cluster in CLUSTERS
        ]
    return told


def _gone() -> AlertCase:
    told = next(case for case in OPERATIONS if case.rule == "ButterflyJobAbsent")
    [fire] = {fire.summary: fire for fires in told.checks.values() for fire in fires}.values()
    labels = {"cluster": "east"}
    return AlertCase(
        "ButterflyJobAbsent",
        "one of two clusters is gone, and one comes back",
        {
            'up{cluster="east", job="butterfly-x", instance="a"}': "1x20 0x40 1x40",
            'up{cluster="west", job="butterfly-x", instance="a"}': "1x100",
        },
        {
            "5m": (),
            "11m": (type(fire)(labels, fire.summary, fire.description),),
            "16m": (),
        },
        severity="critical",
    )


GONE = _gone()
