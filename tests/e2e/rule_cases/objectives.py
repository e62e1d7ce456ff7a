"""Stories of the objectives' alerts."""

from __future__ import annotations

from .model import AlertCase, Fire, s

A, B = {"instance": "a", "job": "butterfly"}, {"instance": "b", "job": "butterfly"}


def requests(status: str, **target: str) -> str:
    """Return a series of inference requests at a coordinator."""
    name = "butterfly_requests_total"
    return s(name, node_role="coordinator", method="inference", status=status, **target)


def timed(suffix: str, **labels: str) -> str:
    """Return a series of the requests' duration at a coordinator."""
    name = f"butterfly_request_duration_seconds_{suffix}"
    return s(name, node_role="coordinator", method="inference", **labels)


def _failed(speed: str, share: str) -> Fire:
    return Fire(
        {"slo": "availability"},
        f"The error budget of availability burns {speed}",
        f"{share} of requests were requests that fail, where 0.1% over seven days are granted.",
    )


def _slow(speed: str, share: str) -> Fire:
    return Fire(
        {"slo": "latency"},
        f"The error budget of latency burns {speed}",
        f"{share} of requests were inference requests that take longer than 5 s,"
        " where 1% over seven days are granted.",
    )


def _failing(*phases: tuple[int, int, int]) -> dict[str, str]:
    """Return requests of phases: minutes, failures of a minute, successes of a minute."""
    texts: dict[str, list[str]] = {"error": [], "success": []}
    totals = {"error": 0, "success": 0}
    for minutes, failures, successes in phases:
        for status, each in (("error", failures), ("success", successes)):
            texts[status].append(f"{totals[status]}+{each}x{minutes - 1}")
            totals[status] += each * minutes
    return {requests(status, **A): " ".join(text) for status, text in texts.items()}


def _slowing(bound: str, *phases: tuple[int, int]) -> dict[str, str]:
    """Return durations of phases: minutes, and of 1000 requests a minute those that are fast."""
    text, total = [], 0
    for minutes, fast in phases:
        text.append(f"{total}+{fast}x{minutes - 1}")
        total += fast * minutes
    minutes = sum(phase[0] for phase in phases)
    return {
        timed("bucket", le=bound, **A): " ".join(text),
        timed("count", **A): f"0+1000x{minutes}",
    }


def _fast(
    slo: str, title: str, series: dict[str, str], checks: dict[str, tuple[Fire, ...]]
) -> AlertCase:
    return AlertCase(
        f"{slo}BudgetFastBurn", title, series, checks, severity="critical", interval="1m"
    )


def _tardy(
    slo: str, title: str, series: dict[str, str], checks: dict[str, tuple[Fire, ...]]
) -> AlertCase:
    return AlertCase(f"{slo}BudgetSlowBurn", title, series, checks, interval="1m")


AVAILABILITY = (
    _fast(
        "Availability",
        "1.5 % fail: the hour burns, at once after its end it does not, half an hour later nor",
        _failing((60, 15, 985), (120, 0, 1000)),
        {"2m": (), "30m": (_failed("fast", "1.5%"),), "100m": ()},
    ),
    _fast(
        "Availability",
        "1.25 % are too few for an hour and enough for six; 0.3 % for neither",
        _failing((600, 3, 997)),
        {"9h": ()},
    ),
    _fast(
        "Availability",
        "0.4 % burn over six hours, until half an hour is good",
        _failing((420, 4, 996), (60, 0, 1000)),
        {"6h": (_failed("fast", "0.4%"),), "7h45m": ()},
    ),
    _fast(
        "Availability",
        "a burst after six good hours is in no long window yet",
        _failing((600, 0, 1000), (8, 16, 984), (60, 0, 1000)),
        {"10h6m": (), "10h9m": (), "10h20m": ()},
    ),
    _fast(
        "Availability",
        "no failed request ever, then no request at all",
        {requests("success", **A): "0+100x60 _x60"},
        {"50m": (), "110m": ()},
    ),
    _tardy(
        "Availability",
        "0.16 % burn over a day, until it is three hours good",
        _failing((600, 16, 9984), (200, 0, 10000)),
        {"10m": (), "9h": (_failed("slow", "0.16%"),), "13h": ()},
    ),
    _tardy(
        "Availability",
        "0.1 % are more than three days grant, by a little, until six hours are good",
        _failing((600, 100, 99900), (380, 0, 100000)),
        {"9h": (_failed("slow", "0.1%"),), "16h10m": ()},
    ),
    _tardy(
        "Availability",
        "0.09 % are granted for ever",
        _failing((900, 9, 9991)),
        {"14h": ()},
    ),
)

LATENCY = (
    _fast(
        "Latency",
        "15 % are slow: the hour burns, and ends soon; boundaries as they are scraped",
        _slowing("5.0", (60, 850), (60, 1000)),
        {"2m": (), "30m": (_slow("fast", "15%"),), "110m": ()},
    ),
    _fast(
        "Latency",
        "3.8 % burn over six hours; boundaries as OTLP has them",
        _slowing("5", (200, 962), (60, 1000)),
        {"3h": (_slow("fast", "3.8%"),), "4h10m": ()},
    ),
    _fast("Latency", "3.2 % do not", _slowing("5.0", (400, 968)), {"6h": ()}),
    _tardy(
        "Latency",
        "1.6 % burn over a day, until six hours are good",
        _slowing("5.0", (300, 984), (390, 1000)),
        {"10m": (), "4h": (_slow("slow", "1.6%"),), "11h20m": ()},
    ),
    _tardy(
        "Latency",
        "1.1 % burn over three days",
        _slowing("5.0", (300, 989)),
        {"4h": (_slow("slow", "1.1%"),)},
    ),
    _tardy("Latency", "0.9 % are granted for ever", _slowing("5.0", (900, 991)), {"14h": ()}),
)


def _tokens(rate: str) -> Fire:
    return Fire(
        {"slo": "throughput"},
        "The cluster makes too few tokens",
        f"{rate} tokens a second while requests wait, where 1000 are promised.",
    )


def in_flight(role: str = "coordinator", method: str = "inference") -> str:
    """Return requests in flight."""
    return s("butterfly_requests_in_flight", node_role=role, method=method, **A)


def tokens(node: str, **target: str) -> str:
    """Return tokens of a node."""
    return s("butterfly_tokens_processed_total", node_id=node, model="m", **target)


LOW_THROUGHPUT = (
    AlertCase(
        "LowThroughput",
        "two nodes make 900 tokens a second while requests are in flight; then more",
        {
            in_flight(): "3x100",
            tokens("n1", **A): "0+6000x50 300000+12000x50",
            tokens("n2", **B): "0+7500x100",
        },
        {"4m": (), "9m": (_tokens("900"),), "16m": ()},
    ),
    AlertCase(
        "LowThroughput",
        "1100 are enough",
        {in_flight(): "3x100", tokens("n1", **A): "0+16500x100"},
        {"9m": ()},
    ),
    AlertCase(
        "LowThroughput",
        "without work it may rest: checkpoints and what compute nodes handle are none",
        {
            in_flight(): "0x100",
            in_flight(method="checkpoint"): "5x100",
            in_flight("compute"): "5x100",
            s("butterfly_tasks_queued", node_id="n1", **A): "0x100",
            tokens("n1", **A): "0+150x100",
        },
        {"9m": (), "20m": ()},
    ),
    AlertCase(
        "LowThroughput",
        "tasks in a queue are work, and nodes that are gone make nothing",
        {s("butterfly_tasks_queued", node_id="n1", **A): "1x100", in_flight(): "0x100"},
        {"4m": (), "9m": (_tokens("0"),)},
    ),
    AlertCase(
        "LowThroughput",
        "nobody who reports anything is no work",
        {tokens("n1", **A): "0+150x100"},
        {"9m": ()},
    ),
)
CASES = (*AVAILABILITY, *LATENCY, *LOW_THROUGHPUT)
