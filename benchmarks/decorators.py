"""What a decorator adds to a function that does nothing, beside the same written by hand."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

import butterfly_otel
from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, require_same_outcome, timings
from butterfly_otel import metrics, request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.decorators.red import Role

_CALL = "function()"
_AWAIT = "try:\n    function().send(None)\nexcept StopIteration:\n    pass"
_NAMES = (metrics.requests_total, metrics.requests_in_flight, metrics.request_duration_seconds)
_ABSENT = (
    "autometrics is not installed, so its rows are left out; it pins old versions of what we"
    " need: pip install --no-deps autometrics, and pip install pydantic python-dotenv\n"
)


def decorators(settings: Settings) -> dict[str, list[float]]:
    """Time no-ops of both kinds, and return what each adds to the bare function's time."""
    reader = InMemoryMetricReader()
    butterfly_otel.configure(
        node_id="coordinator-1",
        node_role="coordinator",
        exporter="none",
        zero_init=False,
        handle_signals=False,
        metric_readers=[reader],
    )
    try:
        return {
            **_overheads("sync", _CALL, _synchronous(reader), settings),
            **_overheads("async", _AWAIT, _asynchronous(reader), settings),
        }
    finally:
        butterfly_otel.shutdown()


def _overheads(
    kind: str, statement: str, functions: dict[str, tuple[Any, Any]], settings: Settings
) -> dict[str, list[float]]:
    subjects = [
        Subject(f"{name}_{kind}", statement, {"function": function}, outcome)
        for name, (function, outcome) in functions.items()
    ]
    require_same_outcome(f"decorated {kind} functions", subjects)
    found = timings(subjects, settings)
    bare = found.pop(f"bare_{kind}")
    # Less than nothing is a disturbance of so short a time.
    return {
        key: [max(each - base, 0.1) for each, base in zip(figures, bare, strict=True)]
        for key, figures in found.items()
    }


def _synchronous(reader: InMemoryMetricReader) -> dict[str, tuple[Any, Any]]:
    def bare() -> None:
        pass

    total, in_flight, failed, duration, registry = _prometheus()

    @in_flight.track_inprogress()
    @duration.time()
    @failed.count_exceptions()
    def prometheus() -> None:
        total.inc()

    return {
        "bare": (bare, None),
        "ours": (
            request(method="inference", node_role="compute")(bare),
            partial(_measured, reader, "compute", "inference"),
        ),
        "by_hand": (_by_hand("compute")[0], partial(_measured, reader, "compute", "checkpoint")),
        "prometheus": (prometheus, partial(_prometheus_measured, registry)),
        **_autometrics(bare, "bare_sync"),
    }


def _asynchronous(reader: InMemoryMetricReader) -> dict[str, tuple[Any, Any]]:
    async def bare() -> None:
        pass

    total, in_flight, failed, duration, registry = _prometheus()

    # Its decorators end when a coroutine is made, so this is the one way to do the same work.
    async def prometheus() -> None:
        with in_flight.track_inprogress(), duration.time(), failed.count_exceptions():
            pass
        total.inc()

    return {
        "bare": (bare, None),
        "ours": (
            request(method="inference")(bare),
            partial(_measured, reader, "coordinator", "inference"),
        ),
        "by_hand": (
            _by_hand("coordinator")[1],
            partial(_measured, reader, "coordinator", "checkpoint"),
        ),
        "prometheus": (prometheus, partial(_prometheus_measured, registry)),
        **_autometrics(bare, "bare_async"),
    }


def _by_hand(role: Role) -> tuple[Callable[[], object], Callable[[], object]]:
    labels: dict[str, Any] = {"method": "checkpoint", "node_role": role}
    in_flight = metrics.requests_in_flight.bind(**labels)
    success = metrics.requests_total.bind(**labels, status="success")
    error = metrics.requests_total.bind(**labels, status="error")
    duration = metrics.request_duration_seconds.bind(**labels)

    def by_hand() -> None:
        start = perf_counter()
        in_flight.add(1)
        try:
            pass
        except BaseException:
            error.add(1)
            raise
        else:
            success.add(1)
        finally:
            in_flight.add(-1)
            duration.record(perf_counter() - start)

    async def by_hand_async() -> None:
        start = perf_counter()
        in_flight.add(1)
        try:
            pass
        except BaseException:
            error.add(1)
            raise
        else:
            success.add(1)
        finally:
            in_flight.add(-1)
            duration.record(perf_counter() - start)

    return by_hand, by_hand_async


def _measured(reader: InMemoryMetricReader, role: str, method: str) -> list[float]:
    """Return a total, what is in flight, and how many durations there are."""
    found: list[float] = []
    for handle in _NAMES:
        points = make.otel_points(reader, handle.metric.name)
        wanted = {"node_role": role, "method": method}.items()
        ours = [point for point in points if wanted <= dict(point.attributes).items()]
        counted = "count" if handle is metrics.request_duration_seconds else "value"
        found.append(sum(float(getattr(each, counted)) for each in ours))
    return found


def _prometheus() -> tuple[Any, Any, Any, Any, CollectorRegistry]:
    registry = CollectorRegistry()
    names = ("node_role", "method")
    labels = ("coordinator", "inference")
    total = Counter("total", "", (*names, "status"), registry=registry)
    in_flight = Gauge("in_flight", "", names, registry=registry)
    failed = Counter("failed", "", names, registry=registry)
    duration = Histogram("duration", "", names, buckets=make.BOUNDS, registry=registry)
    return (
        total.labels(*labels, "success"),
        in_flight.labels(*labels),
        failed.labels(*labels),
        duration.labels(*labels),
        registry,
    )


def _prometheus_measured(registry: CollectorRegistry) -> list[float]:
    return _values(registry, ("total_total", "in_flight", "duration_count"), {})


def _values(
    registry: CollectorRegistry, names: Sequence[str], labels: dict[str, str]
) -> list[float]:
    samples = [sample for family in registry.collect() for sample in family.samples]
    return [
        sum(
            sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
        for name in names
    ]


def _autometrics(bare: Callable[[], object], name: str) -> dict[str, tuple[Any, Any]]:
    if importlib.util.find_spec("autometrics") is None:
        sys.stderr.write(_ABSENT)
        return {}
    peer: Any = import_module("autometrics")
    if not peer.initialization.has_inited:
        peer.init(tracker="prometheus", service_name="benchmark")
    bare.__qualname__ = name
    names = (
        "function_calls_total",
        "function_calls_concurrent",
        "function_calls_duration_seconds_count",
    )
    measured = partial(_values, REGISTRY, names, {"function": name})
    return {"autometrics": (peer.autometrics(track_concurrency=True)(bare), measured)}
