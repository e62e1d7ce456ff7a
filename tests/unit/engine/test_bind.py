"""Bound targets, and removing series."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExponentialBucketHistogramAggregation,
    SumAggregation,
    View,
)

from butterfly_otel.engine import MeterProvider
from butterfly_otel.engine.cells import Cell
from butterfly_otel.process.gil import ATOMIC
from tests.collected import points

DELTA = {Counter: AggregationTemporality.DELTA}
OVERFLOW = {"otel.metric.overflow": True}


def _start(*readers: InMemoryMetricReader, **settings: Any) -> tuple[MeterProvider, Any]:
    provider = MeterProvider(readers, shutdown_on_exit=False, **settings)
    return provider, provider.get_meter("m").create_counter("c")


def _series(reader: InMemoryMetricReader) -> dict[Any, Any]:
    return {frozenset(p.attributes.items()): p.value for p in points(reader, "c")}


def _k(value: str) -> frozenset[Any]:
    return frozenset({("k", value)})


@pytest.mark.parametrize("preference", [None, DELTA])
def test_a_bound_target_is_no_series_until_it_is_measured(preference: Any) -> None:
    """Binding exports nothing."""
    reader = InMemoryMetricReader(preference)
    _, counter = _start(reader)
    bound = counter.bind({"k": "a"})
    assert reader.get_metrics_data() is None
    bound.record(2)
    assert _series(reader) == {_k("a"): 2}


@pytest.mark.parametrize("preference", [None, DELTA])
def test_a_bound_target_and_the_api_measure_the_same_series(preference: Any) -> None:
    """Whichever came first, there is one series."""
    reader = InMemoryMetricReader(preference)
    _, counter = _start(reader)
    counter.add(1, {"k": "a"})
    first, second = counter.bind({"k": "a"}), counter.bind({"k": "a"})
    early = counter.bind({"k": "b"})
    counter.add(1, {"k": "b"})
    first.record(10)
    second.record(100)
    early.record()
    assert _series(reader) == {_k("a"): 111, _k("b"): 2}


def test_a_bound_target_survives_delta_collections() -> None:
    """Each interval has what was measured in it."""
    reader = InMemoryMetricReader(DELTA)
    _, counter = _start(reader)
    bound = counter.bind({"k": "a"})
    for amount in (1, 2, 3):
        bound.record(amount)
        counter.add(10, {"k": "a"})
        assert _series(reader) == {_k("a"): amount + 10}
    assert reader.get_metrics_data() is None


def test_a_bound_target_survives_removal_and_starts_again_from_zero() -> None:
    """A removed series is gone from the export until it is measured again."""
    reader = InMemoryMetricReader()
    _, counter = _start(reader)
    kept, bound = counter.bind({"k": "b"}), counter.bind({"k": "a"})
    kept.record(1)
    bound.record(5)
    counter.remove(lambda attributes: attributes.get("k") == "a")
    assert _series(reader) == {_k("b"): 1}
    bound.record(2)
    counter.add(1, {"k": "a"})
    assert _series(reader) == {_k("b"): 1, _k("a"): 3}
    counter.clear()
    assert reader.get_metrics_data() is None
    counter.add(4, {"k": "a"})
    kept.record(6)
    assert _series(reader) == {_k("a"): 4, _k("b"): 6}


def test_a_series_that_begins_again_has_a_new_start_time() -> None:
    """A backend sees a reset, not a counter that went backwards."""
    reader = InMemoryMetricReader()
    _, counter = _start(reader)
    bound = counter.bind({"k": "a"})
    bound.record(5)
    [before] = points(reader, "c")
    counter.clear()
    bound.record(1)
    [after] = points(reader, "c")
    assert after.start_time_unix_nano > before.time_unix_nano


def test_deltas_are_exported_once_more_after_removal() -> None:
    """Removing a series loses nothing that a delta reader has not exported yet."""
    reader = InMemoryMetricReader(DELTA)
    _, counter = _start(reader)
    counter.add(5, {"k": "a"})
    counter.clear()
    assert _series(reader) == {_k("a"): 5}
    assert reader.get_metrics_data() is None


def test_removal_makes_room_below_the_cardinality_limit() -> None:
    """A series that was removed gives its place to the next new one, also after an overflow."""
    reader = InMemoryMetricReader()
    limit = View(instrument_name="c", aggregation_cardinality_limit=2)
    _, counter = _start(reader, views=[limit])
    for value in ("a", "b", "lost"):
        counter.add(1, {"k": value})
    counter.remove(lambda attributes: attributes.get("k") == "a")
    counter.add(1, {"k": "new"})
    assert _series(reader) == {_k("b"): 1, frozenset(OVERFLOW.items()): 1, _k("new"): 1}


def test_removal_reaches_series_the_stock_sdk_aggregates() -> None:
    """What is exported after clear() does not depend on the aggregation."""
    reader = InMemoryMetricReader()
    exponential = ExponentialBucketHistogramAggregation()
    _, counter = _start(reader, views=[View(instrument_name="c", aggregation=exponential)])
    counter.add(1, {"k": "a"})
    counter.clear()
    assert reader.get_metrics_data() is None


def test_a_bound_target_follows_readers_that_come_and_go() -> None:
    """A target bound with any set of readers measures for the readers there are."""
    first, second = InMemoryMetricReader(), InMemoryMetricReader(DELTA)
    provider, counter = _start()
    bound = counter.bind({"k": "a"})
    bound.record(1)
    provider.add_metric_reader(first)
    bound.record(2)
    provider.add_metric_reader(second)
    bound.record(4)
    late = counter.bind({"k": "a"})
    late.record(8)
    assert _series(first) == {_k("a"): 14}
    assert _series(second) == {_k("a"): 12}
    provider.remove_metric_reader(first)
    bound.record(16)
    late.record(32)
    assert _series(second) == {_k("a"): 48}
    provider.add_metric_reader(first)
    bound.record(64)
    assert _series(first) == {_k("a"): 64}
    assert _series(second) == {_k("a"): 64}


def test_a_bound_target_keeps_all_its_attributes_for_readers_that_come() -> None:
    """What a View of today's reader filters out is there for a reader that needs it."""
    first = InMemoryMetricReader(preferred_aggregation={Counter: DropAggregation()})
    second = InMemoryMetricReader()
    views = [
        View(instrument_name="c", name="whole"),
        View(instrument_name="c", name="bare", attribute_keys=set(), aggregation=SumAggregation()),
    ]
    provider, counter = _start(first, views=views)
    bound = counter.bind({"k": "a"})
    bound.record(1)
    provider.add_metric_reader(second)
    bound.record(1)
    [point] = points(second, "whole")
    assert point.attributes == {"k": "a"}


@pytest.mark.parametrize("preference", [None, DELTA])
@pytest.mark.parametrize("many", [1, 2])
def test_the_limit_holds_for_bound_targets_as_for_the_api(preference: Any, many: int) -> None:
    """Which series get a place, and what overflows, depends on the measurements alone."""
    collected = []
    for by_api in (True, False):
        readers = [InMemoryMetricReader(preference) for _ in range(many)]
        limit = View(instrument_name="c", aggregation_cardinality_limit=3)
        _, counter = _start(*readers, views=[limit])
        targets = {value: counter.bind({"k": value}) for value in "fedcba"}
        for values in ("abcdea", "f", "fed", "dcbaf"):
            for value in values:
                if by_api:
                    counter.add(1, {"k": value})
                else:
                    targets[value].record()
            collected.append([_series(reader) for reader in readers])
    assert collected[:4] == collected[4:]
    assert collected[0][0] == {
        _k("a"): 2,
        _k("b"): 1,
        _k("c"): 1,
        frozenset(OVERFLOW.items()): 2,
    }


def _cells_that_live() -> int:
    """How many there are; asks no object for its class, since a dead proxy cannot tell it."""
    return sum(issubclass(type(each), Cell) for each in gc.get_objects())


@pytest.mark.parametrize(
    ("preference", "many", "flood"),
    [(None, 1, 100_000), (DELTA, 1, 20_000), (None, 2, 20_000), (DELTA, 2, 20_000)],
)
def test_a_flood_of_attribute_sets_grows_nothing(preference: Any, many: int, flood: int) -> None:
    """A hundred thousand combinations leave no more behind than the limit and a few."""
    readers = [InMemoryMetricReader(preference) for _ in range(many)]
    limit = View(instrument_name="c", aggregation_cardinality_limit=100)
    _, counter = _start(*readers, views=[limit])
    gc.collect()
    before = _cells_that_live()
    for number in range(flood):
        counter.add(1, {"k": f"{number}"})
    gc.collect()
    after = _cells_that_live()
    assert len(counter._memory) + len(counter._lookup[2]) <= 2 * 100 + 1024
    assert after - before <= many * (3 * 100 + 1024 + 1)
    for reader in readers:
        series = _series(reader)
        assert len(series) == 101
        assert sum(series.values()) == flood


class Hostile(dict[str, str]):
    """A dictionary that fails where the SDK does not look."""

    def values(self) -> Any:
        raise RuntimeError


def test_attributes_of_a_hostile_kind_never_raise() -> None:
    """What the SDK copes with is measured, however the mapping behaves otherwise."""
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c")
    for _ in range(2):
        counter.add(1, Hostile(k="v"))
    [point] = points(reader, "c")
    assert (point.value, dict(point.attributes)) == (2, {"k": "v"})


def test_a_target_bound_before_the_first_reader_settles_on_it() -> None:
    """Once a reader has come, an early target looks up its series once and no more."""
    provider = MeterProvider([], shutdown_on_exit=False)
    counter = provider.get_meter("m").create_counter("c")
    bound = counter.bind({"k": "v"})
    bound.record(1)
    reader = InMemoryMetricReader()
    provider.add_metric_reader(reader)
    bound.record(1)
    counter.target = None
    bound.record(1)
    [point] = points(reader, "c")
    assert point.value == 2


def test_all_who_bind_a_series_beforehand_share_its_cell() -> None:
    """Else only the first to measure would have the live one, and the others a slow way."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter: Any = provider.get_meter("m").create_counter("c")
    early = [counter.bind({"k": "a"}) for _ in range(2)]
    assert early[0] is early[1]
    early[0].record(1)
    assert counter.bind({"k": "a"}) is early[0]
    counter.clear()
    assert counter.bind({"k": "a"}) is early[0]
    counter.add(2, {"k": "a"})
    early[1].record(3)
    assert [point.value for point in points(reader, "c")] == [5]
    assert early[0].ready is ATOMIC
    provider.shutdown()


def test_cells_nobody_holds_on_to_are_forgotten() -> None:
    """Looking up a million series must not take the memory of a million."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    counter: Any = provider.get_meter("m").create_counter("c")
    held = counter.bind({"k": "held"})
    for number in range(100):
        held.table.cell({"k": str(number)})
    assert list(held.table._dormant) == ["held"]
    provider.shutdown()


def test_what_is_bound_is_remembered_by_who_holds_it_alone() -> None:
    """A handle keeps its targets itself; a second memory of all series would be waste."""
    _, counter = _start(InMemoryMetricReader(DELTA))
    for number in range(100):
        counter.bind({"k": f"{number}"}).record(1)
    assert len(counter._memory) + len(counter._lookup[2]) == 0


def test_a_call_without_attributes_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """None and an empty dict are the same series, which is looked up once."""
    reader = InMemoryMetricReader()
    _, counter = _start(reader)
    counter.add(1)
    monkeypatch.setattr(type(counter), "_look", None)
    counter.add(1, {})
    counter.add(1, None)
    assert _series(reader) == {frozenset(): 3}


@pytest.mark.parametrize("preference", [None, DELTA])
def test_a_call_with_a_context_follows_readers_that_come(preference: Any) -> None:
    """A target that is held, and is given a context of the caller's, measures for all readers."""
    first, second = InMemoryMetricReader(preference), InMemoryMetricReader(preference)
    provider, counter = _start(first)
    bound = counter.bind({"k": "a"})
    bound.record_within(1, Context())
    provider.add_metric_reader(second)
    bound.record_within(2, Context())
    counter.add(4, {"k": "a"}, Context())
    assert _series(first) == {_k("a"): 7}
    assert _series(second) == {_k("a"): 6}
