"""An application that already has prometheus_client metrics: they share the endpoint.

Run it, then look at http://localhost:9464/metrics:

    python examples/prometheus_client_app.py

Nothing of the old metrics changes: what stands in prometheus_client's registry is served beside
the contract's. Its `start_http_server()` is no longer needed. An application that keeps its own
endpoint passes `registry=` to configure(), or scrapes both.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress

from prometheus_client import Counter, Histogram

import butterfly_otel
from butterfly_otel import metrics, request

# As they were before butterfly-otel came.
JOBS = Counter("app_jobs", "Jobs that the application has run.", ["kind"])
JOB_SECONDS = Histogram("app_job_seconds", "How long they took.", buckets=[0.1, 1.0])


@request(method="inference")
def infer(prompt: str) -> str:
    """Answer a prompt; measured by the contract's metrics, and by the old ones inside."""
    with JOB_SECONDS.time():
        JOBS.labels(kind="inference").inc()
        return prompt.upper()


def main() -> None:
    """Run some jobs and serve both kinds of metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)
    metrics.tasks_queued.observe(lambda: 2)
    with suppress(KeyboardInterrupt):
        for prompt in ("one", "two", "three"):
            infer(prompt)
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
