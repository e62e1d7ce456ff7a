"""Meters of one's own: names, units and descriptions as they were given, and one warning each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from butterfly_otel.engine import MeterProvider
from butterfly_otel.process import contain
from tests.collected import points


def _start(**settings: Any) -> tuple[Any, InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    return MeterProvider([reader], shutdown_on_exit=False, **settings), reader


def _metrics(reader: InMemoryMetricReader) -> list[Any]:
    data: Any = reader.get_metrics_data()
    return [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log again what another test has logged."""
    monkeypatch.setattr(contain, "_logged", set())


KINDS = [
    "counter",
    "up_down_counter",
    "gauge",
    "histogram",
    "observable_counter",
    "observable_up_down_counter",
    "observable_gauge",
]


def _create(meter: Any, kind: str, name: str, **settings: Any) -> Any:
    if kind.startswith("observable"):
        settings["callbacks"] = [lambda _: [Observation(1)]]
    made = getattr(meter, f"create_{kind}")(name, **settings)
    for method in ("add", "set", "record"):
        if hasattr(made, method):
            getattr(made, method)(1)
    return made


@pytest.mark.parametrize("name", ["", None])
def test_a_meter_without_a_name_measures(name: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Measurements are not lost for want of a name; it is told once."""
    provider, reader = _start()
    for _ in range(2):
        provider.get_meter(name).create_counter("c").add(1)
    [point] = points(reader, "c")
    assert point.value == 2
    data: Any = reader.get_metrics_data()
    assert data.resource_metrics[0].scope_metrics[0].scope.name == ""
    assert caplog.text.count("without a name") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_names_keep_their_casing(kind: str) -> None:
    """The name that is exported is the name that was given."""
    provider, reader = _start()
    _create(provider.get_meter("m"), kind, "queueDepth.Max")
    assert [metric.name for metric in _metrics(reader)] == ["queueDepth.Max"]


def test_a_name_in_another_casing_is_the_same_instrument(caplog: pytest.LogCaptureFixture) -> None:
    """Names differ by more than their casing; the first one stands, which is told once."""
    provider, reader = _start()
    meter = provider.get_meter("m")
    made = [meter.create_counter(name) for name in ("Jobs", "jobs", "jobs", "JOBS")]
    assert len(set(map(id, made))) == 1
    made[0].add(1)
    assert [metric.name for metric in _metrics(reader)] == ["Jobs"]
    assert caplog.text.count("asked for again as 'jobs'") == 1


@pytest.mark.parametrize("selector", ["queueDepth", "queuedepth", "queue*"])
def test_a_view_selects_a_name_in_its_own_casing_or_in_lower_case(selector: str) -> None:
    """Views that were written for the SDK, which lowers names, still select them."""
    provider, reader = _start(views=[View(instrument_name=selector, description="viewed")])
    provider.get_meter("m").create_counter("queueDepth").add(1)
    assert [metric.description for metric in _metrics(reader)] == ["viewed"]


def test_a_time_to_live_is_by_name_in_any_casing() -> None:
    """Series of a name with capitals leave as well."""
    provider, reader = _start(time_to_live={"queueDepth": 0})
    provider.get_meter("m").create_counter("queueDepth").add(1)
    assert len(points(reader, "queueDepth")) == 1
    assert points(reader, "queueDepth") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "exported"),
    [
        ({"unit": None}, ("", "")),
        ({"description": None}, ("", "")),
        ({"unit": "µs", "description": "Größe"}, ("µs", "Größe")),
        ({"unit": "{" + "x" * 100 + "}"}, ("{" + "x" * 100 + "}", "")),
    ],
)
def test_any_unit_and_description_are_exported_as_they_are(
    kind: str, given: dict[str, Any], exported: tuple[str, str]
) -> None:
    """OpenTelemetry's API raises where a unit is None, not ASCII, or long."""
    provider, reader = _start()
    _create(provider.get_meter("m"), kind, "i", **given)
    assert [(metric.unit, metric.description) for metric in _metrics(reader)] == [exported]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("counter", "s", "d"), ("counter", "ms", "d"), "unit 'ms' instead of 's'"),
        (("counter", "s", "d"), ("counter", "s", "e"), "description 'e' instead of 'd'"),
        (("counter", "s", "d"), ("gauge", "s", "d"), "kind 'gauge' instead of 'counter'"),
        (
            ("observable_gauge", "s", "d"),
            ("gauge", "s", "d"),
            "kind 'gauge' instead of 'observable_gauge'",
        ),
    ],
)
def test_a_duplicate_that_differs_is_told_once(
    first: tuple[str, str, str],
    second: tuple[str, str, str],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two instruments of one name are exported side by side, which is a mistake somewhere."""
    provider, _ = _start()
    meter = provider.get_meter("m")
    for kind, unit, description in (first, second, second, first):
        getattr(meter, f"create_{kind}")("i", unit=unit, description=description)
    assert caplog.text.count("a second time") == 1
    assert told in caplog.text


def test_instruments_of_one_name_in_two_meters_are_not_duplicates(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A name is a meter's own."""
    provider, _ = _start()
    provider.get_meter("a").create_counter("i")
    provider.get_meter("b").create_gauge("i")
    assert not caplog.records


def test_other_boundaries_for_the_same_histogram_are_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first advice stands."""
    provider, reader = _start()
    meter = provider.get_meter("m")
    for bounds in ([1, 2], (1, 2), [3], [3]):
        meter.create_histogram("i", explicit_bucket_boundaries_advisory=bounds).record(1)
    [point] = points(reader, "i")
    assert (point.count, point.explicit_bounds) == (4, (1, 2))
    assert caplog.text.count("other bucket boundaries") == 1


@pytest.mark.parametrize(
    "views",
    [
        [View(instrument_name="a", name="b")],
        [View(instrument_name="a"), View(instrument_name="a", description="again")],
        [
            View(instrument_name="a", name="x"),
            View(
                instrument_name="a", name="X", aggregation=ExplicitBucketHistogramAggregation([1])
            ),
        ],
    ],
)
def test_views_that_give_one_name_to_two_streams_are_told_once(
    views: list[View], caplog: pytest.LogCaptureFixture
) -> None:
    """Both streams are exported, under one name."""
    provider, reader = _start(views=views)
    for _ in range(2):
        for name in ("b", "a"):
            provider.get_meter("m").create_histogram(name).record(1)
        reader.get_metrics_data()
    assert caplog.text.count("to several streams") == 1


def test_views_without_a_conflict_are_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Names of two meters, and streams that are dropped, are in nobody's way."""
    provider, reader = _start(views=[View(instrument_name="*", attribute_keys=set())])
    for meter in "ab":
        provider.get_meter(meter).create_counter("i").add(1, {"k": "v"})
    reader.get_metrics_data()
    assert not caplog.records


class Odd:
    """A value without text of its own."""


@pytest.mark.parametrize(
    ("attributes", "exported"),
    [
        ({"k": Odd()}, {"k": None}),
        ({"k": ValueError("x")}, {"k": "x"}),
        ({1: "a"}, {"1": "a"}),
        ({Odd(): "a", "k": "v"}, {"k": "v"}),
        ({"": "a", "k": "v"}, {"k": "v"}),
        ({"k": [Odd()]}, {"k": (None,)}),
        ({"k": {"": 1, "m": 2}}, {"k": {"m": 2}}),
        ([("k", "v")], {}),
    ],
)
@pytest.mark.parametrize("kind", ["counter", "observable_counter"])
def test_attributes_that_are_not_valid_are_told_once(
    kind: str, attributes: Any, exported: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """They are exported as the SDK would, and do not fill the log."""
    provider, reader = _start()
    meter = provider.get_meter("m")
    if kind == "counter":
        counter = meter.create_counter("i")
        for _ in range(3):
            counter.add(1, attributes)
    else:
        meter.create_observable_counter("i", [lambda _: [Observation(3, attributes)] * 1])
        for _ in range(3):
            reader.get_metrics_data()
    [point] = points(reader, "i")
    assert (point.value, dict(point.attributes)) == (3, exported)
    assert len(caplog.records) == 1
    assert "(logged once)" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "7", None])
def test_values_that_nobody_can_observe_are_left_out_and_told_once(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad value costs itself, at each collection, and the log one line."""
    provider, reader = _start()

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(value, {"k": "bad"})
        yield Observation(1, {"k": "good"})

    provider.get_meter("m").create_observable_gauge("i", [observe])
    for _ in range(3):
        assert [point.attributes for point in points(reader, "i")] == [{"k": "good"}]
    assert len(caplog.records) == 1


def test_a_callback_that_raises_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """What it observed before stands, and what the others observe."""
    provider, reader = _start()

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(1, {"k": "before"})
        raise ValueError

    provider.get_meter("m").create_observable_gauge(
        "i", [observe, lambda _: [Observation(1, {"k": "other"})]]
    )
    for _ in range(3):
        assert [point.attributes["k"] for point in points(reader, "i")] == ["before", "other"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "observe" in caplog.text


def test_one_dict_for_many_observations_is_read_when_it_is_yielded() -> None:
    """A callback may change and yield the same dict again."""
    provider, reader = _start()

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        attributes = {}
        for pod in "ab":
            attributes["pod"] = pod
            yield Observation(1, attributes)

    provider.get_meter("m").create_observable_gauge("i", [observe])
    assert [point.attributes["pod"] for point in points(reader, "i")] == ["a", "b"]
