"""One of several workers that push to a Collector; see the README beside it.

BUTTERFLY_NODE_ID=compute-node-1 python examples/push_to_collector/worker.py
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import butterfly_otel
from butterfly_otel import arg, counted, decorators, metrics, request, result

MODEL = "llama-70b"
LAYERS = 4


@decorators.layer_compute(layer_id=arg("index"), model=MODEL)
def forward(index: int, tokens: list[str]) -> list[str]:
    """Stand in for a layer."""
    time.sleep(0.001 * (index + 1))
    return tokens


@request(method="inference")
@counted(metrics.tokens_processed_total.bind(model=MODEL), amount=result(len))
def infer(prompt: str) -> list[str]:
    """Run a prompt through the layers."""
    tokens = prompt.split()
    for index in range(LAYERS):
        tokens = forward(index, tokens)
    size = len(" ".join(tokens))
    metrics.network_bytes_sent.add(size, to_node="coordinator-1", protocol="quic")
    return tokens


def main() -> None:
    """Work until Ctrl-C or SIGTERM, then push what was measured since the last push."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # From the environment: BUTTERFLY_NODE_ID, OTEL_EXPORTER_OTLP_ENDPOINT (localhost:4318),
    # OTEL_METRIC_EXPORT_INTERVAL (60000 ms).
    runtime = butterfly_otel.configure(node_role="compute", exporter="otlp")
    print(f"{runtime.config.node_id} pushes to {runtime.config.otlp.endpoint}", flush=True)
    answered = 0
    with suppress(KeyboardInterrupt):
        while True:
            infer("why is the sky blue")
            answered += 1
            time.sleep(0.1)
    # Happens at exit by itself; called here, it tells whether the Collector has taken it.
    told = butterfly_otel.shutdown()
    print(f"{runtime.config.node_id}: {answered} prompts, {'pushed' if told else 'not pushed'}")


if __name__ == "__main__":
    main()
