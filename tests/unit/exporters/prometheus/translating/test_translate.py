"""From collected metrics to families: types, labels, constants, what is left out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Metric,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.translating.translate import Translator, translate
from tests.unit.exporters.prometheus.support import (
    SCOPE,
    collected,
    counter,
    distribution,
    gauge,
    histogram,
    number,
)

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.translating.directory import Verbatim

DELTA = AggregationTemporality.DELTA


def _labels(family: Family) -> list[dict[str, str]]:
    return [dict(series.labels) for series in family.series]


@pytest.mark.parametrize(
    ("metric", "name", "kind"),
    [
        (counter("a"), "a_total", "counter"),
        (counter("a", monotonic=False), "a", "gauge"),
        (gauge("a"), "a", "gauge"),
        (gauge("a", unit="1"), "a", "gauge"),
        (counter("a", monotonic=False, unit="1"), "a", "gauge"),
        (histogram("a", unit="s"), "a_seconds", "histogram"),
    ],
)
def test_types(metric: Metric, name: str, kind: str) -> None:
    """Each kind of data becomes the type and the name that the specification says."""
    (family,) = translate(collected(metric), scope_labels=False)
    assert (family.name, family.type) == (name, kind)


@pytest.mark.parametrize(
    "verbatim", [[("scope", "sent")], lambda scope, name: (scope, name) == ("scope", "sent")]
)
def test_verbatim_metrics_keep_name_and_have_no_scope(verbatim: Verbatim) -> None:
    """A chosen metric gets no suffix and no scope label; all others do."""
    exact, other = translate(
        collected(counter("sent", unit="By"), counter("a.b", unit="By")), verbatim=verbatim
    )
    assert (exact.name, _labels(exact)) == ("sent", [{}])
    assert other.name == "a_b_bytes_total"
    assert _labels(other)[0]["otel_scope_name"] == "scope"


def test_an_exact_name_that_no_format_can_show_is_escaped() -> None:
    """A verbatim name outside the alphabet is replaced character by character."""
    (family,) = translate(collected(gauge("a..b")), verbatim=lambda _scope, _name: True)
    assert family.name == "a__b"


def test_scope_labels() -> None:
    """Name, version, schema URL and attributes of the scope are labels by default."""
    scope = InstrumentationScope("lib", "1.2", "http://s", {"a.b": True, "version": "evil"})
    (family,) = translate(collected(gauge("g"), scope=scope))
    assert _labels(family) == [
        {
            "otel_scope_name": "lib",
            "otel_scope_version": "1.2",
            "otel_scope_schema_url": "http://s",
            "otel_scope_a_b": "true",
        }
    ]


def test_resource_labels_are_copied_to_every_metric() -> None:
    """Chosen resource attributes are labels, under an attribute of the very same key."""
    resource = Resource({"env": "prod", "k": "resource", "other": 1})
    data = collected(gauge("g", number({"k": "point"}, 1)), resource=resource)
    families = translate(data, resource_labels={"env", "k"}.__contains__, scope_labels=False)
    assert _labels(families[1]) == [{"env": "prod", "k": "point"}]


def test_target_info_has_every_resource_attribute() -> None:
    """target_info comes first, once, with all attributes, chosen ones included."""
    resource = Resource({"service.name": "x", "n": [1, 2]})
    families = translate(None, resource=resource)
    assert [family.name for family in families] == ["target_info"]
    assert _labels(families[0]) == [{"service_name": "x", "n": "[1, 2]"}]


@pytest.mark.parametrize(
    ("resource", "wanted"), [(Resource({}), True), (Resource({"a": 1}), False)]
)
def test_no_target_info_for_an_empty_resource_or_when_switched_off(
    resource: Resource,
    wanted: bool,  # noqa: FBT001 - a table's column
) -> None:
    """An empty resource has no target_info, nor has one that is not wanted."""
    assert translate(collected(resource=resource), target_info=wanted) == []


def test_a_changed_resource_is_followed() -> None:
    """After a fork the provider's resource differs, and so do target_info and constants."""
    translator = Translator(resource_labels=lambda _key: True, scope_labels=False)
    data = collected(gauge("g"))
    first = translator.translate(data, Resource({"id": "1"}))
    second = translator.translate(data, Resource({"id": "2"}))
    assert [_labels(family) for family in first] == [[{"id": "1"}], [{"id": "1"}]]
    assert [_labels(family) for family in second] == [[{"id": "2"}], [{"id": "2"}]]


def test_colliding_keys_are_joined_in_key_order() -> None:
    """Values of keys that become one name are joined by ";", scope labels included."""
    point = number({"b_c": 2, "b.c": 1, "otel.scope.name": "mine"}, 1)
    (family,) = translate(collected(gauge("g", point)))
    labels = _labels(family)[0]
    assert labels["b_c"] == "1;2"
    assert labels["otel_scope_name"] == "mine;scope"


def test_a_users_le_moves_out_of_the_way_on_histograms_only() -> None:
    """An attribute le becomes exported_le on a histogram and stays le elsewhere."""
    bucketed = histogram("h", distribution({"le": "mine"}, [1, 0], (1.0,)))
    families = translate(
        collected(bucketed, gauge("g", number({"le": "1"}, 1))), scope_labels=False
    )
    assert [_labels(family) for family in families] == [[{"exported_le": "mine"}], [{"le": "1"}]]


def test_the_overflow_point_is_labelled_on_verbatim_metrics_too() -> None:
    """otel.metric.overflow=true becomes otel_metric_overflow="true"."""
    point = number({"otel.metric.overflow": True}, 1)
    (family,) = translate(collected(counter("a_total", point)), verbatim=[("scope", "a_total")])
    assert _labels(family) == [{"otel_metric_overflow": "true"}]


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (
            Metric("e", "", "", ExponentialHistogram([], AggregationTemporality.CUMULATIVE)),
            "exponential_histogram",
        ),
        (counter("c", temporality=DELTA), "delta_temporality"),
        (histogram("h", temporality=DELTA), "delta_temporality"),
    ],
)
def test_what_no_text_format_can_hold_is_dropped_with_one_warning(
    metric: Metric, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Exponential histograms and delta points go, the rest stays, one line is logged."""
    seen: list[tuple[str, str]] = []
    problems = Problems(lambda kind, subject: seen.append((kind, subject)))
    translator = Translator(scope_labels=False, problems=problems)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            families = translator.translate(collected(metric, gauge("g")))
    assert [family.name for family in families] == ["g"]
    assert seen == [(kind, metric.name)]
    assert problems.counts == {kind: 1}
    assert len(caplog.records) == 1
    assert metric.name in caplog.text


def test_points_that_no_counter_may_have_are_left_out() -> None:
    """Negative counts and NaN go, and the counter's other series stay."""
    problems = Problems()
    nan = float("nan")
    points = [number({"k": value}, value) for value in (1, -1, nan, 2)]
    (family,) = translate(collected(counter("c", *points)), scope_labels=False, problems=problems)
    assert [point.value for point in family.points] == [1, 2]  # type: ignore[union-attr]
    assert problems.counts == {"invalid_value": 1}


def test_histogram_points_without_their_buckets_are_left_out() -> None:
    """A point whose counts do not fit its bounds goes, the others stay."""
    problems = Problems()
    points = [distribution({"k": 1}, [1], (1.0, 2.0)), distribution({"k": 2}, [1, 2], (1.0,))]
    (family,) = translate(collected(histogram("h", *points)), scope_labels=False, problems=problems)
    assert _labels(family) == [{"k": "2"}]
    assert problems.counts == {"invalid_value": 1}


def test_one_broken_metric_costs_nothing_else() -> None:
    """A metric that makes translation raise is left out and reported."""
    problems = Problems()
    broken = counter("b", number({}, "many"))  # type: ignore[arg-type]
    families = translate(collected(broken, gauge("g")), scope_labels=False, problems=problems)
    assert [family.name for family in families] == ["g"]
    assert problems.counts == {"broken_metric": 1}


def test_series_are_kept_between_collections_and_dropped_with_their_points() -> None:
    """A known mapping costs no new series, and memory holds the last collection's only."""
    translator = Translator(scope_labels=False)
    kept, gone = {"k": "kept"}, {"k": "gone"}
    (first,) = translator.translate(collected(gauge("g", number(kept, 1), number(gone, 1))))
    (second,) = translator.translate(collected(gauge("g", number(kept, 2))))
    assert second.series == first.series[:1]
    stream = next(iter(translator._directory._scopes[SCOPE].streams.values()))
    assert len(stream._by_id) == len(stream._by_block) == 1
    assert translator.translate(collected()) == []
    assert translator._directory._scopes == {}


def test_a_known_mapping_is_not_looked_into_again() -> None:
    """What makes a repeated scrape cheap: a series is recognised by its mapping's identity."""

    class Once(dict[str, str]):
        def items(self) -> Any:
            looks.append(1)
            return super().items()

    looks: list[int] = []
    translator = Translator(scope_labels=False)
    attributes = Once(k="v")
    for value in range(3):
        (family,) = translator.translate(collected(gauge("g", number(attributes, value))))
        assert _labels(family) == [{"k": "v"}]
    assert len(looks) == 1


def test_equal_attributes_in_a_new_mapping_are_the_same_series() -> None:
    """Where the SDK hands out new mappings, series and their exemplars survive."""
    translator = Translator(scope_labels=False)
    (first,) = translator.translate(collected(gauge("g", number({"k": "v"}, 1))))
    (second,) = translator.translate(collected(gauge("g", number({"k": "v"}, 2))))
    assert second.series == first.series


def test_attribute_types_are_told_apart_as_the_sdk_does() -> None:
    """True, 1 and "1" are three attribute sets; 1 and "1" are one label, so one series."""
    problems = Problems()
    points = [number({"k": value}, index) for index, value in enumerate((True, 1, "1"))]
    (family,) = translate(collected(gauge("g", *points)), scope_labels=False, problems=problems)
    assert _labels(family) == [{"k": "true"}, {"k": "1"}]
    assert problems.counts == {"duplicate_series": 1}


def test_utf8_names_where_strategy_and_scraper_allow_them() -> None:
    """NoTranslation keeps dots for a scraper that takes them and escapes them otherwise."""
    data = collected(gauge("a.b", number({"k.x": 1}, 1)))
    (quoted,) = translate(
        data, naming=Naming("NoTranslation", escaping="allow-utf-8"), scope_labels=False
    )
    (escaped,) = translate(data, naming=Naming("NoTranslation"), scope_labels=False)
    assert (quoted.name, _labels(quoted)) == ("a.b", [{"k.x": "1"}])
    assert (escaped.name, _labels(escaped)) == ("a_b", [{"k_x": "1"}])
