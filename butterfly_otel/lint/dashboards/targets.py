"""Lint rules over the queries of a dashboard's panels and annotations."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from butterfly_otel.lint.dashboards.promql import selectors
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.dashboards.parts import Board
    from butterfly_otel.lint.dashboards.promql import Selector

_RATES = frozenset({"rate", "irate", "increase"})
#: What Grafana chooses so that there are enough samples in it.
_WINDOW = "$__rate_interval"
_PARTS = ("_bucket", "_sum", "_count")
#: Counters that are rare and begin with their first event: no increase() sees that one.
_BORN = "What a series is born with counts; `increase` sees only what comes after."
#: Counters that may be read as they are, and why.
BARE: Mapping[str, str] = MappingProxyType(
    {
        "butterfly_checkpoint_size_bytes": (
            "Each checkpoint is a series of its own and is observed once, so no rate is above 0."
        ),
        "butterfly_recovery_attempts_total": _BORN,
        "butterfly_state_divergence_detected_total": _BORN,
        "butterfly_byzantine_faults_detected_total": _BORN,
        "butterfly_merkle_root_mismatches_total": _BORN,
        "butterfly_otel_label_violations_total": _BORN,
        "butterfly_otel_invalid_measurements_total": _BORN,
        "butterfly_otel_callback_errors_total": _BORN,
        "butterfly_otel_rejected_points_total": _BORN,
        "butterfly_otel_gpu_xid_errors_total": _BORN,
    }
)


def target_promql(board: Board) -> Iterator[Finding]:
    """There is an expression, and what it opens it closes."""
    for subject, expr in board.expressions():
        found, problem = _parsed(expr)
        if problem or not found:
            yield _found("target-promql", subject, problem or "nothing is selected", expr)


def target_rate_interval(board: Board) -> Iterator[Finding]:
    """A rate looks at as much as Grafana finds necessary."""
    for subject, expr, each in _selectors(board):
        rates = {"rate", "irate"} & set(each.calls[:1])
        if rates and each.range != _WINDOW and not _rare(each):
            message = f"{each.name} is to be rated over {_WINDOW}, not over {each.range}"
            yield _found("target-rate-interval", subject, message, expr)


def _rare(each: Selector) -> bool:
    """Tell whether a histogram of what is rare is looked at over an hour, for its quantiles."""
    return each.range == "1h" and each.name.endswith("_bucket")


def target_job(board: Board) -> Iterator[Finding]:
    """Whatever a target reports is narrowed by job and instance."""
    for subject, expr, each in _selectors(board):
        if ":" in each.name or each.name == "ALERTS":
            continue  # recorded over all of them
        for label in ("job", "instance"):
            if (label, "=~", f"${label}") not in each.matchers:
                message = f'{each.name or "a selector"} lacks {label}=~"${label}"'
                yield _found(f"target-{label}", subject, message, expr)


def target_counter(board: Board) -> Iterator[Finding]:
    """A counter's value depends on when its process started: only its growth says something."""
    for subject, expr, each in _selectors(board):
        metric, counts = _metric(board, each.name)
        if metric is None or not counts or metric.name in BARE:
            continue
        if not each.calls or each.calls[0] not in _RATES:
            message = f"{each.name} is a counter and stands outside of rate() and increase()"
            yield _found("target-counter-agg", subject, message, expr)


def target_gauge(board: Board) -> Iterator[Finding]:
    """A rate takes every fall of a gauge for a restart; deriv() is what is meant."""
    for subject, expr, each in _selectors(board):
        metric, counts = _metric(board, each.name)
        gauge = metric is not None and not counts
        if (gauge or ":" in each.name) and each.calls and each.calls[0] in _RATES:
            message = f"{each.name} is a gauge: {each.calls[0]}() makes no sense of it"
            yield _found("target-gauge-rate", subject, message, expr)


def target_metric(board: Board) -> Iterator[Finding]:
    """What is called Butterfly's is in the catalogue, with labels that it has."""
    for subject, expr, each in _selectors(board):
        metric, _ = _metric(board, each.name)
        if metric is None and not each.name.startswith(_prefix(board)):
            continue
        if metric is None:
            yield _found("target-metric", subject, f"there is no metric {each.name}", expr)
            continue
        keys = (label.prometheus_key for label in metric.labels)
        known = {*keys, "cluster", "job", "instance", "le", "otel_metric_overflow"}
        for label, _, value in each.matchers:
            if label not in known and value.startswith("$"):
                yield _found("target-metric", subject, f"{each.name} has no label {label}", expr)


def _selectors(board: Board) -> Iterator[tuple[str, str, Selector]]:
    for subject, expr in board.expressions():
        found, _ = _parsed(expr)  # of a problem, `target_promql` tells
        for each in found:
            yield subject, expr, each


def _parsed(expr: str) -> tuple[list[Selector], str]:
    try:
        return list(selectors(expr)), ""
    except ValueError as error:
        return [], str(error)


def _prefix(board: Board) -> str:
    """Return how the names of a contract's metrics begin, and of no other's."""
    return board.contract.prefix or "butterfly_"


def _metric(board: Board, name: str) -> tuple[Metric | None, bool]:
    """Return the metric that a series belongs to, and whether the series only ever grows."""
    known = board.metrics
    metric = known.get(name) or known.get(name.removesuffix("_total"))
    if metric is not None and metric.type != "histogram":
        own = metric.prometheus_name
        renamed = name != own and not own.startswith("butterfly_network_bytes")
        return (None, False) if renamed else (metric, metric.type == "counter")
    for part in _PARTS:
        metric = known.get(name.removesuffix(part))
        if name.endswith(part) and metric is not None and metric.type == "histogram":
            return metric, True
    return None, False


def _found(rule: str, subject: str, message: str, expr: str) -> Finding:
    return Finding(rule, "error", subject, f"{message}: {expr}")


RULES = (
    target_promql,
    target_rate_interval,
    target_job,
    target_counter,
    target_gauge,
    target_metric,
)
