"""A coordinator that Prometheus scrapes: requests by the RED method, Raft state, a queue.

Run it, then look at http://localhost:9464/metrics:

    python examples/coordinator.py
"""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from contextlib import suppress

import butterfly_otel
from butterfly_otel import metrics


class Raft:
    """As much of a Raft node as its metrics need."""

    term = 3
    commit_index = 1_041
    applied_index = 1_040


def infer(prompt: str) -> str:
    """Stand in for the model: slow, and never done with an empty prompt."""
    time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - no secret depends on it
    if not prompt:
        raise TimeoutError
    return prompt.upper()


def handle(prompt: str) -> str:
    """Answer one request, with its rate, errors, duration and concurrency measured."""
    with (
        metrics.requests_in_flight.track(method="inference"),
        metrics.request_duration_seconds.time(method="inference"),
    ):
        try:
            answer = infer(prompt)
        except TimeoutError:
            metrics.requests_total.inc(method="inference", status="error")
            metrics.request_errors_total.inc(method="inference", error_type="timeout")
            return ""
    metrics.requests_total.inc(method="inference", status="success")
    return answer


def main() -> None:
    """Serve metrics while handling requests for a while."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60)
    seconds: float = parser.parse_args().seconds

    runtime = butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)

    raft, queue = Raft(), deque(["one", "", "three"] * 5)
    metrics.consensus_term.observe(lambda: raft.term)
    metrics.consensus_commit_index.observe(lambda: raft.commit_index)
    metrics.consensus_applied_index.observe(lambda: raft.applied_index)
    metrics.tasks_queued.observe(lambda: len(queue))

    end = time.monotonic() + seconds
    with suppress(KeyboardInterrupt):
        while time.monotonic() < end:
            handle(queue[0])
            queue.rotate(1)


if __name__ == "__main__":
    main()
