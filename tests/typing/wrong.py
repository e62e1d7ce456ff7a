"""Calls that are wrong: both type checkers must find each line that says so, and no other."""

from butterfly_otel import configure, metrics

metrics.requests_total.add(1, method="inference", status="sucess")  # wrong: value
metrics.requests_total.add(1, method="inference")  # wrong: label missing
metrics.requests_total.add(1, method="inference", status="error", user="u")  # wrong: label
metrics.requests_total.add("1", method="inference", status="error")  # wrong: amount
metrics.requests_total.add(1, "inference", "error")  # wrong: positional labels
metrics.requests_total.inc(method="health", status="error")  # wrong: value
metrics.requests_total.set(1, method="inference", status="error")  # wrong: a counter has no set
metrics.requests_total.dec(method="inference", status="error")  # wrong: a counter has no dec
metrics.requests_in_flight.inc(method="health_check")  # wrong: not in this metric's vocabulary
metrics.requests_in_flight.inc(method="inference", node_role="observer")  # wrong: value
metrics.batch_size.inc()  # wrong: a gauge has no inc
metrics.request_duration_seconds.add(1, method="inference")  # wrong: a histogram has no add
metrics.tensor_size_bytes.time(layer_id=1, direction="input")  # wrong: bytes are not timed
metrics.layer_compute_duration_seconds.record(0.1, layer_id=1.5, model="m")  # wrong: layer
metrics.connection_active.set(1, to_node=7)  # wrong: node ids are text
metrics.gpu_temperature_celsius.set(3)  # wrong: observed, not set
metrics.gpu_temperature_celsius.observation(61)  # wrong: gpu_id missing
metrics.tasks_queued.observe(lambda: "many")  # wrong: not a number
metrics.requests_total.bind(method="inference", status="error").add("x")  # wrong: amount
metrics.request_total.inc(method="inference", status="error")  # wrong: no such metric
configure(node_id="n", node_role="leader")  # wrong: role
configure(node_id="n", node_role="compute", exporter="zipkin")  # wrong: exporter
configure("n", "compute")  # wrong: positional settings


@metrics.request_duration_seconds.time(method="inference")
def timed(number: int) -> int:
    """Keep this signature under the decorator."""
    return number


timed("x")  # wrong: argument of the decorated function
