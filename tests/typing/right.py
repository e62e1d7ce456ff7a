"""Calls that are right: no type checker may find anything here."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import overload

from typing_extensions import assert_type

from butterfly_otel import (
    ERROR_TYPES,
    ErrorTypes,
    arg,
    configure,
    counted,
    decorators,
    metrics,
    request,
    result,
    timed,
    tracked,
)
from butterfly_otel.handles.bound import BoundCounter, BoundHistogram, Timer
from butterfly_otel.decorators import RequestCall
from butterfly_otel.handles.registration import Registration
from butterfly_otel.integrations.starlette import butterfly_lifespan
from butterfly_otel.settings.config import ExporterName
from butterfly_otel.runtime.configure import Arguments
from butterfly_otel.settings.config import GpuId
from butterfly_otel.testing import capture_metrics

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


@request(method="inference")
def handled(number: int, *, text: str = "") -> float:
    """Keep this signature under the decorator."""
    return number + len(text)


@request(method=arg("kind"), node_role="observer", errors={KeyError: "x", OSError: None})
async def dispatched(kind: str) -> bytes:
    """Keep this signature under the decorator."""
    return kind.encode()


@request(method="inference", failed=lambda reply: "oom" if reply is None else None)
def streamed(number: int) -> Generator[int, str, bytes]:
    """Keep this signature under the decorator."""
    text = yield number
    return text.encode()


@timed(metrics.request_duration_seconds.bind(method="inference"))
@counted(metrics.tokens_processed_total.bind(model=arg("model")), per="item")
async def streamed_async(model: str) -> AsyncGenerator[int, None]:
    """Keep this signature under both decorators."""
    yield len(model)


@overload
def overloaded(value: int) -> int: ...
@overload
def overloaded(value: str) -> str: ...
@tracked(metrics.requests_in_flight.bind(method="inference"))
def overloaded(value: int | str) -> int | str:
    """Keep its overloads."""
    return value


@request(method="checkpoint", methods=["save"])
class Service:
    """Stay a class, with methods of every kind."""

    @request(method="inference")
    def save(self, number: int) -> int:
        """Be a method."""
        return number

    @timed(metrics.recovery_duration_seconds, when=(OSError, KeyError))
    @classmethod
    def made(cls) -> "Service":
        """Be a class method."""
        return cls()

    @staticmethod
    @counted(metrics.consensus_leader_changes_total, amount=result(len), when="success")
    def fixed(text: str) -> str:
        """Be a static method."""
        return text

    @decorators.verification("signature", node_id=arg("peer"))
    def verify(self, peer: str) -> bool:
        """Be a check."""
        return bool(peer)


assert_type(handled(1, text="x"), float)
assert_type(streamed(1), Generator[int, str, bytes])
assert_type(streamed_async("m"), AsyncGenerator[int, None])
assert_type(overloaded(1), int)
assert_type(overloaded("x"), str)
assert_type(Service().save(1), int)
assert_type(Service.made(), Service)
assert_type(Service.fixed("x"), str)
assert_type(Service().verify("n"), bool)
assert_type(ERROR_TYPES | {KeyError: "x", "a.B": str}, ErrorTypes)


async def blocks() -> None:
    """Await, and enter blocks of both kinds."""
    assert_type(await dispatched("inference"), bytes)
    async with request(method="inference") as call:
        assert_type(call, RequestCall)
        call.fail(KeyError())
        call.fail("oom")
    with request(method="health_check"), timed(metrics.recovery_duration_seconds):
        pass


settings: Arguments = {"node_id": "n", "node_role": "compute", "views": ["a", Path("b")]}
runtime = configure(**settings)
configure(node_id="n", node_role="compute", collectors=["auto"], otlp_insecure=None)
assert_type(runtime.config.exporters[0], ExporterName)
assert_type(runtime.config.gpu_id, GpuId)
assert_type(runtime.config.otlp.timeout, float)
assert_type(runtime.config.otlp.certificate, Path | None)
assert_type(runtime.config.prometheus.port, int)
butterfly_lifespan(**settings)
capture_metrics(**settings)
butterfly_lifespan(node_id="n", node_role="coordinator", metrics_path="/metrics", views="x.yaml")
capture_metrics(strict=False, time_to_live={"butterfly_batch_size": 60}, env={})
errors: dict[type[LookupError], str] = {KeyError: "x"}
request(method="inference", errors=errors)
request(method="inference", errors={KeyError: lambda error: str(error), "a.B": None})
