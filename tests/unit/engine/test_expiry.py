"""Time-to-live: what nobody measures any more leaves, and what is measured stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from butterfly_otel.engine import MeterProvider
from butterfly_otel.process import timing
from tests.collected import points
from tests.unit.engine.conftest import standing_clock

SECOND = 1_000_000_000
KINDS = {"counter": "add", "up_down_counter": "add", "histogram": "record", "gauge": "set"}


class Lived:
    """An instrument of one kind whose series live ten seconds, and a clock."""

    def __init__(self, kind: str, clock: Any, **reader: Any) -> None:
        self.clock = clock
        self.reader = InMemoryMetricReader(**reader)
        self.provider = MeterProvider(
            [self.reader], shutdown_on_exit=False, time_to_live={"Lived": 10.0}
        )
        meter = self.provider.get_meter("m")
        self.instrument = getattr(meter, f"create_{kind}")("lived")
        self.measure: Callable[..., None] = getattr(self.instrument, KINDS[kind])

    def after(self, seconds: float) -> dict[str, Any]:
        """Let time pass; return the points there are then by their only label."""
        self.clock.now += int(seconds * SECOND)
        return {point.attributes["k"]: point for point in points(self.reader, "lived")}


@pytest.fixture(params=KINDS)
def lived(request: pytest.FixtureRequest) -> Iterator[Lived]:
    """Return an instrument of each kind in turn."""
    with standing_clock() as clock:
        made = Lived(request.param, clock)
        yield made
        made.provider.shutdown()


def test_a_series_leaves_when_nobody_measures_it(lived: Lived) -> None:
    """It is there until its time is over, while its neighbour stays."""
    lived.measure(1, {"k": "old"})
    lived.measure(1, {"k": "new"})
    assert set(lived.after(0)) == {"old", "new"}
    assert set(lived.after(9)) == {"old", "new"}
    lived.measure(2, {"k": "new"})
    assert set(lived.after(2)) == {"new"}
    assert set(lived.after(9)) == {"new"}
    assert lived.after(2) == {}


def test_a_clock_that_is_set_ends_no_series(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long nobody measured is no question of the time of day."""
    lived.measure(1, {"k": "a"})
    assert set(lived.after(0)) == {"a"}
    stands = timing.monotonic()
    monkeypatch.setattr(timing, "monotonic", lambda: stands)
    assert set(lived.after(24 * 3600)) == {"a"}


def test_it_begins_anew_when_it_is_measured_again(lived: Lived) -> None:
    """A bound target and the API find the same new series, which starts from nothing."""
    bound = lived.instrument.bind({"k": "a"})
    bound.record(5)
    first = lived.after(0)["a"]
    assert lived.after(11) == {}
    bound.record(3)
    lived.measure(3, {"k": "a"})
    again = lived.after(0)["a"]
    value = again.sum if hasattr(again, "sum") else again.value
    assert value == (3 if "Gauge" in type(lived.instrument).__name__ else 6)
    if again.start_time_unix_nano is not None:
        assert again.start_time_unix_nano > first.start_time_unix_nano


def test_a_gauge_that_is_set_to_the_same_value_is_measured() -> None:
    """Its value does not change, but somebody vouches for it."""
    with standing_clock() as clock:
        lived = Lived("gauge", clock)
        for _ in range(5):
            lived.measure(1, {"k": "a"})
            assert set(lived.after(9)) == {"a"}
        assert set(lived.after(9)) == {"a"}
        assert lived.after(9) == {}
        lived.provider.shutdown()


def test_other_instruments_and_deltas_are_as_ever() -> None:
    """Only the instruments that are named; a delta forgets its series anyway."""
    with standing_clock() as clock:
        lived = Lived(
            "counter", clock, preferred_temporality={Counter: AggregationTemporality.DELTA}
        )
        other = lived.provider.get_meter("m").create_counter("other")
        lived.measure(1, {"k": "a"})
        other.add(1)
        assert set(lived.after(0)) == {"a"}
        assert lived.after(100) == {}
        lived.measure(1, {"k": "a"})
        assert lived.after(100)["a"].value == 1
        lived.provider.shutdown()
    with standing_clock() as clock:
        lived = Lived("counter", clock)
        other = lived.provider.get_meter("m").create_counter("other")
        other.add(1, {"k": "a"})
        clock.now += 100 * SECOND
        assert len(points(lived.reader, "other")) == 1
        assert len(points(lived.reader, "other")) == 1
        lived.provider.shutdown()
