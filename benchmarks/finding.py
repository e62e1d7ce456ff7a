"""Groups that time how labels and attributes find their series: what is not the happy path."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from prometheus_client import CollectorRegistry
from prometheus_client import Gauge as PrometheusGauge

import butterfly_otel
from benchmarks import subjects as make
from benchmarks.calls import configure
from benchmarks.measure import Settings, Subject, require_same_outcome, timings
from butterfly_otel import metrics
from butterfly_otel.engine import MeterProvider

if TYPE_CHECKING:
    from collections.abc import Callable

_THREE = '{"node_role": "coordinator", "method": "inference", "status": "success"}'
_KEPT = View(instrument_name="*", attribute_keys={"node_role", "method"})
_FULL = View(instrument_name="*", aggregation_cardinality_limit=20)
#: Statements by key, and the View.
_ATTRIBUTES: dict[str, tuple[str, View | None]] = {
    "int": ('counter.add(1, {"method": "GET", "route": "/", "status": 200})', None),
    "mixed": ('counter.add(1, {"error": False, "ratio": 0.5, "status": 200})', None),
    "strings": ('counter.add(1, {"method": "GET", "tags": ["a", "b"]})', None),
    "bare": ("counter.add(1)", None),
    "dropped": (f"counter.add(1, {_THREE})", _KEPT),
    "overflow": ('counter.add(1, {"method": "GET", "id": str(next(numbers))})', _FULL),
}


def attributes(settings: Settings) -> dict[str, list[float]]:
    """Time counters of one's own, by OpenTelemetry's API, with attributes of many kinds."""
    subjects: list[Subject] = []
    for key, (statement, view) in _ATTRIBUTES.items():
        pair = [
            _counting(f"{side}_{key}", statement, made, view)
            for side, made in (("ours", MeterProvider), ("sdk", SdkMeterProvider))
        ]
        require_same_outcome(key, pair)
        subjects += pair
    return timings(subjects, settings)


def _counting(key: str, statement: str, made: type[SdkMeterProvider], view: View | None) -> Subject:
    reader = InMemoryMetricReader()
    provider = made([reader], shutdown_on_exit=False, views=[] if view is None else [view])
    counter = provider.get_meter("benchmark").create_counter(make.COUNTER_NAME)
    names = {"counter": counter, "numbers": count()}
    return Subject(key, statement, names, partial(make.otel_sum, reader, make.COUNTER_NAME))


def labels(settings: Settings) -> dict[str, list[float]]:
    """Time what breaks the contract, and the contract's meter by OpenTelemetry's API."""
    reader = configure()
    tokens = metrics.tokens_processed_total
    for number in range(tokens.metric.labels[0].budget):
        tokens.add(0, model=f"model-{number}")
    runtime: Any = butterfly_otel.runtime.lifecycle._current  # type: ignore[attr-defined]  # noqa: SLF001 - a benchmark may look inside
    contract = runtime.meter_provider.get_meter("butterfly_otel").create_counter(
        metrics.requests_total.metric.name
    )
    stock = _counting("sdk_contract", f"counter.add(1, {_THREE})", SdkMeterProvider, None)
    api = Subject(
        "ours_contract",
        f"counter.add(1, {_THREE})",
        {"counter": contract},
        partial(make.otel_sum, reader, metrics.requests_total.metric.name),
    )
    require_same_outcome("the contract's meter", [api, stock])
    subjects = [api, stock]
    for key, value in (("same", '"stranger"'), ("new", "str(next(numbers))")):
        pair = [
            Subject(
                f"ours_over_budget_{key}",
                f"tokens.add(1, model={value})",
                {"tokens": tokens, "numbers": count()},
                _since(partial(_total, reader, tokens.metric.name)),
            ),
            _by_labels(f"prometheus_labels_{key}"),
        ]
        require_same_outcome(key, pair)
        subjects += pair
    try:
        return timings(subjects, settings)
    finally:
        butterfly_otel.shutdown()


def _by_labels(key: str) -> Subject:
    counter = make.prometheus_counter(("node_id", "model"), CollectorRegistry())
    statement = 'counter.labels(node_id="coordinator-1", model="stranger").inc()'
    return Subject(key, statement, {"counter": counter}, lambda: sum(make.prometheus_sum(counter)))


def _total(reader: InMemoryMetricReader, name: str) -> float:
    return sum(make.otel_sum(reader, name))


def _since(total: Callable[[], float]) -> Callable[[], float]:
    """Return what tells how much has been added since now."""
    before = total()
    return lambda: total() - before


def churn(settings: Settings) -> dict[str, list[float]]:
    """Time series that begin and series that end."""
    reader = configure()
    handle = metrics.connection_active
    number = settings.size(3000)
    pairs = [(f"from-{each // 50}", f"to-{each % 50}") for each in range(number)]
    gauge = PrometheusGauge("gauge", "", ("from_node", "to_node"), registry=CollectorRegistry())

    def ours_end() -> None:
        for one, two in pairs:
            handle.remove(from_node=one, to_node=two)

    def ours_begin() -> None:
        for one, two in pairs:
            handle.set(1, from_node=one, to_node=two)

    def peer_begin() -> None:
        for one, two in pairs:
            gauge.labels(from_node=one, to_node=two).set(1)

    def timed(key: str, each: str, outcome: Callable[[], int], prepare: Any) -> Subject:  # noqa: ANN401
        names = {"handle": handle, "gauge": gauge, "pairs": pairs}
        statement = f"for one, two in pairs:\n    {each}"
        return Subject(key, statement, names, outcome, prepare, divisor=number)

    def ours() -> int:
        return len(make.otel_points(reader, handle.metric.name))

    def peer() -> int:
        return sum(len(family.samples) for family in gauge.collect())

    named = "from_node=one, to_node=two"
    begin = [
        timed("ours_new", f"handle.set(1, {named})", ours, ours_end),
        timed("prometheus_new", f"gauge.labels({named}).set(1)", peer, gauge.clear),
    ]
    end = [
        timed("ours_removal", f"handle.remove({named})", ours, ours_begin),
        timed("prometheus_removal", "gauge.remove(one, two)", peer, peer_begin),
    ]
    require_same_outcome("series that begin", begin, 1)
    require_same_outcome("series that end", end, 1)
    try:
        return timings([*begin, *end], settings)
    finally:
        butterfly_otel.shutdown()
