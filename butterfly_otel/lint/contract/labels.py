"""Lint rules over the labels of a catalogue entry: keys, vocabularies, budgets, defaults.

Source: ``docs/contract.md``, section "Labels", and the specification's guidelines on
cardinality.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Metric

_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: What Prometheus itself, or the translation from OTel, writes into labels.
_RESERVED = re.compile(r"le|quantile|job|instance|__.*|otel_.*|exported_.*")
#: What the specification's guidelines forbid: values without any bound.
_FORBIDDEN = frozenset({"request_id", "user_id", "trace_id", "timestamp"})
#: About as many nodes as the specification foresees.
NODE_BUDGET = 1000


def label_key(metric: Metric) -> Iterator[str]:
    """Demand snake_case keys that nothing else claims."""
    for key in metric.label_keys:
        if _RESERVED.fullmatch(key):
            yield f"Label {key!r} is reserved for Prometheus or OpenTelemetry."
        elif not _KEY.fullmatch(key):
            yield f"Label {key!r} is not snake_case."


def label_unique(metric: Metric) -> Iterator[str]:
    """Demand that no key occurs twice."""
    for key in sorted(set(metric.label_keys)):
        if metric.label_keys.count(key) > 1:
            yield f"Label {key!r} occurs twice."


def label_forbidden(metric: Metric) -> Iterator[str]:
    """Refuse the labels that the specification's guidelines forbid."""
    for key in metric.label_keys:
        if key in _FORBIDDEN:
            yield f"Label {key!r} has no bound; it may ride on an exemplar."


def label_vocabulary(metric: Metric) -> Iterator[str]:
    """Demand a proper vocabulary of closed labels, and none of those that cannot have one."""
    for label in metric.labels:
        if label.kind == "closed" and not label.values:
            message = f"Closed label {label.key!r} has no vocabulary."
        elif label.kind not in {"closed", "open"} and label.values:
            message = f"Label {label.key!r} is {label.kind}, so it can have no vocabulary."
        elif len(set(label.values)) != len(label.values):
            message = f"The vocabulary of label {label.key!r} says something twice."
        elif OTHER in label.values or "" in label.values:
            message = f"The vocabulary of label {label.key!r} may have neither {OTHER!r} nor ''."
        else:
            continue
        yield message


def label_budget(metric: Metric) -> Iterator[str]:
    """Demand a budget of every label but closed ones, whose vocabulary is their budget."""
    for label in metric.labels:
        if label.kind == "closed":
            if label.budget:
                yield f"Closed label {label.key!r} has a budget besides its vocabulary."
        elif label.budget < max(1, len(label.values)):
            yield f"Label {label.key!r} is {label.kind}, and {label.budget} is no budget for it."


def node_budget(metric: Metric) -> Iterator[str]:
    """Demand one and the same budget of all labels that name nodes."""
    for label in metric.labels:
        if label.kind in {"identity", "pair"} and label.budget != NODE_BUDGET:
            yield (
                f"Label {label.key!r} names nodes, so its budget is {NODE_BUDGET},"
                f" not {label.budget}."
            )


def label_keep(metric: Metric) -> Iterator[str]:
    """Demand that only unbounded labels let go of old values: a node's series must last."""
    for label in metric.labels:
        if label.keep == "latest" and label.kind != "unbounded":
            yield f"Label {label.key!r} is {label.kind}, so the first values keep their series."


def label_default(metric: Metric) -> Iterator[str]:
    """Demand defaults that can be values of their label, and name this node but once."""
    for label in metric.labels:
        kind = {"node_id": "identity", "node_role": "closed", "empty": "bounded"}.get(
            label.default or "", label.kind
        )
        if label.kind != kind or (label.default == "node_role" and label.key != "node_role"):
            default = label.default
            yield f"Label {label.key!r} is {label.kind}, so {default!r} cannot be its default."
    if sum(label.default == "node_id" for label in metric.labels) > 1:
        yield "Two labels have this very node as default."
