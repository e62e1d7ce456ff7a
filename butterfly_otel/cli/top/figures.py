"""What is shown of a node: figures from two scrapes of its endpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.growth import (
    Scrape,
    bucket_increase,
    increase,
    is_beyond,
    quantile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_REQUESTS = "butterfly_requests_total"
_SECONDS = "butterfly_request_duration_seconds"
#: What tells of a node by the label ``node_id``; with several nodes, each has a row.
_BY_NODE = (
    "butterfly_tokens_processed_total",
    "butterfly_tasks_queued",
    "butterfly_cpu_usage_ratio",
    "butterfly_memory_allocated_bytes",
    "butterfly_gpu_utilization_ratio",
    "butterfly_gpu_temperature_celsius",
    "butterfly_consensus_term",
)
_VIOLATIONS = (
    "butterfly_otel_label_violations_total",
    "butterfly_otel_invalid_measurements_total",
    "butterfly_otel_callback_errors_total",
)
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A node, or an endpoint that tells of several; what is not known is None.

    Attributes:
        node: The node's id; the endpoint's own name, or its address where it tells none.
        url: The endpoint.
        error: Why it could not be scraped; None where it could.
        requests_per_second: Requests that ended: of inference, where there are any.
        error_ratio: Share of them that failed.
        p50: Median of their duration, in seconds.
        p99: 99th percentile, likewise.
        p50_beyond: Whether the median is above ``p50``, then the highest bucket's bound.
        p99_beyond: The same of ``p99``.
        tokens_per_second: Tokens processed.
        in_flight: Requests that are being handled.
        queued: Tasks that wait.
        gpu_utilization: Average of all GPUs, 0 to 1.
        gpu_temperature: Of the hottest GPU, in degrees Celsius.
        gpu_memory: Used share of all GPUs' memory.
        cpu: Usage, 0 to 1.
        memory_bytes: In all pools.
        memory_ratio: Memory in use as a share of the limit, where the SDK tells it.
        active: Voters that are active.
        quorum: Voters that are needed.
        term: The consensus term.
        leader_changes: Since the process started.
        faults: Byzantine faults detected since the process started.
        new_faults: Those of the interval.
        violations: Measurements that broke the contract, since the process started.
        new_violations: Those of the interval.
    """

    node: str
    url: str
    error: str | None = None
    requests_per_second: float | None = None
    error_ratio: float | None = None
    p50: float | None = None
    p99: float | None = None
    p50_beyond: bool = False
    p99_beyond: bool = False
    tokens_per_second: float | None = None
    in_flight: float | None = None
    queued: float | None = None
    gpu_utilization: float | None = None
    gpu_temperature: float | None = None
    gpu_memory: float | None = None
    cpu: float | None = None
    memory_bytes: float | None = None
    memory_ratio: float | None = None
    active: float | None = None
    quorum: float | None = None
    term: float | None = None
    leader_changes: float | None = None
    faults: float | None = None
    new_faults: float | None = None
    violations: float | None = None
    new_violations: float | None = None


def rows_of(url: str, before: Scrape | None, now: Scrape) -> list[Row]:
    """Return an endpoint's rows: one for itself and, where it tells of several nodes, theirs."""
    nodes = {
        sample.label("node_id")
        for name in _BY_NODE
        for sample in now.select(name)
        if sample.label("node_id")
    }
    own = [sample.label("service_instance_id") for sample in now.select("target_info")]
    name = own[0] if len(own) == 1 and own[0] else address(url)
    if len(nodes) == 1 and not (own and own[0]):
        name = next(iter(nodes))
    rows = [_whole(name, url, before, now)]
    if len(nodes) > 1:
        rows += [_node(node, url, before, now) for node in nodes]
    return rows


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Sort by node, numbers in names as numbers: node-2 before node-10."""

    def key(row: Row) -> tuple[list[tuple[int, str]], str]:
        parts = _DIGITS.split(row.node)
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], row.url

    return sorted(rows, key=key)


def address(url: str) -> str:
    """Return host and port of a URL."""
    return url.partition("://")[2].partition("/")[0] or url


def _whole(name: str, url: str, before: Scrape | None, now: Scrape) -> Row:
    scope = _scope(now)
    succeeded = failed = None
    p50 = p99 = None
    beyond = (False, False)
    if before is not None:
        succeeded = increase(before, now, _REQUESTS, status="success", **scope)
        failed = increase(before, now, _REQUESTS, status="error", **scope)
        buckets = bucket_increase(before, now, _SECONDS, **scope)
        p50, p99 = quantile(0.5, buckets), quantile(0.99, buckets)
        beyond = is_beyond(0.5, buckets), is_beyond(0.99, buckets)
    done = None if succeeded is None and failed is None else (succeeded or 0.0) + (failed or 0.0)
    node = _node(name, url, before, now, everything=True)
    return replace(
        node,
        requests_per_second=_rate(done, before, now),
        error_ratio=(failed or 0.0) / done if done else None,
        p50=p50,
        p99=p99,
        p50_beyond=beyond[0],
        p99_beyond=beyond[1],
        in_flight=_sum(now.values("butterfly_requests_in_flight", **scope)),
        active=_sum(now.values("butterfly_cluster_size", state="active")),
        quorum=max(now.values("butterfly_quorum_size"), default=None),
        leader_changes=_sum(now.values("butterfly_consensus_leader_changes_total")),
        violations=_sum([value for each in _VIOLATIONS for value in now.values(each)]),
        new_violations=_growth(_VIOLATIONS, before, now),
    )


def _node(
    node: str, url: str, before: Scrape | None, now: Scrape, *, everything: bool = False
) -> Row:
    one: dict[str, str] = {} if everything else {"node_id": node}
    tokens = None
    if before is not None:
        tokens = increase(before, now, "butterfly_tokens_processed_total", **one)
    used = _sum(now.values("butterfly_gpu_memory_bytes", state="used", **one))
    free = _sum(now.values("butterfly_gpu_memory_bytes", state="free", **one))
    taken = _sum(now.values("butterfly_otel_memory_used_bytes", **one))
    limit = _sum(now.values("butterfly_otel_memory_limit_bytes", **one))
    faults = ("butterfly_byzantine_faults_detected_total",)
    return Row(
        node,
        url,
        tokens_per_second=_rate(tokens, before, now),
        queued=_sum(now.values("butterfly_tasks_queued", **one)),
        gpu_utilization=_mean(now.values("butterfly_gpu_utilization_ratio", **one)),
        gpu_temperature=max(now.values("butterfly_gpu_temperature_celsius", **one), default=None),
        gpu_memory=_share(used, None if used is None or free is None else used + free),
        cpu=_mean(now.values("butterfly_cpu_usage_ratio", **one)),
        memory_bytes=_sum(now.values("butterfly_memory_allocated_bytes", **one)),
        memory_ratio=_share(taken, limit),
        term=max(now.values("butterfly_consensus_term", **one), default=None),
        faults=_sum(now.values(faults[0], **one)),
        new_faults=_growth(faults, before, now, **one),
    )


def _scope(scrape: Scrape) -> dict[str, str]:
    """Return the labels of the requests that are shown.

    Every node that handles a request counts it, so where an endpoint tells of coordinators
    and others, the coordinators' count is that of the requests. Health checks and checkpoints
    say little about what users get.
    """
    preferred = {"node_role": "coordinator", "method": "inference"}
    return {
        label: value
        for label, value in preferred.items()
        if scrape.values(_REQUESTS, **{label: value})
    }


def _growth(
    names: Sequence[str], before: Scrape | None, now: Scrape, **labels: str
) -> float | None:
    if before is None:
        return None
    grown = [increase(before, now, name, **labels) for name in names]
    return _sum([each for each in grown if each is not None])


def _rate(amount: float | None, before: Scrape | None, now: Scrape) -> float | None:
    if amount is None or before is None or now.at <= before.at:
        return None
    return amount / (now.at - before.at)


def _sum(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
