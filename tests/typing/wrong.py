"""Calls that are wrong: both type checkers must find each line that says so, and no other."""

from butterfly_otel import arg, configure, counted, decorators, metrics, request, timed, tracked
from butterfly_otel.integrations.starlette import butterfly_lifespan
from butterfly_otel.runtime.configure import Arguments
from butterfly_otel.testing import capture_metrics

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
metrics.requests_total.labels("inference", "error")  # wrong: prometheus_client's
metrics.request_duration_seconds.observe(0.1)  # wrong: prometheus_client's
metrics.request_duration_seconds.inc()  # wrong: a histogram has no inc
metrics.tasks_queued.observe(lambda: "many")  # wrong: not a number
metrics.requests_total.bind(method="inference", status="error").add("x")  # wrong: amount
metrics.request_total.inc(method="inference", status="error")  # wrong: no such metric
configure(node_id="n", node_role="leader")  # wrong: role
configure(node_id="n", node_role="compute", exporter="zipkin")  # wrong: exporter
configure("n", "compute")  # wrong: positional settings
configure(node_id="n", node_role="compute", strct=True)  # wrong: no such setting
configure(node_id="n", node_role="compute", otlp_timeout="10")  # wrong: seconds are a number
configure(node_id="n", node_role="compute", otlp_insecure="true")  # wrong: not a boolean
configure(node_id="n", node_role="compute", otlp_protocol="http")  # wrong: protocol
configure(node_id="n", node_role="compute", gpu_id=0)  # wrong: gpu_id
configure(node_id="n", node_role="compute", collectors=[5])  # wrong: neither name nor source
configure(node_id="n", node_role="compute", time_to_live={"x": "1"})  # wrong: seconds
configure(node_id="n", node_role="compute").config.exporter  # wrong: its field is `exporters`
configure(node_id="n", node_role="compute").config.strict.upper()  # wrong: a boolean
configure(node_id="n", node_role="compute").config.strict = True  # wrong: frozen
misspelt: Arguments = {"strct": True}  # wrong: no such setting
butterfly_lifespan(otlp_timeout="10")  # wrong: seconds are a number
capture_metrics(node_role="leader")  # wrong: role
capture_metrics(strct=True)  # wrong: no such setting
butterfly_lifespan(node_role="leader")  # wrong: role
butterfly_lifespan(prometheus_prot=9464)  # wrong: no such setting
capture_metrics(zero_init="yes")  # wrong: not a boolean


@metrics.request_duration_seconds.time(method="inference")
def measured(number: int) -> int:
    """Keep this signature under the decorator."""
    return number


measured("x")  # wrong: argument of the decorated function


@request(method="inference")
async def handled(number: int) -> str:
    """Keep this signature under the decorator."""
    return str(number)


@request(method="inference")
class Service:
    """Stay a class."""

    @counted(metrics.tokens_processed_total.bind(model=arg("model")))
    def generate(self, model: str) -> int:
        """Keep this signature under the decorator."""
        return len(model)


handled("x")  # wrong: argument of the decorated function
handled(1).upper()  # wrong: a coroutine has to be awaited
Service().generate(5)  # wrong: argument of the decorated method
Service(3)  # wrong: the class takes no argument
request(method="infer")  # wrong: value
request()  # wrong: method missing
request("inference")  # wrong: positional label
request(method="inference", node_role="leader")  # wrong: role
request(method="inference")(3)  # wrong: nothing to call
request(method="inference", errors={int: "x"})  # wrong: no exception
timed(metrics.layer_compute_duration_seconds)  # wrong: labels missing
timed(metrics.layer_compute_duration_seconds.bind(layer=arg("layer"), model="m"))  # wrong: label
timed(metrics.requests_in_flight.bind(method="inference"))  # wrong: not a histogram
counted(metrics.tasks_completed_total.bind(status="done"))  # wrong: value
counted(metrics.consensus_leader_changes_total, when="never")  # wrong: when
counted(metrics.tokens_processed_total.bind(model="m"), amount="many")  # wrong: amount
tracked(metrics.requests_in_flight.bind(method=arg("method", len)))  # wrong: type of the label
decorators.checkpoint_phase("fly")  # wrong: value
