"""The shape of a rule file: frozen data, nothing of PromQL and nothing of YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``critical`` wakes somebody up, ``warning`` is looked at in working hours.
Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """A series that Prometheus computes and keeps.

    Attributes:
        record: Its name.
        expr: Its PromQL.
        labels: Labels it gets beside those of the expression.
    """

    record: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert.

    Attributes:
        name: Its name; its runbook is the page of that name.
        expr: PromQL that gives a series for each thing that is wrong.
        after: Seconds for which it has to be wrong before the alert fires (``for``).
        severity: Who has to act, and when.
        summary: One line, for a list of alerts.
        description: What is wrong, by how much and where, as a template.
        labels: Labels it gets beside those of the expression and ``severity``.
    """

    name: str
    expr: str
    after: float
    severity: Severity
    summary: str
    description: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated together and in order.

    Attributes:
        name: Its name, unique within a file.
        rules: What it evaluates.
        interval: Seconds between two evaluations; None for the server's own setting.
    """

    name: str
    rules: tuple[RecordingRule | Alert, ...]
    interval: float | None = None
