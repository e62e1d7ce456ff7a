"""The contract as the page needs it: what never changes while a process runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from butterfly_otel import catalog
from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.operate.rules import Alert, RecordingRule, alert_groups, recording_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.views.streams import Stream

    #: What the values of several series of a gauge make together.
    Combined = Literal["sum", "mean", "max"]

#: The categories as the page shows them.
_CATEGORIES: Final = {
    "requests": ("Requests", "What users ask for, how fast, and what fails"),
    "consensus": ("Consensus", "Terms, elections, logs and the quorum"),
    "computation": ("Computation", "Layers, tokens, batches and the pipeline"),
    "communication": ("Communication", "Connections, bytes and messages between nodes"),
    "resources": ("Resources", "Memory, CPU, GPUs and disks"),
    "checkpoint": ("Checkpoints", "Snapshots and recovery"),
    "coordination": ("Coordination", "Tasks, barriers and waiting"),
    "byzantine": ("Byzantine faults", "Checks, liars and reputation"),
    "telemetry": ("SDK", "What the SDK says of itself"),
}
#: Where the catalogue's ``across`` does not tell: that is of one series in several processes, and
#: this of several series, of GPUs or links, say. By unit; the rest is added up.
_BY_UNIT: Final[Mapping[str, Combined]] = {
    "1": "mean",
    "s": "mean",
    "Cel": "max",
    "{term}": "max",
    "{entry}": "max",
    "{score}": "mean",
    "{stage}": "max",
    "{batch}": "mean",
    "{collector}": "mean",
    "{device}": "mean",
}
_BY_NAME: Final[Mapping[str, Combined]] = {"butterfly_quorum_size": "max"}
_METRIC: Final = re.compile(r"\b(butterfly[a-z0-9_:]*)")
#: What Prometheus fills in when an alert fires.
_FILLED_IN: Final = re.compile(r"\{\{.*?\}\}")
_DEFAULT: Final = Naming()
_SUFFIX: Final = re.compile(r"_(bucket|count|sum)$")


def contract_of(streams: Iterable[Stream], naming: Naming = _DEFAULT) -> dict[str, Any]:
    """Return the categories, and what this process exports of each metric, as JSON has it.

    Names are Prometheus', by which the page finds what it reads.

    Args:
        streams: What is exported of each metric.
        naming: How the endpoint translates names that are not exact.
    """
    alerts = _alerts()
    exported = [stream for stream in streams if not stream.dropped]
    own = dict.fromkeys(stream.metric.category for stream in exported)
    # The page has a place for "other" itself.
    titles = {key: (key, "") for key in own if key != "other"} | _CATEGORIES
    order = (*_CATEGORIES, *(key for key in titles if key not in _CATEGORIES))
    return {
        "categories": [
            {"key": key, "title": titles[key][0], "tells": titles[key][1]} for key in order
        ],
        "metrics": [
            _metric(stream, naming, alerts.get(stream.metric.name, ())) for stream in exported
        ],
    }


def alert_names() -> tuple[str, ...]:
    """Return the names of all alerts, each of which has a runbook."""
    return tuple(
        rule.name for group in alert_groups() for rule in group.rules if isinstance(rule, Alert)
    )


def shown_name(metric: Metric, naming: Naming = _DEFAULT) -> str:
    """Return what a metric is called on the endpoint, as text 0.0.4 has it."""
    if metric.exact:
        return naming.exact(metric.name)
    return naming.metric(metric.name, metric.unit, metric.kind)


def _metric(stream: Stream, naming: Naming, alerts: Iterable[Alert]) -> dict[str, Any]:
    metric = stream.metric
    return {
        "name": shown_name(metric, naming),
        "type": metric.type,
        "instrument": metric.instrument.replace("_", " "),
        "unit": metric.unit,
        "help": metric.help,
        "category": metric.category,
        "combine": combined(metric),
        "labels": [_label(label, naming) for label in stream.labels],
        "limit": stream.limit,
        "query": metric.query,
        "alerts": [
            {"name": each.name, "summary": _FILLED_IN.sub("…", each.summary)} for each in alerts
        ],
    }


def combined(metric: Metric) -> Combined:
    """Return what the values of several series of a gauge make together."""
    if metric.across == "sum":
        return "sum"
    return _BY_NAME.get(metric.name) or _BY_UNIT.get(metric.unit, "sum")


def _label(label: Label, naming: Naming) -> dict[str, Any]:
    return {
        "key": naming.label(label.key),
        "kind": label.kind,
        "help": label.help,
        "values": list(label.values) if label.kind == "closed" else [],
        "budget": label.budget,
    }


def _alerts() -> dict[str, list[Alert]]:
    """Return the alerts that look at each metric, also by what is recorded of it."""
    recorded: dict[str, set[str]] = {}
    for group in recording_groups():
        for rule in group.rules:
            if isinstance(rule, RecordingRule):
                recorded.setdefault(rule.record, set()).update(_METRIC.findall(rule.expr))
    found: dict[str, list[Alert]] = {}
    for alert_group in alert_groups():
        for rule in alert_group.rules:
            if isinstance(rule, Alert):
                for name in sorted(_metrics(rule.expr, recorded)):
                    found.setdefault(name, []).append(rule)
    return found


def _metrics(expr: str, recorded: Mapping[str, set[str]]) -> set[str]:
    names, seen = set[str](), set[str]()
    waiting = set(_METRIC.findall(expr))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= recorded.get(name, set[str]()) - seen
        for each in (name, _SUFFIX.sub("", name)):
            if each in catalog.BY_NAME:
                names.add(each)
    return names
