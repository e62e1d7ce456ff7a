"""Collections that end early, and observables that are created more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine import MeterProvider
from tests.collected import points

TEMPORALITIES = [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA]
OVERFLOW = {"otel.metric.overflow": True}


class Stop(BaseException):
    """What ends a round and is not an Exception."""


def _start(
    temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
    limit: int | None = None,
    **settings: Any,
) -> tuple[Any, InMemoryMetricReader]:
    reader = InMemoryMetricReader({ObservableCounter: temporality})
    if limit is not None:
        settings["views"] = [View(instrument_name="o", aggregation_cardinality_limit=limit)]
    provider = MeterProvider([reader], shutdown_on_exit=False, **settings)
    return provider.get_meter("m"), reader


def _values(reader: InMemoryMetricReader, name: str = "o") -> list[float]:
    return [point.value for point in points(reader, name)]


def _failing_then_well(error: BaseException | None) -> Any:
    """Return a callback that fails once, by raising or by being slow."""
    failed = False

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        nonlocal failed
        if not failed:
            failed = True
            if error is not None:
                raise error
        return [Observation(1)]

    return observe


@pytest.mark.parametrize("temporality", TEMPORALITIES)
@pytest.mark.parametrize("error", [Stop(), SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_a_round_that_a_callback_ends_leaves_nothing_to_the_next_one(
    temporality: AggregationTemporality, error: BaseException
) -> None:
    """An observed total of 100 is 100, whatever ended the collection before."""
    meter, reader = _start(temporality)
    meter.create_observable_counter("o", [lambda _: [Observation(100)]])
    meter.create_observable_gauge("failing", [_failing_then_well(error)])
    with pytest.raises(type(error)):
        reader.collect()
    assert _values(reader) == [100]
    expected = [100] if temporality is AggregationTemporality.CUMULATIVE else [0]
    assert _values(reader) == expected


@pytest.mark.parametrize("temporality", TEMPORALITIES)
def test_a_round_that_times_out_leaves_nothing_to_the_next_one(
    temporality: AggregationTemporality,
) -> None:
    """A total of 100 was 200 after a collection that had no time."""
    meter, reader = _start(temporality)
    meter.create_observable_counter("o", [lambda _: [Observation(100)]])
    seconds = [0.2, 0]
    meter.create_observable_gauge(
        "slow", [lambda _: Event().wait(seconds.pop(0)) or [Observation(1)]]
    )
    meter.create_observable_gauge("last", [lambda _: [Observation(1)]])
    with pytest.raises(Exception, match="Timed out"):
        reader.collect(timeout_millis=100)
    assert _values(reader) == [100]


def test_what_waited_for_a_place_does_not_wait_beyond_its_round() -> None:
    """A set that only an unfinished round observed takes no place in the next one."""
    meter, reader = _start(limit=2)
    sets = ["a", "b"]
    meter.create_observable_counter(
        "o", [lambda _: [Observation(1, {"pod": each}) for each in sets]]
    )
    reader.collect()
    sets += ["c", "d"]
    failing = _failing_then_well(Stop())
    meter.create_observable_gauge("failing", [failing])
    with pytest.raises(Stop):
        reader.collect()
    sets[2:] = []
    assert [point.attributes for point in points(reader, "o")] == [{"pod": "a"}, {"pod": "b"}]


def test_two_observations_of_one_series_are_added_after_an_unfinished_round_as_well() -> None:
    """What was merged once does not stay merged with what came before."""
    meter, reader = _start(
        views=[View(instrument_name="o", attribute_keys=set())],
    )
    meter.create_observable_counter("o", [lambda _: [Observation(3, {"k": k}) for k in "ab"]])
    meter.create_observable_gauge("failing", [_failing_then_well(Stop())])
    with pytest.raises(Stop):
        reader.collect()
    assert _values(reader) == [6]
    assert _values(reader) == [6]


def test_exemplars_of_an_unfinished_round_are_not_exported() -> None:
    """An exemplar belongs to the round whose total it explains."""
    meter, reader = _start(exemplar_filter=AlwaysOnExemplarFilter())
    totals = iter([7, 100])
    meter.create_observable_counter("o", [lambda _: [Observation(next(totals))]])
    meter.create_observable_gauge("failing", [_failing_then_well(Stop())])
    with pytest.raises(Stop):
        reader.collect()
    [point] = points(reader, "o")
    assert [each.value for each in point.exemplars] == [100]


def test_a_callback_that_collects_is_told_so() -> None:
    """A round within a round would wait for itself, or take the outer one's observations."""
    meter, reader = _start()
    raised: list[BaseException] = []

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        try:
            reader.collect()
        except RuntimeError as error:
            raised.append(error)
        return [Observation(1)]

    meter.create_observable_counter("o", [observe])
    assert _values(reader) == [1]
    assert len(raised) == 1


@pytest.mark.parametrize("turnover", [1, 2, 3])
def test_deltas_lose_nothing_while_sets_come_and_go_within_the_limit(turnover: int) -> None:
    """With a limit of 3, three live sets have three places, whichever they were before."""
    meter, reader = _start(AggregationTemporality.DELTA, limit=3)
    cycle = 0

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        first = cycle * turnover
        return [Observation(100, {"pod": str(first + each)}) for each in range(3)]

    meter.create_observable_counter("o", [observe])
    total = 0
    for cycle in range(8):  # noqa: B007 - the callback's
        collected = points(reader, "o")
        assert OVERFLOW not in [point.attributes for point in collected]
        assert len(collected) == 3
        total += sum(point.value for point in collected)
    assert total == 100 * (3 + 7 * turnover)


def test_a_set_that_was_away_goes_on_from_its_last_total() -> None:
    """A set whose place was given away is not exported as new when it comes back."""
    meter, reader = _start(AggregationTemporality.DELTA, limit=1)
    rounds = iter([("a", 10), ("b", 5), ("a", 12), ("b", 5)])

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        pod, total = next(rounds)
        return [Observation(total, {"pod": pod})]

    meter.create_observable_counter("o", [observe])
    assert [_values(reader) for _ in range(4)] == [[10], [5], [2], [0]]


@pytest.mark.parametrize("kind", ["counter", "up_down_counter", "gauge"])
def test_an_observable_that_is_created_twice_asks_both_callbacks(kind: str) -> None:
    """Two pools that each create the instrument are both measured."""
    meter, reader = _start()
    made = [
        getattr(meter, f"create_observable_{kind}")(
            "o", [lambda _, pool=pool: [Observation(1, {"pool": pool})]]
        )
        for pool in "ab"
    ]
    assert made[0] is made[1]
    assert [point.attributes for point in points(reader, "o")] == [{"pool": "a"}, {"pool": "b"}]


def test_a_callback_is_asked_once_however_often_it_is_registered() -> None:
    """A module that is set up twice does not double its totals."""
    meter, reader = _start()

    class Pool:
        def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(5)]

    pool = Pool()
    for _ in range(2):
        meter.create_observable_counter("o", [pool.observe])
    assert _values(reader) == [5]


def test_a_callback_that_is_unregistered_is_asked_no_more() -> None:
    """A pool that is closed takes its callback back; the other one stays."""
    meter, reader = _start()

    def generator() -> Iterator[Iterable[Observation]]:
        yield []
        while True:
            yield [Observation(2, {"pool": "b"})]

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(1, {"pool": "a"})]

    second = generator()
    instrument = meter.create_observable_gauge("o", [observe])
    instrument.add_callback(second)
    assert _values(reader) == [1, 2]
    instrument.unregister(observe)
    instrument.unregister(observe)
    assert _values(reader) == [2]
    instrument.unregister(second)
    assert points(reader, "o") == []
