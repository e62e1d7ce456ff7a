"""Shared tables: readers that see the same are measured for once, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine import MeterProvider
from butterfly_otel.process.gil import ATOMIC
from tests.collected import points

DELTA = {Counter: AggregationTemporality.DELTA}


def provider(*readers: InMemoryMetricReader, **settings: Any) -> MeterProvider:
    """Return a provider that is never shut down by itself."""
    return MeterProvider(readers, shutdown_on_exit=False, **settings)


def tables(made: Any, *readers: Any) -> list[Any]:
    """Return the table of the only instrument that each reader uses."""
    storages = [made._measurement_consumer._reader_storages[each] for each in readers]
    return [
        match.table
        for storage in storages
        for matches in storage._instrument_view_instrument_matches.values()
        for match in matches
    ]


def test_readers_that_see_the_same_share_a_table() -> None:
    """Then a cell is measured in line, as if there were one reader; each reads all of it."""
    one, two = InMemoryMetricReader(), InMemoryMetricReader()
    made = provider(one, two)
    counter = made.get_meter("m").create_counter("c")
    counter.add(2, {"k": "a"})
    first, second = tables(made, one, two)
    assert first is second
    assert first.cells["a"].ready is ATOMIC
    counter.add(3, {"k": "a"})
    for reader in (one, two, one):
        assert [each.value for each in points(reader, "c")] == [5]
    made.shutdown()


def test_what_differs_is_not_shared() -> None:
    """Another temporality, limit or View means another table."""
    plain, delta, few = (
        InMemoryMetricReader(),
        InMemoryMetricReader(preferred_temporality=DELTA),  # type: ignore[arg-type]
        InMemoryMetricReader(),
    )
    few._instrument_class_cardinality_limit = dict.fromkeys(
        few._instrument_class_cardinality_limit, 2
    )
    views = [View(instrument_name="c"), View(instrument_name="c", name="d")]
    made = provider(plain, delta, few, views=views)
    counter = made.get_meter("m").create_counter("c")
    for key in "abc":
        counter.add(1, {"k": key})
    found = tables(made, plain, delta, few)
    assert len(found) == len(set(found)) == 6
    assert len(points(plain, "c")) == len(points(delta, "d")) == 3
    overflow = [each for each in points(few, "c") if "otel.metric.overflow" in each.attributes]
    assert len(overflow) == 1
    made.shutdown()


def test_a_reader_that_comes_amid_the_first_measurement_has_its_own_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else one that comes later still would share it, and see what was measured before."""
    one, two, late = (InMemoryMetricReader() for _ in range(3))
    made = provider(one)
    counter: Any = made.get_meter("m").create_counter("c")
    storage: Any = made._measurement_consumer._reader_storages[one]
    enlist = storage.enlist

    def meanwhile(instrument: Any) -> None:
        monkeypatch.undo()
        made.add_metric_reader(two)
        counter.bind({"k": "b"})
        enlist(instrument)

    monkeypatch.setattr(storage, "enlist", meanwhile)
    counter.add(1, {"k": "a"})
    made.remove_metric_reader(two)
    made.add_metric_reader(late)
    counter.add(1, {"k": "b"})
    assert [(dict(each.attributes), each.value) for each in points(late, "c")] == [({"k": "b"}, 1)]
    made.shutdown()


def test_a_reader_that_comes_later_sees_only_what_comes_later() -> None:
    """It has a table of its own, also when an older one was shared before."""
    one, two, late = (InMemoryMetricReader() for _ in range(3))
    made = provider(one, two)
    counter = made.get_meter("m").create_counter("c")
    bound: Any = counter.bind({"k": "a"})  # type: ignore[attr-defined]
    counter.add(1, {"k": "a"})
    made.add_metric_reader(late)
    counter.add(10, {"k": "a"})
    bound.record(100)
    assert [each.value for each in points(one, "c")] == [111]
    assert [each.value for each in points(two, "c")] == [111]
    assert [each.value for each in points(late, "c")] == [110]
    made.remove_metric_reader(one)
    bound.record(1000)
    assert [each.value for each in points(two, "c")] == [1111]
    assert [each.value for each in points(late, "c")] == [1110]
    made.shutdown()


def test_a_reader_that_comes_before_the_first_measurement_may_share() -> None:
    """What was bound before it came finds the table that both share."""
    one, two = InMemoryMetricReader(), InMemoryMetricReader()
    made = provider(one)
    counter: Any = made.get_meter("m").create_counter("c")
    bound = counter.bind({"k": "a"})
    made.add_metric_reader(two)
    bound.record(1)
    counter.add(1, {"k": "a"})
    assert len(set(tables(made, one, two))) == 1
    assert [points(each, "c")[0].value for each in (one, two)] == [2, 2]
    made.shutdown()
