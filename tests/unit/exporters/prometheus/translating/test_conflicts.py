"""One family, one TYPE line: who gets a name that several metrics want."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.metrics.export import Metric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.model.problems import Problems
from butterfly_otel.exporters.prometheus.translating.translate import Translator, translate
from tests.unit.exporters.prometheus.support import (
    collected,
    counter,
    encode_openmetrics,
    encode_text,
    gauge,
    histogram,
    number,
    parse_openmetrics,
    parse_text,
)

OTHER = InstrumentationScope("other")


@pytest.mark.parametrize(
    ("metrics", "exposed", "problems"),
    [
        ([gauge("a_total"), counter("a")], [("a_total", "gauge")], {"type_conflict": 1}),
        ([counter("a"), gauge("a.total")], [("a_total", "counter")], {"type_conflict": 1}),
        ([histogram("h"), gauge("h_sum")], [("h", "histogram")], {"name_clash": 1}),
        ([gauge("h_sum"), histogram("h")], [("h_sum", "gauge")], {"name_clash": 1}),
        ([histogram("h"), gauge("h.bucket")], [("h", "histogram")], {"name_clash": 1}),
        ([histogram("h"), gauge("h_created")], [("h", "histogram")], {"name_clash": 1}),
        (
            [histogram("h"), counter("h_count")],
            [("h", "histogram"), ("h_count_total", "counter")],
            {},
        ),
        ([gauge("a"), counter("a")], [("a", "gauge"), ("a_total", "counter")], {}),
        ([gauge("a.b"), gauge("a_b", number({"k": 1}, 1))], [("a_b", "gauge")], {}),
        ([gauge("a.b"), gauge("a_b")], [("a_b", "gauge")], {"duplicate_series": 1}),
        ([gauge("target_info")], [("target_info", "info")], {"type_conflict": 1}),
    ],
)
def test_the_first_keeps_a_contested_name(
    metrics: list[Metric], exposed: list[tuple[str, str]], problems: dict[str, int]
) -> None:
    """Whoever comes later is dropped, or merged where the type is the same."""
    reported = Problems()
    resource = Resource({"service.name": "x"})
    families = translate(
        collected(*metrics, resource=resource), scope_labels=False, problems=reported
    )
    found = [(family.name, family.type) for family in families]
    assert [each for each in found if each != ("target_info", "info") or each in exposed] == exposed
    assert reported.counts == problems
    parse_text(encode_text(families))
    parse_openmetrics(encode_openmetrics(families))


def test_verbatim_metrics_come_before_all_others() -> None:
    """No instrument of anybody else can take a name of the contract away."""
    translator = Translator(verbatim=[("other", "a_total")], scope_labels=False)
    intruder = collected(gauge("a.total"))
    assert [family.type for family in translator.translate(intruder)] == ["gauge"]
    both = collected(gauge("a.total"), more=[(OTHER, [counter("a_total")])])
    assert [family.type for family in translator.translate(both)] == ["counter"]
    assert [family.type for family in translator.translate(intruder)] == ["gauge"]


@pytest.mark.parametrize("intruder", ["a_total", "a", "a.total"])
def test_nobody_adds_series_to_a_verbatim_metric(intruder: str) -> None:
    """A counter of another meter that comes out under the same name has not been enforced."""
    reported = Problems()
    translator = Translator(verbatim=[("other", "a_total")], scope_labels=False, problems=reported)
    theirs = counter(intruder, number({"user": "x"}, 100))
    for _ in range(2):
        [family] = translator.translate(collected(theirs, more=[(OTHER, [counter("a_total")])]))
        assert [point.value for point in family.points] == [1]
    assert reported.counts == {"name_clash": 1}


def test_who_has_a_name_keeps_it() -> None:
    """A metric that appears later but is collected earlier does not displace another."""
    translator = Translator(scope_labels=False)
    assert translator.translate(collected(gauge("h_sum")))[0].type == "gauge"
    families = translator.translate(collected(histogram("h"), gauge("h_sum")))
    assert [family.name for family in families] == ["h_sum"]
    families = translator.translate(collected(histogram("h")))
    assert [family.name for family in families] == ["h"]


def test_who_has_a_name_keeps_it_against_an_older_scope() -> None:
    """Nor does a new metric of a scope that was there before."""
    translator = Translator(scope_labels=False)
    data = collected(gauge("g"), more=[(OTHER, [gauge("h_sum")])])
    assert len(translator.translate(data)) == 2
    data = collected(gauge("g"), histogram("h"), more=[(OTHER, [gauge("h_sum")])])
    assert [family.name for family in translator.translate(data)] == ["g", "h_sum"]


def test_same_metric_in_two_scopes_is_one_family() -> None:
    """Two scopes' series stand under one TYPE line, each with its scope's labels."""
    data = collected(counter("a"), more=[(OTHER, [counter("a")])])
    (family,) = translate(data)
    assert [dict(series.labels)["otel_scope_name"] for series in family.series] == [
        "scope",
        "other",
    ]


def test_conflicting_comments_keep_the_points(caplog: pytest.LogCaptureFixture) -> None:
    """HELP and UNIT of the first stand, all points are exposed, each conflict is logged once."""
    problems = Problems()
    translator = Translator(
        Naming("UnderscoreEscapingWithoutSuffixes"), scope_labels=False, problems=problems
    )
    data = collected(
        gauge("a_bytes", number({"k": 1}, 1), unit="By"),
        gauge("a_bytes", number({"k": 2}, 1), unit="By", help_text="First."),
        gauge("a_bytes", number({"k": 3}, 1), unit="s", help_text="Second."),
    )
    with caplog.at_level(logging.WARNING):
        translator.translate(data)
        (family,) = translator.translate(data)
    assert (family.help, family.unit, len(family.series)) == ("First.", "bytes", 3)
    assert problems.counts == {"help_conflict": 1, "unit_conflict": 1}
    assert len(caplog.records) == 2


def test_openmetrics_shows_a_counter_as_unknown_where_its_stem_is_taken() -> None:
    """A gauge a and a counter a_total are two families; both keep their samples' names."""
    families = translate(collected(counter("a"), gauge("a")), scope_labels=False)
    body = encode_openmetrics(families).decode()
    assert "# TYPE a_total unknown\na_total 1.0\n" in body
    assert "# TYPE a gauge\na 1.0\n" in body
    parse_openmetrics(body.encode())
    parse_text(encode_text(families))


def test_problems_are_remembered_in_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Made-up names can't fill the log: beyond a thousand problems only the count goes on."""
    problems = Problems()
    with caplog.at_level(logging.WARNING):
        for index in range(1_100):
            problems.report("broken_metric", f"m{index}", "Metric %s")
    assert len(caplog.records) == len(problems._seen) == 1_000
    assert problems.counts == {"broken_metric": 1_100}
