"""A compute worker that pushes to an OpenTelemetry Collector: layers, tokens, a GPU reading.

OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 python examples/compute_worker.py
"""

from __future__ import annotations

import argparse
import time

import butterfly_otel
from butterfly_otel import metrics

LAYERS = 8
MODEL = "llama-70b"


def forward(layers: int) -> None:
    """Run a token through the layers; each is timed by an instrument bound beforehand."""
    for timer in [
        metrics.layer_compute_duration_seconds.bind(layer_id=layer, model=MODEL)
        for layer in range(layers)
    ]:
        with timer.time():
            time.sleep(0.0005)


def main() -> None:
    """Compute for a while; what is left is pushed at exit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60)
    seconds: float = parser.parse_args().seconds

    butterfly_otel.configure(
        node_id="compute-node-1", node_role="compute", exporter="otlp", export_interval=5
    )
    memory = metrics.gpu_memory_bytes
    memory.observe(
        lambda: [
            memory.observation(61e9, gpu_id=0, state="used"),
            memory.observation(19e9, gpu_id=0, state="free"),
        ]
    )
    tokens = metrics.tokens_processed_total.bind(model=MODEL)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        forward(LAYERS)
        tokens.inc()


if __name__ == "__main__":
    main()
