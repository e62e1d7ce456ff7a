"""Exemplars: from a bucket of a histogram to the trace of a request that fell into it.

    python examples/exemplars.py

It answers three requests, two of them in spans, scrapes itself as a Prometheus does that keeps
exemplars (--enable-feature=exemplar-storage), prints the lines that have one, and serves metrics
until Ctrl-C or SIGTERM. Exemplars are part of OpenMetrics:

    curl -H 'Accept: application/openmetrics-text' http://localhost:9464/metrics

Only what is measured inside a sampled span has one. A real application adds a span processor
with an exporter to its TracerProvider; metrics need no more than the provider.
"""

from __future__ import annotations

import signal
import time
import urllib.request
from contextlib import suppress

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import butterfly_otel
from butterfly_otel import request

tracer = trace.get_tracer("coordinator")


@request(method="inference")
def infer(seconds: float) -> None:
    """Take the time that was asked for."""
    time.sleep(seconds)


def traced(seconds: float) -> str:
    """Answer a request in a span and return the id of its trace."""
    with tracer.start_as_current_span("inference") as span:
        infer(seconds)
        return trace.format_trace_id(span.get_span_context().trace_id)


def scrape(url: str) -> list[str]:
    """Return the lines that have an exemplar."""
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own URL
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return [line for line in text.splitlines() if " # {" in line]


def main() -> None:
    """Answer, show the exemplars, and serve metrics."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    trace.set_tracer_provider(TracerProvider())
    runtime = butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)
    with suppress(KeyboardInterrupt):
        infer(0.2)  # in no span
        print(f"fast request: trace {traced(0.0)}")
        print(f"slow request: trace {traced(0.6)}")
        if runtime.prometheus_url:
            print(*scrape(runtime.prometheus_url), sep="\n", flush=True)
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
