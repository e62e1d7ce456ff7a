"""Calls that are right: no type checker may find anything here."""

from typing_extensions import assert_type

from butterfly_otel import metrics
from butterfly_otel.bound import BoundCounter, BoundHistogram, Timer
from butterfly_otel.instruments import Registration

metrics.requests_total.add(1, method="inference", status="success")
metrics.requests_total.add(0.5, method="health_check", status="error", node_role="observer")
metrics.requests_total.inc(method="checkpoint", status="error")
metrics.requests_in_flight.dec(2, method="inference")
metrics.consensus_leader_changes_total.inc()
metrics.connection_active.set(1, to_node="b")
metrics.network_bytes_received.add(10, from_node="b", protocol="quic")
metrics.request_errors_total.inc(method="inference", error_type="whatever")
metrics.layer_compute_duration_seconds.record(0.1, layer_id=3, model="llama-70b")
metrics.layer_compute_duration_seconds.record(0.1, layer_id="3", model="m", node_id="n")

assert_type(metrics.requests_total.bind(method="inference", status="error"), BoundCounter)
assert_type(metrics.request_duration_seconds.bind(method="inference"), BoundHistogram)
assert_type(metrics.request_duration_seconds.time(method="inference"), Timer)
assert_type(metrics.tasks_queued.observe(lambda: 3), Registration)
metrics.gpu_memory_bytes.observe(
    lambda: [metrics.gpu_memory_bytes.observation(5, gpu_id=0, state="used")]
)


@metrics.request_duration_seconds.time(method="inference")
def plain(number: int, *, text: str) -> float:
    """Keep this signature under the decorator."""
    return number + len(text)


@metrics.request_duration_seconds.time(method="inference")
async def coroutine(number: int) -> str:
    """Keep this signature under the decorator."""
    return str(number)


assert_type(plain(1, text="x"), float)


async def caller() -> None:
    """Await the decorated coroutine."""
    assert_type(await coroutine(1), str)


with metrics.requests_in_flight.track(method="inference"):
    pass
