"""Whether a measurement is in a sampled span is asked of the context, whoever made the span."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from butterfly_otel.engine import MeterProvider
from butterfly_otel.process import tracing
from tests.collected import points


def _remote(*, sampled: bool) -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(5, 7, is_remote=True, trace_flags=TraceFlags(1 if sampled else 0))
    )


def _start() -> tuple[Any, InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    return provider.get_meter("m").create_counter("c"), reader


@pytest.fixture(params=["api", "bound", "unusual number"])
def measure(request: pytest.FixtureRequest) -> tuple[Callable[[], None], InMemoryMetricReader]:
    """Return what measures 1, and the reader, in each of several ways."""
    counter, reader = _start()
    bound = counter.bind({"k": "v"})
    bound.record(1)
    ways: dict[str, Callable[[], None]] = {
        "api": lambda: counter.add(1, {"k": "v"}),
        "bound": lambda: bound.record(1),
        "unusual number": lambda: bound.record(Decimal(1)),
    }
    return ways[request.param], reader


def _spans(reader: InMemoryMetricReader) -> list[tuple[Any, Any]]:
    [point] = points(reader, "c")
    return [(each.trace_id, each.span_id) for each in point.exemplars]


def test_a_provider_of_ones_own_makes_exemplars(measure: Any) -> None:
    """A TracerProvider that is handed to instrumentations need not be the global one."""
    assert trace._TRACER_PROVIDER is None
    call, reader = measure
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s") as span:
        call()
    its = span.get_span_context()
    assert _spans(reader) == [(its.trace_id, its.span_id)]


def test_a_sampled_remote_parent_makes_exemplars(measure: Any) -> None:
    """What came with a request and was never a span in this process is enough."""
    call, reader = measure
    with trace.use_span(_remote(sampled=True)):
        call()
    assert _spans(reader) == [(5, 7)]


def test_what_is_not_sampled_makes_none(measure: Any) -> None:
    """Neither a span or a parent that is not sampled, nor a context without any."""
    call, reader = measure
    tracer = TracerProvider(ALWAYS_OFF, shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s"):
        call()
    with trace.use_span(_remote(sampled=False)):
        call()
    token = context.attach(context.Context({"key": "value"}))
    call()
    context.detach(token)
    [point] = points(reader, "c")
    assert (point.value, point.exemplars) == (4, [])


def test_a_span_inside_a_span_is_asked_for_itself(measure: Any) -> None:
    """What one context remembers is not taken for another one's."""
    call, reader = measure
    for sampled in (True, False, True, False):
        with trace.use_span(_remote(sampled=False)), trace.use_span(_remote(sampled=sampled)):
            call()
            assert bool(_spans(reader)) is sampled


class _Broken(NonRecordingSpan):
    def get_span_context(self) -> SpanContext:
        raise RuntimeError


def test_a_span_that_raises_is_not_sampled(measure: Any) -> None:
    """Whatever a span of somebody's own does, the measurement counts."""
    call, reader = measure
    broken = _Broken(_remote(sampled=True).get_span_context())
    token = context.attach(trace.set_span_in_context(broken))
    call()
    context.detach(token)
    [point] = points(reader, "c")
    assert (point.value, point.exemplars) == (2, [])


_BEGIN = """
import threading
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from butterfly_otel.process import tracing
span = NonRecordingSpan(SpanContext(5, 7, is_remote=True, trace_flags=TraceFlags(1)))
"""
_PROCESSES = {
    "nothing": "tracing.watch(); assert tracing.quiet",
    "another entry": """
tracing.watch()
context.attach(context.set_value("key", 1))
assert tracing.quiet and tracing.parent() is None
""",
    "a span later": """
tracing.watch()
assert tracing.quiet
token = context.attach(trace.set_span_in_context(span))
assert not tracing.quiet and tracing.parent().trace_id == 5
assert "attach" not in vars(context._RUNTIME_CONTEXT)
context.detach(token)
assert not tracing.quiet and not tracing.current() and tracing.parent() is None
""",
    "a span of another thread before": """
begun, over = threading.Event(), threading.Event()
def run():
    context.attach(trace.set_span_in_context(span))
    begun.set()
    over.wait(60)
thread = threading.Thread(target=run)
thread.start()
begun.wait(60)
tracing.watch()
assert not tracing.quiet
over.set()
""",
    "a span in a context that somebody keeps": """
import contextvars
token = context.attach(trace.set_span_in_context(span))
kept = contextvars.copy_context()
context.detach(token)
del token
tracing.watch()
assert not tracing.quiet and tracing.parent() is None
assert kept.run(tracing.parent).trace_id == 5
""",
    "nobody has used contexts": """
import gc
context.detach(context.attach(trace.set_span_in_context(span)))
gc.get_referrers = None
tracing.watch()
assert tracing.quiet
""",
    "another runtime context": """
class Own:
    kept = context.Context()
    def get_current(self): return self.kept
    def attach(self, given): self.kept = given
context._RUNTIME_CONTEXT = Own()
tracing.watch()
assert not tracing.quiet and tracing.parent() is None
context.attach(trace.set_span_in_context(span))
assert tracing.parent().trace_id == 5
""",
    "somebody else listens, too": """
tracing.watch()
first = context._RUNTIME_CONTEXT.attach
heard = []
def listen(given):
    heard.append(given)
    return first(given)
context._RUNTIME_CONTEXT.attach = listen
context.attach(trace.set_span_in_context(span))
assert not tracing.quiet
context.attach(context.Context())
assert len(heard) == 2 and tracing.parent() is None
""",
}


@pytest.mark.parametrize("program", _PROCESSES.values(), ids=_PROCESSES.keys())
def test_a_process_is_quiet_until_the_first_sampled_span(program: str) -> None:
    """The first one is noticed, whenever and in whatever thread it became current."""
    subprocess.run([sys.executable, "-c", _BEGIN + program], check=True, timeout=120)


def test_watching_twice_is_watching_once() -> None:
    """Whoever configures again changes nothing."""
    tracing.watch()
    before = tracing.current, tracing.quiet
    tracing.watch()
    assert (tracing.current, tracing.quiet) == before
