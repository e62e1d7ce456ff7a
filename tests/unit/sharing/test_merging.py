"""What several processes have measured, as one of them shows it."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)

from butterfly_otel import catalog
from butterfly_otel.engine.sdk_internals import StockMeterProvider, limited_view
from butterfly_otel.process import timing
from butterfly_otel.sharing.identity import layout_of, parsed
from butterfly_otel.sharing.merging import Merging
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.payload import read, write
from tests.unit.sharing.node import Node, lines, text, value

#: Sums of these are exact in any order, so that one process and several have the same.
AMOUNTS = st.one_of(
    st.integers(0, 2**60), st.integers(0, 1 << 20).map(lambda number: number / 1024)
)
LABELS = st.sampled_from(
    [{}, {"a": "x"}, {"a": "y"}, {"a": "x", "b": "z"}, {"n": 1}, {"n": True}, {"n": ("p", "q")}]
)
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["c", "u", "h"]), AMOUNTS, LABELS), max_size=60
)


def measure(meter: Any, kind: str, amount: float, labels: dict[str, Any]) -> None:
    """Measure by one of three instruments."""
    if kind == "c":
        meter.create_counter("things", unit="{thing}").add(amount, labels)
    elif kind == "u":
        meter.create_up_down_counter("level").add(min(amount, 1 << 40), labels)
    else:
        meter.create_histogram("sizes").record(min(amount, 1 << 40), labels)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, ended=st.sets(st.integers(0, 3), max_size=3))
def test_several_processes_show_what_one_that_measured_it_all_would(
    steps: list[tuple[int, str, float, dict[str, Any]]], ended: set[int]
) -> None:
    """Whoever is scraped, and whichever of them have ended, totals are those of all."""
    node, one = Node(), Node()
    for slot in range(5):
        node.start(slot)
    alone = one.start()
    alone.reader.share(None)
    for slot, kind, amount, labels in steps:
        measure(node.processes[slot].meter, kind, amount, labels)
        # Of what may fall, what a process had that has ended is not there any more.
        if kind != "u" or slot not in ended:
            measure(alone.meter, kind, amount, labels)
    for slot in ended:
        node.end(slot)
    expected = sorted(lines(alone))
    for process in node.processes.values():
        assert sorted(lines(process)) == expected
        assert sorted(lines(process)) == expected


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.lists(st.floats(0, 1e12), min_size=1, max_size=5), min_size=2, max_size=6),
    order=st.randoms(),
)
def test_no_counter_falls_in_whatever_order_processes_end(
    values: list[list[float]], order: Random
) -> None:
    """Sums of floats are the same before and after, to the last bit, and rounded once."""
    node = Node()
    for some in values:
        counter = node.start().meter.create_counter("things")
        for each in some:
            counter.add(each)
    witness = node.start(100)
    before = value(witness, "things_total")
    slots = list(range(len(values)))
    order.shuffle(slots)
    while slots:
        node.end(*(slots.pop() for _ in range(min(len(slots), order.randint(1, 2)))))
        assert value(witness, "things_total") == before
    assert before == pytest.approx(math.fsum(each for some in values for each in some))


@pytest.mark.parametrize("kind", ["c", "h"])
def test_what_the_ended_have_left_has_a_time_to_live(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from the end of the last process that had a series, unless a living one has it."""
    now = [10**18]
    monkeypatch.setattr(timing, "time_ns", lambda: now[0])
    name = {"c": "things_total", "h": "sizes_count"}[kind]
    node = Node(Modes(time_to_live={"Things": 60, "sizes": 60}))
    witness = node.start(9)
    for _ in range(2):
        process = node.start(0)
        measure(process.meter, kind, 1, {"a": "x"})
        measure(process.meter, kind, 1, {"a": "y"})
        node.end(0)
        now[0] += 59 * 10**9
        assert value(witness, f'{name}{{a="x"}}') is not None
    measure(witness.meter, kind, 1, {"a": "y"})
    assert value(witness, f'{name}{{a="x"}}') == 2
    now[0] += 2 * 10**9
    other = node.start(1)
    for each in (witness, other):
        assert value(each, f'{name}{{a="x"}}') is None
        assert value(each, f'{name}{{a="y"}}') == 3
    node.end(1)
    assert value(witness, f'{name}{{a="x"}}') is None


def test_integers_stay_exact() -> None:
    """A sum beyond what a float can hold has every unit, and stays an integer."""
    node = Node()
    for _ in range(3):
        node.start().meter.create_counter("big").add(2**60 + 1)
    node.end(2)
    [point] = node.data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert (type(point.value), point.value) == (int, 3 * (2**60 + 1))


def test_types_of_attributes_are_kept() -> None:
    """1, 1.0, True and "1" are four series, in whichever process they were measured."""
    node = Node()
    for values in ((1, 1.0, "1"), (True, 1, ("1",), (1, 2), (True,))):
        counter = node.start().meter.create_counter("things")
        for each in values:
            counter.add(1, {"key": each})
    points = node.data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    found = {
        (type(key), repr(key)): point.value for point in points for key in point.attributes.values()
    }
    assert found == {
        (int, "1"): 2,
        (float, "1.0"): 1,
        (str, "'1'"): 1,
        (bool, "True"): 1,
        (tuple, "('1',)"): 1,
        (tuple, "(1, 2)"): 1,
        (tuple, "(True,)"): 1,
    }


@pytest.mark.parametrize(
    ("across", "expected"),
    [("sum", 7), ("max", 4), ("min", 1), ("latest", 2), ("each", 2), ("node", 1)],
)
def test_gauges_are_merged_as_their_mode_says(across: Any, expected: float) -> None:
    """Of one series that all processes have, the mode decides what is shown."""
    node = Node(Modes({"level": across}))
    gauges = [node.start(leads=slot == 1).meter.create_gauge("level") for slot in range(3)]
    for gauge, amount in zip(gauges, (4, 1, 9), strict=True):
        gauge.set(amount)
        node.told()
    gauges[2].set(2)
    assert value(node.processes[0], "level") == expected


def test_only_gauges_can_be_chosen_from(caplog: pytest.LogCaptureFixture) -> None:
    """A counter that a setting names is added all the same, and that is told."""
    node = Node(Modes({"things": "max", "level": "node"}))
    for leads in (True, False):
        meter = node.start(leads=leads).meter
        meter.create_counter("things").add(2)
        meter.create_up_down_counter("level").add(2)
    assert value(node.processes[0], "things_total") == 4
    assert value(node.processes[0], "level") == 2
    assert "across names things, which is not a gauge" in caplog.text


def test_what_is_read_once_a_node_is_the_leaders_else_the_latest() -> None:
    """Without a leader that has it, the value that changed last stands; it is never added."""
    node = Node(Modes({"level": "node"}))
    first, second = node.start(leads=True), node.start()
    first.meter.create_gauge("level").set(5)
    node.told()
    second.meter.create_gauge("level").set(6)
    assert value(second, "level") == 5
    first.leads = False
    assert value(second, "level") == 6


def test_counters_of_hardware_are_not_added_nor_kept() -> None:
    """What the catalogue calls the node's is that of the leader, and leaves with it."""
    node = Node()
    for slot in range(2):
        meter = node.start(leads=slot == 1).provider.get_meter(catalog.METER_NAME)
        meter.create_observable_counter(
            "butterfly_cpu_throttle_events_total",
            callbacks=[lambda _, slot=slot: [observation(100 + slot)]],
        )
    name = "butterfly_cpu_throttle_events_total"
    assert value(node.processes[0], name) == 101
    node.end(1)
    assert value(node.processes[0], name) == 100


def observation(amount: float) -> Any:
    """Return what a callback observes."""
    from opentelemetry.metrics import Observation  # noqa: PLC0415

    return Observation(amount)


def test_gauges_of_processes_that_have_ended_go() -> None:
    """Neither a gauge nor what is under way outlives its process; a counter does."""
    node = Node()
    for amount in (1, 2):
        meter = node.start().meter
        meter.create_gauge("level").set(amount)
        meter.create_up_down_counter("under_way").add(amount)
        meter.create_counter("things").add(amount)
    node.end(1)
    process = node.processes[0]
    assert (value(process, "level"), value(process, "under_way")) == (1, 1)
    assert value(process, "things_total") == 3


def test_boundaries_that_differ_are_narrowed_to_those_all_have(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Buckets that all processes have are exact, the total is whole, and it is told once."""
    node = Node()
    for bounds in ((1, 5, 10), (1, 2, 10)):
        view = View(instrument_name="sizes", aggregation=ExplicitBucketHistogramAggregation(bounds))
        histogram = node.start(views=[view]).meter.create_histogram("sizes")
        for amount in (0.5, 3, 7, 20):
            histogram.record(amount)
    expected = ['{le="1.0"} 2.0', '{le="10.0"} 6.0', '{le="+Inf"} 8.0']
    for _ in range(2):
        assert lines(node.processes[0], "sizes_bucket") == [
            f"sizes_bucket{each}" for each in expected
        ]
    assert value(node.processes[0], "sizes_sum") == 61
    node.end(1)
    assert lines(node.processes[0], "sizes_bucket") == [f"sizes_bucket{each}" for each in expected]
    assert len([each for each in caplog.messages if "different boundaries" in each]) == 1


def test_the_union_keeps_the_limit_of_the_metric() -> None:
    """What is beyond it is added to the overflow point, and what was shown before stays."""
    node = Node()
    limit = 4
    for slot in range(3):
        view = limited_view(limit, instrument_name="things")
        counter = node.start(views=[view]).meter.create_counter("things")
        for turn in range(limit):
            counter.add(1, {"key": f"{slot}-{turn}"})
        node.told()
    for _ in range(2):
        shown = lines(node.processes[2], "things")
        assert sorted(shown) == [
            *(f'things_total{{key="0-{turn}"}} 1.0' for turn in range(limit)),
            'things_total{otel_metric_overflow="true"} 8.0',
        ]
    node.end(0, 1)
    assert sorted(lines(node.processes[2], "things")) == sorted(shown)
    node.end(2)
    assert sorted(lines(node.start(), "things")) == sorted(shown)
    [record] = read(node.ended or b"").records
    assert len(layout_of(parsed(record.layout)).rows) == limit + 1


def test_a_union_of_no_known_limit_has_that_of_the_specification() -> None:
    """Streams of the stock SDK don't tell their limit; workers that come and go are bounded."""
    node = Node()
    for slot in range(5):
        counter = node.start(provider=StockMeterProvider).meter.create_counter("things")
        for turn in range(600):
            counter.add(1, {"key": f"{slot}-{turn}"})
        node.told()
    node.end(0, 1, 2, 3)
    shown = lines(node.processes[4], "things_total")
    assert len(shown) == 2001
    assert 'things_total{otel_metric_overflow="true"} 1000.0' in shown


def test_values_that_are_no_numbers_cost_nothing_else() -> None:
    """NaN and infinities come out as they add up, and a NaN is neither largest nor smallest."""
    modes = Modes({"high": "max", "low": "min"})
    node = Node(modes)
    for amount in (3.5, 2.5):
        meter = node.start().meter
        for name in ("high", "low"):
            meter.create_gauge(name).set(amount)
        meter.create_up_down_counter("level").add(amount)
        meter.create_counter("things").add(1)
        meter.create_counter("huge").add(1.2e308)
    members = node.told().members
    members[0] = members[0].replace(b"3.5", b"NaN")
    [resource] = Merging(modes).merge(None, members).data.resource_metrics
    found = {
        metric.name: next(iter(metric.data.data_points)).value
        for metric in resource.scope_metrics[0].metrics
    }
    assert math.isnan(found.pop("level"))
    assert found == {"high": 2.5, "low": 2.5, "things": 2, "huge": math.inf}
    members[1] = members[1].replace(b"2.5", b"NaN")
    [resource] = Merging(modes).merge(None, members).data.resource_metrics
    assert math.isnan(resource.scope_metrics[0].metrics[0].data.data_points[0].value)
    ended = node.processes[0].content.fold(None, list(members.values()))
    [resource] = Merging(modes).merge(ended, {}).data.resource_metrics
    assert resource.scope_metrics[0].metrics[1].data.data_points[0].value == math.inf


def test_exponential_histograms_are_added_at_the_coarser_scale() -> None:
    """The counts of several processes are those of one, where the scales differ."""
    view = View(
        instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation(max_size=20)
    )
    node, one = Node(), Node()
    alone = one.start(provider=StockMeterProvider, views=[view]).meter.create_histogram("sizes")
    for values in ((1.1, 1.2, 0), (0.001, 900), (3,)):
        process = node.start(provider=StockMeterProvider, views=[view])
        histogram = process.meter.create_histogram("sizes")
        for each in values:
            histogram.record(each)
            alone.record(each)
    node.end(1)
    [found] = points_of(node)
    [expected] = points_of(one)
    assert isinstance(found, ExponentialHistogramDataPoint)
    assert (found.count, found.sum, found.zero_count) == (6, pytest.approx(expected.sum), 1)
    assert (found.min, found.max, found.scale) == (0, 900, expected.scale)
    assert sum(found.positive.bucket_counts) == 5
    trimmed = [each for each in expected.positive.bucket_counts if each]
    assert [each for each in found.positive.bucket_counts if each] == trimmed


def points_of(node: Node) -> list[Any]:
    """Return the data points of the only metric."""
    [metric] = node.data().resource_metrics[0].scope_metrics[0].metrics
    return list(metric.data.data_points)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b'"version":1', b'"version":2'),
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda data: b"\xff" + data,
        lambda data: data.replace(b"\n[5]", b"\n[5,5]"),
        lambda data: data.replace(b'"rows"', b'"sows"'),
    ],
)
def test_what_cannot_be_read_is_left_out_whole(
    damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A payload of another release or in pieces costs no other process anything; told once."""
    node = Node()
    for amount in (3, 5):
        node.start().meter.create_counter("things").add(amount)
    told = node.told()
    members = {0: told.members[0], 9: damage(told.members[1])}
    assert members[9] != told.members[1]
    merging = Merging(Modes())
    for _ in range(2):
        [resource] = merging.merge(damage(told.members[1]), members).data.resource_metrics
        [metric] = resource.scope_metrics[0].metrics
        assert [point.value for point in metric.data.data_points] == [3]
    assert len(caplog.records) <= 2
    content = node.processes[0].content
    assert content.fold(damage(told.members[1]), [told.members[0]]) == content.fold(
        None, [told.members[0]]
    )


def test_folding_is_the_same_at_once_or_one_by_one() -> None:
    """What is kept does not depend on how many ended together."""
    node = Node()
    for slot in range(4):
        meter = node.start().meter
        meter.create_counter("things").add(0.1 * (slot + 1), {"key": f"{slot % 3}"})
        meter.create_histogram("sizes").record(0.1 * slot)
    snapshots = [each.content.snapshot() for each in node.processes.values()]
    content = node.processes[0].content
    at_once = content.fold(None, snapshots)
    one_by_one = None
    for each in snapshots:
        one_by_one = content.fold(one_by_one, [each])
    assert one_by_one == at_once
    assert content.fold(content.fold(None, snapshots[:2]), snapshots[2:]) == at_once
    assert write(read(at_once)) == at_once


def test_places_of_series_that_are_gone_are_given_anew() -> None:
    """Memory is bounded by what there is, also where peers come and go for ever."""
    node = Node()
    process = node.start()
    gauge: Any = process.meter.create_gauge("level")
    counter: Any = process.meter.create_counter("things")
    merging = Merging(Modes())
    for turn in range(1_000):
        gauge.set(1, {"peer": str(turn)})
        counter.add(1, {"peer": str(turn)})
        if turn % 50 == 49:
            told = node.told()
            [resource] = merging.merge(told.ended, told.members).data.resource_metrics
            [first, second] = [each.data.data_points for each in resource.scope_metrics[0].metrics]
            assert len(first) == len(second) == 50
            assert len(first.table.cells) <= 250
            gauge.remove(lambda _: True)
            counter.remove(lambda _: True)


def test_the_same_series_are_the_same_cells_from_scrape_to_scrape() -> None:
    """So a scrape looks at no label twice; a new series comes after those that are known."""
    node = Node()
    for slot in range(3):
        node.start().meter.create_counter("things").add(1, {"key": str(slot)})
    merging = Merging(Modes())

    def cells() -> list[Any]:
        told = node.told()
        [resource] = merging.merge(told.ended, told.members).data.resource_metrics
        return list(resource.scope_metrics[0].metrics[0].data.data_points.cells)

    first = cells()
    node.processes[1].meter.create_counter("things").add(1, {"key": "new"})
    second = cells()
    assert second[:3] == first
    assert len(second) == 4
    node.end(1)
    assert cells() == second


def test_a_series_that_one_process_removes_does_not_make_the_sum_fall() -> None:
    """It is not shown any more when all have removed it, and goes on when it is back."""
    node = Node()
    counters = []
    for amount in (3, 4):
        counter = node.start().meter.create_counter("things")
        counter.add(amount, {"key": "a"})
        counter.add(1, {"key": "b"})
        counters.append(counter)
    process = node.processes[0]
    series = 'things_total{key="a"}'
    assert value(process, series) == 7
    counters[0].remove(lambda attributes: attributes == {"key": "a"})
    assert value(process, series) == 7
    counters[1].remove(lambda attributes: attributes == {"key": "a"})
    assert value(process, series) is None
    node.end(1)
    assert value(process, series) is None
    counters[0].add(2, {"key": "a"})
    assert value(process, series) == 9
    assert value(process, 'things_total{key="b"}') == 2


def test_a_callback_that_fails_once_does_not_make_the_sum_fall() -> None:
    """What it observed last stands in the sum; where it is the only one, it is left out."""
    node = Node()
    broken: set[int] = set()

    def observe(slot: int) -> list[Any]:
        if slot in broken:
            raise RuntimeError
        return [observation(10 + slot)]

    for slot in range(2):
        node.start().meter.create_observable_counter(
            "seen", callbacks=[lambda _, slot=slot: observe(slot)]
        )
    process = node.processes[0]
    assert value(process, "seen_total") == 21
    broken.add(1)
    assert value(process, "seen_total") == 21
    broken.clear()
    assert value(process, "seen_total") == 21


def test_one_late_process_is_counted_and_told() -> None:
    """What it stored last is shown, and the omission has its reason."""
    node = Node()
    process = node.start()
    process.meter.create_counter("things").add(1)
    node.late = (7,)
    assert value(process, "things_total") == 1
    assert process.reader.omissions == {"late_process": 1}


def test_all_of_the_node_is_seen_by_the_official_encoder_too() -> None:
    """prometheus_client's own generate_latest shows the OpenTelemetry metrics of all."""
    from prometheus_client import generate_latest  # noqa: PLC0415

    node = Node()
    for _ in range(2):
        process = node.start()
        process.meter.create_counter("things").add(2)
    assert b"things_total 4.0" in generate_latest(process.registry)
    assert "things_total 4.0" in text(process)
