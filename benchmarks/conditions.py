"""Groups that time measurements where production is: with tracing on, and with a delta reader."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client import CollectorRegistry

import butterfly_otel
from benchmarks import calls
from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, require_same_outcome, timings
from butterfly_otel import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABELS = {"node_role": "coordinator", "method": "inference", "status": "success"}


def _span(*, sampled: bool) -> context.Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    span = NonRecordingSpan(SpanContext(5, 7, is_remote=False, trace_flags=flags))
    return trace.set_span_in_context(span, context.Context())


#: The current context of each condition. The first one ends the time when nobody traces.
_CONTEXTS: Mapping[str, context.Context] = {
    "sampled": _span(sampled=True),
    "unsampled": _span(sampled=False),
    "traced": context.Context(),
}


def tracing(settings: Settings) -> dict[str, list[float]]:
    """Time counters in a sampled span, in one that is not sampled, and outside of any."""
    reader = calls.configure()
    readers = InMemoryMetricReader(), InMemoryMetricReader()
    ours, _ = make.instruments(make.provider([readers[0]], ours=True))
    stock, _ = make.instruments(make.provider([readers[1]], ours=False))
    counter = make.prometheus_counter(tuple(_LABELS), CollectorRegistry())
    bound = metrics.requests_total.bind(
        node_role="coordinator", method="checkpoint", status="success"
    )
    by_api = f"counter.add(1, {calls.THREE})"
    subjects = [
        Subject(
            "bound", "bound.add(1)", {"bound": bound}, partial(calls.total, reader, "checkpoint")
        ),
        Subject(
            "handle", calls.HANDLE, {"metrics": metrics}, partial(calls.total, reader, "inference")
        ),
        Subject(
            "api", by_api, {"counter": ours}, partial(make.otel_sum, readers[0], make.COUNTER_NAME)
        ),
        Subject(
            "sdk", by_api, {"counter": stock}, partial(make.otel_sum, readers[1], make.COUNTER_NAME)
        ),
        Subject("child", "child.inc()", {"child": counter.labels(**_LABELS)}),
        Subject("labels", calls.BY_LABELS, {"counter": counter}),
    ]
    found: dict[str, list[float]] = {}
    try:
        for condition, current in _CONTEXTS.items():
            token = context.attach(current)
            if not found:
                require_same_outcome("counters in a sampled span", subjects)
            figures = timings(subjects, settings)
            found.update({f"{condition}_{key}": each for key, each in figures.items()})
            context.detach(token)
    finally:
        butterfly_otel.shutdown()
    return found


def deltas(settings: Settings) -> dict[str, list[float]]:
    """Time counters by OpenTelemetry's API with one reader of deltas."""
    subjects: list[Subject] = []
    for key, ours in (("ours_delta", True), ("sdk_delta", False)):
        reader = InMemoryMetricReader({Counter: AggregationTemporality.DELTA})
        counter, _ = make.instruments(make.provider([reader], ours=ours))
        outcome = partial(make.otel_sum, reader, make.COUNTER_NAME)
        statement = f"counter.add(1, {calls.THREE})"
        subjects.append(Subject(key, statement, {"counter": counter}, outcome))
    require_same_outcome("counters of deltas", subjects)
    return timings(subjects, settings)


def numbers(settings: Settings) -> dict[str, list[float]]:
    """Time numbers that are not what a metric is mostly given, and the usual ones."""
    reader = calls.configure()
    bound = metrics.requests_total.bind(
        node_role="coordinator", method="inference", status="success"
    )
    duration = metrics.request_duration_seconds.bind(node_role="coordinator", method="inference")
    names = {"bound": bound, "duration": duration}
    statements = {
        "number_one": "bound.add(1)",
        "number_bool": "bound.add(True)",
        "number_large": "bound.add(2147483648)",
        "number_float": "duration.record(3.0)",
        "number_int": "duration.record(3)",
    }
    try:
        found = timings([Subject(key, each, names) for key, each in statements.items()], settings)
        make.otel_points(reader, metrics.requests_total.metric.name)
    finally:
        butterfly_otel.shutdown()
    return found
