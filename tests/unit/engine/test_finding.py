"""How attributes find their target: remembered whatever they are, told apart, and bounded."""

from __future__ import annotations

import gc
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics import MeterProvider as StockProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from butterfly_otel.engine import MeterProvider
from butterfly_otel.engine.cells import Cell
from butterfly_otel.engine.fanout import FanOut
from tests.collected import points
from tests.unit.engine.conftest import facts, silence, standing_clock
from tests.unit.engine.test_fork import in_child

DELTA: Any = {Counter: AggregationTemporality.DELTA}
OVERFLOW = {"otel.metric.overflow": True}
MEASURE = {"counter": "add", "up_down_counter": "add", "histogram": "record", "gauge": "set"}
NAN = float("nan")
SAMPLED = set_span_in_context(
    NonRecordingSpan(SpanContext(5, 7, is_remote=False, trace_flags=TraceFlags(1))), Context()
)


class Dict(dict[Any, Any]):
    """A dict of the caller's own."""


class Text(str):
    """A string of the caller's own."""

    __slots__ = ()


def start(*readers: InMemoryMetricReader, **settings: Any) -> tuple[MeterProvider, Any]:
    """Return a provider and a counter."""
    provider = MeterProvider(readers, shutdown_on_exit=False, **settings)
    return provider, provider.get_meter("m").create_counter("c")


def limited(most: int, *keys: str) -> list[View]:
    """Return a View with a limit that keeps these attributes, or all."""
    return [
        View(
            instrument_name="*",
            attribute_keys=set(keys) or None,
            aggregation_cardinality_limit=most,
        )
    ]


SCALARS = st.sampled_from(
    ["x", "1", "1.0", "True", 0, 1, 1.0, True, False, 0.0, -0.0, NAN, 2**70, None, b"x", b"1"]
)
SEQUENCES = st.lists(SCALARS, max_size=3)
VALUES = st.one_of(
    SCALARS,
    SEQUENCES,
    SEQUENCES.map(tuple),
    st.lists(SEQUENCES | SEQUENCES.map(tuple), max_size=2),
    st.dictionaries(st.sampled_from("pq"), SCALARS, max_size=2),
    st.sampled_from([Text("x"), {1}, ("x", str), (("x", str), str)]),
)
KEYS = st.sampled_from(["k", "j", "l", "", 1, 1.0, True, "1", Text("k")])
WRAPPED: Any = st.sampled_from([dict, Dict, OrderedDict, MappingProxyType])
ATTRIBUTES = st.one_of(
    st.builds(
        lambda wrap, items: wrap(dict(items)),
        WRAPPED,
        st.lists(st.tuples(st.sampled_from("kjl"), SCALARS), max_size=3),
    ),
    st.builds(lambda wrap, items: wrap(items), WRAPPED, st.dictionaries(KEYS, VALUES, max_size=3)),
    st.sampled_from([None, {}, [], "", 0, "k", {"k"}, OVERFLOW]),
)


@given(
    st.sampled_from(list(MEASURE)),
    st.lists(ATTRIBUTES, min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30),
    st.sampled_from([(), ("k",), ("k", "j", "1")]),
    st.sampled_from([2, 5, 100]),
    st.sampled_from([None, DELTA]),
)
def test_attributes_of_any_kind_are_told_apart_as_by_the_stock_sdk(
    kind: str,
    pool: list[Any],
    calls: list[tuple[int, bool]],
    keys: tuple[str, ...],
    most: int,
    preference: Any,
) -> None:
    """However often they come and in which order: 1, 1.0 and True, NaN, lists, foreign dicts."""
    collected = []
    for provider_class in (StockProvider, MeterProvider):
        with silence(), standing_clock() as clock:
            clock.now = 10**18
            reader = InMemoryMetricReader(preference)
            provider = provider_class([reader], shutdown_on_exit=False, views=limited(most, *keys))
            instrument = getattr(provider.get_meter("m"), f"create_{kind}")("i")
            measure = getattr(instrument, MEASURE[kind])
            found = []
            for at, collect in [*calls, *((each, False) for each in range(6)), (0, True)]:
                clock.tick()
                measure(2, pool[at % len(pool)])
                if collect:
                    data = facts(reader.get_metrics_data(), times=True)
                    found.append(data[0][2])
            collected.append(found)
            provider.remove_metric_reader(reader)
    assert collected[0] == collected[1]


REMEMBERED: dict[str, Any] = {
    "int": {"http.response.status_code": 200, "http.route": "/"},
    "bool": {"error": True},
    "float": {"ratio": 0.5},
    "none": {"user": None},
    "bytes": {"hash": b"x"},
    "strings": {"tags": ["a", "b"], "k": "v"},
    "numbers": {"sizes": (1, 2.0, True)},
    "other keys": {"j": "x"},
    "nothing": {},
}


@pytest.mark.parametrize("attributes", REMEMBERED.values(), ids=REMEMBERED.keys())
@pytest.mark.parametrize("views", [[], limited(100, "k", "error")], ids=["all kept", "dropped"])
@pytest.mark.parametrize("preference", [None, DELTA], ids=["cumulative", "delta"])
def test_attributes_are_looked_up_once(
    attributes: Any, views: list[View], preference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever plain values they have, and whether or not the series keeps all of them."""
    reader = InMemoryMetricReader(preference)
    provider, counter = start(reader, views=views)
    counter.add(1, {"k": "another"})
    other_order = dict(reversed(attributes.items()))
    counter.add(1, dict(attributes))
    counter.add(1, dict(other_order))
    monkeypatch.setattr(type(counter), "_look", None)
    counter.add(1, dict(attributes))
    counter.add(1, dict(other_order))
    assert sorted(each.value for each in points(reader, "c")) == [1, 4]
    provider.shutdown()


def _numbers(number: int) -> Any:
    return {"k": number}


def _sequences(number: int) -> Any:
    return {"k": [str(number)]}


def _dropped(number: int) -> Any:
    return {"k": "x", "id": str(number)}


def _other_shape(number: int) -> Any:
    return {"j": str(number), "id": "x"}


def _large(number: int) -> Any:
    return {"k": "x", "id": str(number) * 10_000}


FLOODS = [_numbers, _sequences, _dropped, _other_shape, _large]


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("preference", [None, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("many", [1, 2])
def test_a_flood_fills_no_memory(flood: Callable[[int], Any], preference: Any, many: int) -> None:
    """What is remembered is bounded by the limit in number, and in size, and loses nothing."""
    readers = [InMemoryMetricReader(preference) for _ in range(many)]
    provider, counter = start(*readers, views=limited(20, "k", "j"))
    counter.add(1, {"k": "x"})
    for number in range(3_000):
        counter.add(1, flood(number))
    bound = 2 * 20 + 1024
    assert len(counter._memory) <= bound
    assert len(counter._lookup[2]) <= bound
    if flood is _large:
        assert len(counter._memory) + len(counter._lookup[2]) <= 2
    for reader in readers:
        assert sum(each.value for each in points(reader, "c")) == 3_001
    provider.shutdown()


def test_nothing_of_a_caller_is_kept_but_plain_values() -> None:
    """An object that is given for a value can be freed: only its text is exported."""

    class Thing:
        """Stands for what should be freed."""

    reader = InMemoryMetricReader()
    provider, counter = start(reader)
    thing = Thing()
    gone = weakref.ref(thing)
    with silence():
        for value in (thing, [thing], (thing,), {"p": thing}):
            counter.add(1, {"k": value})
    del thing, value
    gc.collect()
    assert gone() is None
    provider.shutdown()


def test_beyond_the_limit_nothing_is_left_behind_and_room_is_found_again() -> None:
    """The overflow point is measured as long as there is no room, and not a moment longer."""
    reader = InMemoryMetricReader()
    provider, counter = start(reader, views=limited(3))
    for number in range(100):
        counter.add(1, {"k": f"{number}"})
        counter.add(1, {"k": number, "j": "x"})
    assert len(counter._memory) + len(counter._lookup[2]) <= 8
    counter.remove(lambda attributes: attributes.get("k") == "0")
    counter.add(10, {"k": "7"})
    counter.add(10, {"k": "8"})
    found = {each.attributes.get("k"): each.value for each in points(reader, "c")}
    assert found == {"1": 1, 0: 1, "7": 10, None: 197 + 10}
    provider.shutdown()


@pytest.mark.parametrize("current", [False, True], ids=["given", "current"])
@pytest.mark.parametrize("provider_class", [StockProvider, MeterProvider])
def test_an_exemplar_tells_what_the_series_does_not(
    provider_class: type[StockProvider], monkeypatch: pytest.MonkeyPatch, *, current: bool
) -> None:
    """The attributes that a View drops, and all of them at the overflow point."""
    reader = InMemoryMetricReader()
    provider = provider_class([reader], shutdown_on_exit=False, views=limited(1, "k"))
    counter = provider.get_meter("m").create_counter("c")
    for key in ("x", "x", "y", "z"):
        counter.add(1, {"k": key, "id": f"{key}-1"})
        if current:
            with monkeypatch.context() as patch, trace.use_span(trace.get_current_span(SAMPLED)):
                patch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
                counter.add(1, {"k": key, "id": f"{key}-1"})
        else:
            counter.add(1, {"k": key, "id": f"{key}-1"}, SAMPLED)
    found = {
        repr(dict(each.attributes)): [dict(one.filtered_attributes) for one in each.exemplars]
        for each in points(reader, "c")
    }
    assert found["{'k': 'x'}"][-1] == {"id": "x-1"}
    assert found[repr(OVERFLOW)][-1] in ({"k": "y", "id": "y-1"}, {"k": "z", "id": "z-1"})
    provider.shutdown()


@pytest.mark.parametrize("attributes", [*REMEMBERED.values(), {"k": "x", "dropped": "y"}], ids=repr)
@pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"])
def test_what_is_remembered_follows_the_readers(attributes: Any, *, bound: bool) -> None:
    """A reader that comes sees what is measured from then on; one that goes takes nothing along."""
    one, two = InMemoryMetricReader(), InMemoryMetricReader(DELTA)
    provider, counter = start(one, views=limited(10, *{"k", *attributes} - {"dropped"}))
    target = counter.bind(attributes)

    def add(amount: int) -> None:
        if bound:
            target.record(amount)
        else:
            counter.add(amount, attributes)

    add(1)
    add(1)
    provider.add_metric_reader(two)
    add(10)
    add(10)
    assert [each.value for each in points(two, "c")] == [20]
    provider.remove_metric_reader(two)
    add(100)
    assert [each.value for each in points(one, "c")] == [122]
    provider.shutdown()


def test_a_series_is_ended_by_its_attributes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others there are: none of them is looked at, or looked up again."""
    reader = InMemoryMetricReader()
    provider, counter = start(reader)
    for number in range(50):
        counter.add(1, {"k": f"{number}"})
        counter.add(1, {"k": number})
    [table] = counter._streams.tables
    with monkeypatch.context() as patch:
        patch.setattr(type(table.cells["7"]), "labels", None)
        patch.setattr(type(table), "remove", None)
        counter.end({"k": "7"})
        counter.end({"k": 8})
        counter.end({"k": "never measured"})
    assert len(points(reader, "c")) == 98
    with monkeypatch.context() as patch:
        patch.setattr(type(counter), "_look", None)
        counter.add(1, {"k": "9"})
        counter.add(1, {"k": 9})
    counter.add(5, {"k": "7"})
    found = {repr(each.attributes["k"]): each.value for each in points(reader, "c")}
    assert found["'7'"] == 5
    assert "8" not in found
    assert (found["'9'"], found["9"]) == (2, 2)
    provider.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("attributes", [{"k": 1}, {"k": ["x"]}, {}, {"k": "x", "id": "y"}])
def test_what_is_remembered_leads_a_child_to_series_of_its_own(attributes: Any) -> None:
    """A forked child remembers where attributes lead, and finds it empty."""
    reader = InMemoryMetricReader()
    provider, counter = start(reader, views=limited(10, "k"))
    for _ in range(3):
        counter.add(1, attributes)

    def child() -> list[float]:
        counter.add(5, attributes)
        counter.add(5, attributes)
        return [each.value for each in points(reader, "c")]

    assert in_child(child) == [10]
    assert [each.value for each in points(reader, "c")] == [3]
    provider.shutdown()


def test_what_is_no_cell_is_never_put_among_the_cells() -> None:
    """Nor what a thread has found that saw a new reader before the instrument was told of it."""
    provider, counter = start(InMemoryMetricReader())
    counter.add(1, {"k": "x"})
    direct = counter._direct
    assert counter._lookup[2] is direct.cells
    late = FanOut(counter, counter.generation, {"k": "y"}, [direct.cells["x"]], ())
    counter._remember({"k": "y"}, late)
    assert all(isinstance(each, Cell) for each in direct.cells.values())
    assert counter.find({"k": "y"}) is late
    provider.shutdown()
