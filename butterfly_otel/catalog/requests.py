"""Category 1 of the specification: requests, by the RED method."""

from __future__ import annotations

from butterfly_otel.catalog.labels import NODE_ROLE_ANY, NODE_ROLE_WORKING, closed
from butterfly_otel.catalog.model import Label, Metric

METHOD_ANY = closed(
    "method", "inference", "checkpoint", "health_check", help="What the request asks for."
)
METHOD_WORKING = closed("method", "inference", "checkpoint", help="What the request asks for.")

REQUESTS_TOTAL = Metric(
    name="butterfly_requests_total",
    type="counter",
    instrument="counter",
    why="Counted once, when a request ends; it never falls.",
    across="sum",
    across_why="Each process ends its own requests; the node has ended them all.",
    unit="{request}",
    help="Requests handled by this node, by method and outcome.",
    category="requests",
    labels=(
        NODE_ROLE_ANY,
        METHOD_ANY,
        closed("status", "success", "error", help="How the request ended."),
    ),
    query="sum by (method, status) (rate(butterfly_requests_total[5m]))",
)

REQUESTS_IN_FLIGHT = Metric(
    name="butterfly_requests_in_flight",
    type="gauge",
    instrument="up_down_counter",
    why="Entered and left by concurrent calls, each of which knows only its own step.",
    across="sum",
    across_why="Each process has its own under way; those of the living add up.",
    unit="{request}",
    help="Requests this node has begun and not yet ended.",
    category="requests",
    labels=(NODE_ROLE_WORKING, METHOD_WORKING),
    query="max by (node_role) (quantile_over_time(0.99, butterfly_requests_in_flight[5m]))",
)

REQUEST_ERRORS_TOTAL = Metric(
    name="butterfly_request_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each failed request; it never falls.",
    across="sum",
    across_why="Each process counts the failures of its own requests.",
    unit="{error}",
    help="Requests that failed on this node, by kind of failure.",
    category="requests",
    labels=(
        NODE_ROLE_WORKING,
        METHOD_WORKING,
        Label(
            key="error_type",
            kind="open",
            help="Kind of failure.",
            values=("timeout", "oom", "network_error", "byzantine_fault"),
            budget=50,
        ),
    ),
    query="sum by (error_type) (rate(butterfly_request_errors_total[5m]))",
)

REQUEST_DURATION_SECONDS = Metric(
    name="butterfly_request_duration_seconds",
    type="histogram",
    instrument="histogram",
    why="A latency whose distribution matters.",
    across="sum",
    across_why="Each process times its own requests; buckets add up.",
    unit="s",
    help="Time from a request's submission to its completion.",
    category="requests",
    labels=(NODE_ROLE_WORKING, METHOD_WORKING),
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    query=(
        "histogram_quantile(0.99, sum by (node_role, method, le)"
        " (rate(butterfly_request_duration_seconds_bucket[5m])))"
    ),
)

METRICS: tuple[Metric, ...] = (
    REQUESTS_TOTAL,
    REQUESTS_IN_FLIGHT,
    REQUEST_ERRORS_TOTAL,
    REQUEST_DURATION_SECONDS,
)
