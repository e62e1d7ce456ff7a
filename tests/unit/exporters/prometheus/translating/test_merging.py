"""Points that come to the same name and labels: nothing that was measured is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from butterfly_otel.engine import MeterProvider as CellMeterProvider
from butterfly_otel.engine.sdk_internals import StockMeterProvider as MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.translating.translate import Translator
from tests.unit.exporters.prometheus.support import (
    OPENMETRICS,
    collected,
    counter,
    distribution,
    encode_openmetrics,
    encode_text,
    gauge,
    histogram,
    number,
    parse_openmetrics,
    parse_text,
    samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

OTHER = InstrumentationScope("other", "2.0")


class Pull:
    """A provider and its reader, without scope labels."""

    def __init__(self, provider_class: type[MeterProvider], **options: Any) -> None:
        self.registry = CollectorRegistry()
        self.reader = PrometheusMetricReader(
            scope_info_enabled=False, registry=self.registry, **options.pop("reader", {})
        )
        self.provider = provider_class(
            metric_readers=[self.reader], shutdown_on_exit=False, **options
        )
        self.meter = self.provider.get_meter("one")
        self.other = self.provider.get_meter("two", "1.5")

    def shown(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Scrape in both formats, and by prometheus_client; all show the same samples."""
        text = parse_text(self.reader.render()[1])
        metrics = parse_openmetrics(self.reader.render(OPENMETRICS)[1])
        theirs = parse_text(generate_latest(self.registry))
        found = [
            {key: value for each in page.values() for key, value in samples(each).items()}
            for page in (text, metrics, theirs)
        ]
        ours, openmetrics, client = (
            {key: value for key, value in each.items() if "target_info" not in key[0]}
            for each in found
        )
        assert ours == openmetrics == client
        return ours


@pytest.fixture(params=[MeterProvider, CellMeterProvider], ids=["stock", "cells"])
def pull(request: pytest.FixtureRequest) -> Iterator[Callable[..., Pull]]:
    """Return a function that makes a provider, of the stock SDK and of our engine."""
    made: list[Pull] = []

    def make(**options: Any) -> Pull:
        made.append(Pull(request.param, **options))
        return made[-1]

    yield make
    for each in made:
        each.provider.shutdown()


def test_two_meters_sums_and_histograms_are_added(pull: Callable[..., Pull]) -> None:
    """What two instrumented HTTP clients measure is one series with all of it."""
    done = pull()
    for meter, times in ((done.meter, 3), (done.other, 5)):
        seconds = meter.create_histogram("seconds")
        calls = meter.create_counter("calls")
        open_now = meter.create_up_down_counter("open")
        for _ in range(times):
            seconds.record(7, {"server": "vllm"})
            calls.add(1, {"server": "vllm"})
            open_now.add(1, {"server": "vllm"})
    for _ in range(2):
        shown = done.shown()
        labels = (("server", "vllm"),)
        assert shown["calls_total", labels] == 8
        assert shown["open", labels] == 8
        assert shown["seconds_count", labels] == 8
        assert shown["seconds_sum", labels] == 56
        assert shown["seconds_bucket", (("le", "5.0"), *labels)] == 0
        assert shown["seconds_bucket", (("le", "10.0"), *labels)] == 8
    assert done.reader.problems == {}


@pytest.mark.parametrize(
    ("first", "second", "labels"),
    [
        ({"k": 200}, {"k": "200"}, (("k", "200"),)),
        ({"k": True}, {"k": "true"}, (("k", "true"),)),
        ({"a.b": "x"}, {"a_b": "x"}, (("a_b", "x"),)),
        ({"k": 1.5}, {"k": "1.5"}, (("k", "1.5"),)),
        ({"k": [1, 2]}, {"k": "[1, 2]"}, (("k", "[1, 2]"),)),
        ({"k": "\ud800"}, {"k": "\ufffd"}, (("k", "\ufffd"),)),
    ],
)
def test_attributes_that_become_the_same_labels_are_added(
    pull: Callable[..., Pull],
    first: dict[str, Any],
    second: dict[str, Any],
    labels: tuple[tuple[str, str], ...],
) -> None:
    """Attribute sets that the SDK tells apart and Prometheus can't lose nothing."""
    done = pull()
    calls, seconds = done.meter.create_counter("calls"), done.meter.create_histogram("seconds")
    for attributes, times in ((first, 3), (second, 5)):
        for _ in range(times):
            calls.add(1, attributes)
            seconds.record(1, attributes)
    for _ in range(2):
        shown = done.shown()
        assert shown["calls_total", labels] == 8
        assert shown["seconds_count", labels] == 8


def test_observed_sums_are_added(pull: Callable[..., Pull]) -> None:
    """Callbacks of two meters, and observations that become one series, likewise."""
    done = pull()

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(3, {"k": 1}), Observation(4, {"k": "1"})]

    for meter in (done.meter, done.other):
        meter.create_observable_counter("seen", [observe])
    assert [done.shown()["seen_total", (("k", "1"),)] for _ in range(2)] == [14, 14]


def test_gauges_of_two_meters_are_told_apart(pull: Callable[..., Pull]) -> None:
    """Gauges can't be added, so those that clash have the labels of their scopes."""
    done = pull()
    for meter, value in ((done.meter, 3), (done.other, 5)):
        depth = meter.create_gauge("depth")
        depth.set(value, {"queue": "a"})
        depth.set(value, {"own": str(value)})
    scopes = [
        (("otel_scope_name", name), ("otel_scope_schema_url", ""), ("otel_scope_version", version))
        for name, version in (("one", ""), ("two", "1.5"))
    ]
    for _ in range(2):
        assert done.shown() == {
            ("depth", (*scopes[0], ("queue", "a"))): 3,
            ("depth", (*scopes[1], ("queue", "a"))): 5,
            ("depth", (("own", "3"),)): 3,
            ("depth", (("own", "5"),)): 5,
        }
    assert done.reader.problems == {}


def test_of_one_meters_gauges_the_latest_is_shown(pull: Callable[..., Pull]) -> None:
    """Where nothing tells gauges apart, the one that was set last stands, and it is told once."""
    done = pull()
    depth = done.meter.create_gauge("depth")
    shown = []
    for value, key in ((1, 7), (2, "7"), (3, 7), (3, 7), (4, "7")):
        depth.set(value, {"k": key})
        shown.append(done.shown()["depth", (("k", "7"),)])
    assert shown == [1, 2, 3, 3, 4]
    assert done.reader.problems == {"duplicate_series": 1}


def test_histograms_of_different_boundaries_are_told_apart(pull: Callable[..., Pull]) -> None:
    """Two meters' boundaries both stay, each with its scope's labels."""
    views = [
        View(
            instrument_name="seconds",
            meter_name=name,
            aggregation=ExplicitBucketHistogramAggregation(bounds),
        )
        for name, bounds in (("one", (1, 5)), ("two", (1, 7)))
    ]
    done = pull(views=views)
    for meter in (done.meter, done.other):
        meter.create_histogram("seconds").record(6)
    shown = done.shown()
    bounds = {
        (dict(labels)["otel_scope_name"], dict(labels)["le"]): value
        for (name, labels), value in shown.items()
        if name == "seconds_bucket"
    }
    assert bounds == {
        ("one", "1.0"): 0,
        ("one", "5.0"): 0,
        ("one", "+Inf"): 1,
        ("two", "1.0"): 0,
        ("two", "7.0"): 1,
        ("two", "+Inf"): 1,
    }


@pytest.mark.parametrize("turned", [False, True])
def test_boundaries_that_do_not_grow_are_shared_by_nobody(*, turned: bool) -> None:
    """One that is left out of one histogram's page is left out of what both become."""
    points = [distribution({}, [1, 2], (0.0,)), distribution({}, [1, 2, 3], (1.0, 0.0))]
    data = collected(histogram("h", *(reversed(points) if turned else points)))
    [family] = Translator(scope_labels=False).translate(data)
    [point] = family.points
    assert (point.explicit_bounds, point.bucket_counts, point.count) == ((), [9], 9)
    parse_text(encode_text([family]))


def test_one_scopes_histograms_keep_the_boundaries_they_share() -> None:
    """Where no label tells them apart, counts and sums are whole and shared boundaries exact."""
    data = collected(
        histogram("h", distribution({}, [1, 2, 3], (1.0, 5.0))),
        histogram("h", distribution({}, [4, 5, 6, 7], (0.5, 5.0, 9.0)), help_text="Other."),
    )
    translator = Translator(scope_labels=False)
    [family] = translator.translate(data)
    [point] = family.points
    assert (point.explicit_bounds, point.bucket_counts) == ((5.0,), [12, 16])
    assert (point.count, point.sum) == (28, 3.0)
    parse_text(encode_text([family]))
    parse_openmetrics(encode_openmetrics([family]))


def test_exemplars_of_merged_series_are_kept(pull: Callable[..., Pull]) -> None:
    """The latest exemplar of any of them stands at the sum."""
    done = pull(exemplar_filter=AlwaysOnExemplarFilter())
    for meter, value in ((done.meter, 2), (done.other, 3)):
        meter.create_counter("calls").add(value)
        meter.create_histogram("seconds").record(value * 10)
    body = done.reader.render(OPENMETRICS)[1].decode()
    assert "\ncalls_total 5.0 # {} 3.0 " in body
    assert '\nseconds_bucket{le="25.0"} 1.0 # {} 20.0 ' in body
    assert '\nseconds_bucket{le="50.0"} 2.0 # {} 30.0 ' in body


@pytest.mark.parametrize("strategy", ["UnderscoreEscapingWithoutSuffixes", "NoTranslation"])
def test_a_monotonic_sum_beside_one_that_falls_is_added_as_a_gauge(
    pull: Callable[..., Pull], strategy: str
) -> None:
    """Both are shown under one TYPE, which is that of what may fall."""
    done = pull(reader={"translation_strategy": strategy})
    done.meter.create_counter("jobs").add(3)
    assert "# TYPE jobs counter" in done.reader.render()[1].decode()
    done.other.create_up_down_counter("jobs").add(5)
    done.other.create_up_down_counter("jobs").add(1, {"k": "v"})
    assert done.shown() == {("jobs", ()): 8, ("jobs", (("k", "v"),)): 1}
    assert "# TYPE jobs gauge" in done.reader.render()[1].decode()


def test_a_merged_series_follows_those_that_come_and_go() -> None:
    """What was added goes when it is no longer collected, and never flickers."""
    translator = Translator(scope_labels=False)
    alone = collected(counter("a", number({}, 3)))
    both = collected(counter("a", number({}, 3)), more=[(OTHER, [counter("a", number({}, 5))])])
    for data, value in ((alone, 3), (both, 8), (both, 8), (alone, 3)):
        [family] = translator.translate(data)
        assert [point.value for point in family.points] == [value]


def test_scopes_whose_labels_are_the_same_lose_nothing() -> None:
    """Where even the scopes' labels are equal, sums are still added and one gauge is shown."""
    scopes = [InstrumentationScope("s", attributes={"k": value}) for value in (1, "1")]
    more = [(scope, [counter("a"), gauge("g")]) for scope in scopes]
    translator = Translator(Naming(), scope_labels=True)
    families = translator.translate(collected(more=more))
    assert [[point.value for point in each.points] for each in families] == [[2], [1]]
