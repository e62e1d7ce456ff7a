"""The private names of the SDK that we rely on, and what is built on them."""

from __future__ import annotations

import inspect

from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine import MeterProvider as ButterflyProvider
from butterfly_otel.engine import fitness, sdk_internals
from tests.unit.engine.releases import StockProvider as MeterProvider


def test_the_private_names_are_there() -> None:
    """Each private name that sdk_internals documents still exists in the installed SDK."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=Resource({"a": "b"}))
    assert sdk_internals.provider_resource(provider).attributes == {"a": "b"}
    assert sdk_internals.exporter_preferences(ConsoleMetricExporter()) == (None, None)
    counter = provider.get_meter("m").create_counter("c")
    counter.add(1, {"k": "v"})
    [storage] = provider._measurement_consumer._reader_storages.values()  # type: ignore[attr-defined]
    [match] = storage._instrument_view_instrument_matches[counter]
    assert not match._reset_on_collect
    with match._lock:
        [aggregation] = match._attributes_aggregation.values()
    assert aggregation._attributes == {"k": "v"}
    assert list(inspect.signature(View._match).parameters) == ["self", "instrument"]


def test_the_engine_can_be_used() -> None:
    """Cells measure with every supported release: nothing is missing, the trial is right."""
    fitness.fit.cache_clear()
    made = ButterflyProvider(shutdown_on_exit=False)
    assert type(made) is ButterflyProvider
    made.shutdown()


def test_removed_series_are_gone_for_cumulative_readers_only() -> None:
    """Removing a series takes it out of the next cumulative collection; deltas keep theirs."""
    cumulative = InMemoryMetricReader()
    delta = InMemoryMetricReader({Counter: AggregationTemporality.DELTA})
    provider = MeterProvider([cumulative, delta])
    counter = provider.get_meter("m").create_counter("c")
    for value in ("a", "b"):
        counter.add(1, {"k": value, "x": "y"})
    sdk_internals.remove_series(
        provider, counter, lambda attributes: {"k": "a"}.items() <= attributes.items()
    )
    assert _series(cumulative) == {"b"}
    assert _series(delta) == {"a", "b"}


def _series(reader: InMemoryMetricReader) -> set[str]:
    data = reader.get_metrics_data()
    assert data is not None
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    return {str((point.attributes or {})["k"]) for point in metric.data.data_points}
