"""A metric outside the contract, and an overlay that narrows the contract.

    pip install 'butterfly-otel[views]'
    python examples/custom_metric.py

What is your own goes on a meter of your own, through OpenTelemetry's API: no vocabulary and no
View of ours applies to it. Units become suffixes as OpenTelemetry says (`s`: `_seconds`, a
counter: `_total`). `overlay.yaml`, beside this file, drops the label `task_id` of one contract
metric, gives another one fewer buckets, and leaves a third out altogether.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

import butterfly_otel
from butterfly_otel import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

OVERLAY = Path(__file__).with_name("overlay.yaml")

# May be made before configure(): OpenTelemetry connects it when there is something to connect to.
meter = get_meter("kv_cache", "1.0")
hits = meter.create_counter("kv_cache.hits", unit="{lookup}", description="Blocks found.")
lookups = meter.create_histogram(
    "kv_cache.lookup.duration",
    unit="s",
    description="Time a lookup takes.",
    explicit_bucket_boundaries_advisory=[0.001, 0.01],
)


def blocks(_options: CallbackOptions) -> Iterable[Observation]:
    """Report how full the cache is, a series a tier."""
    return (Observation(12, {"tier": "gpu"}), Observation(40, {"tier": "host"}))


meter.create_observable_gauge(
    "kv_cache.blocks", [blocks], unit="{block}", description="Blocks in the cache."
)


def look_up(tier: str, seconds: float) -> None:
    """Measure a lookup that found its block."""
    hits.add(1, {"tier": tier})
    lookups.record(seconds, {"tier": tier})


def main() -> None:
    """Measure both kinds and serve metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(node_id="compute-node-1", node_role="compute", views=OVERLAY)
    print(f"metrics are on {runtime.prometheus_url}", flush=True)
    with suppress(KeyboardInterrupt):
        look_up("gpu", 0.0005)
        look_up("gpu", 0.02)
        look_up("host", 0.005)
        for task in range(3):
            metrics.dependency_wait_duration_seconds.record(0.25, task_id=f"task-{task}")
            metrics.layer_compute_duration_seconds.record(0.02, layer_id=task, model="llama-70b")
            metrics.tensor_size_bytes.record(1e6, layer_id=task, direction="input")
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
