"""When each series began, and that it has begun anew."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from butterfly_otel.exporters.bridge import PrometheusMetricProducer
from tests.unit.exporters.bridge.bridged import Custom, family, point, produced


class Told:
    """A registry whose one family a test changes."""

    def __init__(self) -> None:
        self.families: list[Any] = []
        registry = CollectorRegistry()
        registry.register(Custom(lambda: self.families))  # type: ignore[arg-type]
        self.producer = PrometheusMetricProducer(registry)

    def counter(self, value: float, **labels: str) -> Any:
        """The point of a counter that says no more than its value."""
        self.families = [family("c", "counter", ("_total", labels, value))]
        return point(self.producer, "c_total")


def test_it_began_when_it_was_created() -> None:
    """prometheus_client knows that of its own metrics, before anybody reads them."""
    registry = CollectorRegistry()
    producer = PrometheusMetricProducer(registry)
    Counter("c", "C.", registry=registry).inc()
    Histogram("h", "H.", registry=registry).observe(1)
    created = {
        sample.name: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_created")
    }
    assert point(producer, "c_total").start_time_unix_nano == int(created["c_created"] * 1e9)
    assert point(producer, "h").start_time_unix_nano == int(created["h_created"] * 1e9)
    assert not any(name.endswith("_created") for name in produced(producer))


def test_otherwise_it_began_when_it_was_first_seen() -> None:
    """And stays so, at each collection."""
    told = Told()
    first = told.counter(5)
    second = told.counter(7)
    assert first.start_time_unix_nano == first.time_unix_nano
    assert second.start_time_unix_nano == first.start_time_unix_nano < second.time_unix_nano


def test_a_value_that_falls_has_begun_anew() -> None:
    """Since it was seen last, of which more isn't known; and it stays so when it grows again."""
    told = Told()
    told.counter(5)
    before = told.counter(7)
    fallen = told.counter(3)
    again = told.counter(4)
    assert fallen.start_time_unix_nano == before.time_unix_nano
    assert again.start_time_unix_nano == before.time_unix_nano


def test_a_reset_counter_tells_when_that_was() -> None:
    """`Counter.reset()` says so by its `_created`, even where the value is higher than before."""
    registry = CollectorRegistry()
    producer = PrometheusMetricProducer(registry)
    counter = Counter("c", "C.", registry=registry)
    counter.inc(1)
    before = point(producer, "c_total")
    counter.reset()
    counter.inc(2)
    after = point(producer, "c_total")
    assert before.time_unix_nano < after.start_time_unix_nano < after.time_unix_nano


def test_a_creation_that_stays_where_the_value_falls() -> None:
    """The fall counts, and the old `_created` does not bring the old start back."""
    told = Told()

    def counted(value: float) -> Any:
        told.families = [family("c", "counter", ("_total", {}, value), ("_created", {}, 1000.5))]
        return point(told.producer, "c_total")

    assert counted(5).start_time_unix_nano == 1_000_500_000_000
    before = counted(7).time_unix_nano
    assert counted(1).start_time_unix_nano == before
    assert counted(2).start_time_unix_nano == before


def test_one_bucket_that_falls_is_enough() -> None:
    """The count of a histogram may have grown meanwhile."""
    told = Told()

    def histogram(low: int, high: int) -> Any:
        samples = [("_bucket", {"le": "1"}, low), ("_bucket", {"le": "+Inf"}, high)]
        told.families = [family("h", "histogram", *samples)]
        return point(told.producer, "h")

    before = histogram(3, 5)
    assert histogram(4, 6).start_time_unix_nano == before.start_time_unix_nano
    last = histogram(5, 7).time_unix_nano
    assert histogram(1, 9).start_time_unix_nano == last


def test_a_gauge_may_fall() -> None:
    """It does not begin anew with that."""
    told = Told()
    told.families = [family("g", "gauge", ("", {}, 9))]
    first = point(told.producer, "g")
    point(told.producer, "g")
    told.families = [family("g", "gauge", ("", {}, 1))]
    assert point(told.producer, "g").start_time_unix_nano == first.start_time_unix_nano


def test_a_creation_that_is_none() -> None:
    """One in the future, or that isn't a number, is as if there were none."""
    for created in (9e9, float("nan"), float("inf"), -1.0):
        told = Told()
        told.families = [family("c", "counter", ("_total", {}, 1), ("_created", {}, created))]
        found = point(told.producer, "c_total")
        assert found.start_time_unix_nano == found.time_unix_nano


def test_a_series_that_was_missing_goes_on() -> None:
    """Its collector may have been late: it has the same start and the same attributes object."""
    told = Told()
    before = told.counter(5, k="v")
    told.families = []
    assert produced(told.producer) == {}
    after = told.counter(6, k="v")
    assert after.start_time_unix_nano == before.start_time_unix_nano
    assert after.attributes is before.attributes


def test_series_that_come_and_go_are_not_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is a bound to what is kept of those that are gone, and the oldest go first."""
    monkeypatch.setattr("butterfly_otel.exporters.bridge.series._GONE", 10)
    told = Told()
    first = told.counter(5, k="first")
    newer = [told.counter(1, k=str(number)) for number in range(30)][-5]
    again = told.counter(2, **newer.attributes)
    assert again.start_time_unix_nano == newer.start_time_unix_nano
    assert told.counter(6, k="first").start_time_unix_nano > first.start_time_unix_nano
