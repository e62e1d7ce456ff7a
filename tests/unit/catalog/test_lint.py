"""Each lint rule against an entry that breaks it, and the real catalogue against them all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from butterfly_otel.catalog import ALL, Label, Metric
from butterfly_otel.lint import Finding, lint_catalog
from butterfly_otel.lint.contract import catalog as rules

CLOSED = Label(key="status", kind="closed", help="How it ended.", values=("success", "error"))
OPEN = Label(key="error_type", kind="open", help="Kind.", values=("timeout",), budget=50)
NODE = Label(key="node_id", kind="identity", help="The node.", budget=1000, default="node_id")
PAIR = Label(key="node_pair", kind="pair", help="Two nodes.", budget=1000)
TASK = Label(key="task_id", kind="unbounded", help="The task.", budget=100)
CORE = Label(key="core", kind="bounded", help="The core.", budget=64, default="empty")

COUNTER = Metric(
    name="butterfly_things_total",
    type="counter",
    instrument="counter",
    why="Counted once for each thing.",
    unit="{thing}",
    help="Things counted, 0.5 of one at least.",
    category="requests",
    labels=(NODE, CLOSED),
    query="sum(rate(butterfly_things_total[5m]))",
    across_why="Each process counts things of its own.",
)
GAUGE = replace(
    COUNTER,
    name="butterfly_level",
    type="gauge",
    instrument="gauge",
    unit="{level}",
    query="max(butterfly_level)",
)
HISTOGRAM = replace(
    COUNTER,
    name="butterfly_wait_seconds",
    type="histogram",
    instrument="histogram",
    unit="s",
    buckets=(0.5, 1.0),
    query="sum(rate(butterfly_wait_seconds_count[5m]))",
)


def named(metric: Metric, name: str, **changes: Any) -> Metric:
    """The metric under another name, in its query as well."""
    return replace(metric, name=name, query=metric.query.replace(metric.name, name), **changes)


def with_label(label: Label, **changes: Any) -> Metric:
    """The counter with that label, changed, as its only one."""
    return replace(COUNTER, labels=(replace(label, **changes),))


#: Rule, and a doctored entry that it alone is to find.
BROKEN = [
    ("name-shape", named(GAUGE, "other_level")),
    ("name-shape", named(GAUGE, "butterfly_Level")),
    ("name-shape", named(GAUGE, "butterfly__level")),
    ("name-shape", named(GAUGE, "butterfly_level_")),
    ("name-shape", named(GAUGE, "butterfly_2_level")),
    ("name-shape", named(GAUGE, "butterfly")),
    ("name-category", named(GAUGE, "butterfly_otel_level")),
    ("name-category", replace(GAUGE, category="telemetry")),
    ("counter-suffix", named(COUNTER, "butterfly_things")),
    ("counter-suffix", named(GAUGE, "butterfly_level_total")),
    ("unit-suffix", replace(GAUGE, unit="1")),
    ("unit-suffix", replace(GAUGE, unit="s")),
    ("unit-suffix", replace(GAUGE, unit="")),
    ("unit-suffix", replace(GAUGE, unit="{}")),
    ("unit-suffix", replace(GAUGE, unit="furlong")),
    ("unit-suffix", replace(HISTOGRAM, unit="ms")),
    ("unit-suffix", replace(HISTOGRAM, unit="{second}")),
    ("unit-suffix", named(GAUGE, "butterfly_level_bytes")),
    ("unit-suffix", named(GAUGE, "butterfly_level_celsius", unit="K")),
    ("unit-suffix", named(GAUGE, "butterfly_level_ratio", unit="%")),
    ("unit-suffix", named(COUNTER, "butterfly_things_seconds_total")),
    ("sample-suffix", named(GAUGE, "butterfly_level_count")),
    ("sample-suffix", named(GAUGE, "butterfly_level_sum")),
    ("sample-suffix", named(GAUGE, "butterfly_level_bucket")),
    ("sample-suffix", named(GAUGE, "butterfly_level_created")),
    ("sample-suffix", named(GAUGE, "butterfly_level_info")),
    ("sample-suffix", named(COUNTER, "butterfly_things_count_total")),
    ("instrument-kind", replace(COUNTER, instrument="up_down_counter")),
    ("instrument-kind", replace(GAUGE, instrument="observable_counter")),
    ("instrument-kind", replace(GAUGE, instrument="histogram")),
    ("instrument-kind", replace(HISTOGRAM, instrument="counter")),
    ("bucket-bounds", replace(GAUGE, buckets=(1.0,))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=())),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(1.0, 0.5))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(1.0, 1.0))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(0.0, 1.0))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(-1.0, 1.0))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(1, 5))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(1.0, float("inf")))),
    ("bucket-bounds", replace(HISTOGRAM, buckets=(float("nan"), 1.0))),
    ("one-sentence", replace(COUNTER, help="")),
    ("one-sentence", replace(COUNTER, help="Things without a full stop")),
    ("one-sentence", replace(COUNTER, help="Things. More things.")),
    ("one-sentence", replace(COUNTER, help="Things\nin two lines.")),
    ("one-sentence", replace(COUNTER, help=f"Things{' and things' * 12}.")),
    ("one-sentence", replace(COUNTER, why="Because")),
    ("one-sentence", with_label(CLOSED, help="How")),
    ("one-sentence", replace(COUNTER, across_why="Because")),
    ("across-processes", replace(COUNTER, across_why="")),
    ("across-processes", replace(COUNTER, across="max")),
    ("across-processes", replace(HISTOGRAM, across="latest")),
    ("across-processes", replace(GAUGE, instrument="up_down_counter", across="max")),
    ("across-processes", replace(GAUGE, across="most")),  # type: ignore[arg-type]
    ("query-subject", replace(COUNTER, query="sum(rate(butterfly_thing_total[5m]))")),
    ("query-subject", replace(COUNTER, query="sum(rate(butterfly_things_total_total[5m]))")),
    ("query-subject", replace(HISTOGRAM, query="sum(rate(butterfly_wait_seconds[5m]))")),
    ("stream-limit", replace(COUNTER, limit=0)),
    ("stream-limit", replace(COUNTER, limit=-1)),
    ("stream-limit", replace(COUNTER, limit=3004)),
    ("stream-limit", replace(COUNTER, labels=(NODE, TASK), limit=5001)),
    ("label-key", with_label(CLOSED, key="le")),
    ("label-key", with_label(CLOSED, key="quantile")),
    ("label-key", with_label(CLOSED, key="job")),
    ("label-key", with_label(CLOSED, key="instance")),
    ("label-key", with_label(CLOSED, key="__name__")),
    ("label-key", with_label(CLOSED, key="otel_scope_name")),
    ("label-key", with_label(CLOSED, key="exported_job")),
    ("label-key", with_label(CLOSED, key="Status")),
    ("label-key", with_label(CLOSED, key="http.status")),
    ("label-key", with_label(CLOSED, key="")),
    ("label-unique", replace(COUNTER, labels=(CLOSED, CLOSED))),
    ("label-forbidden", with_label(TASK, key="request_id")),
    ("label-forbidden", with_label(TASK, key="user_id")),
    ("label-forbidden", with_label(TASK, key="trace_id")),
    ("label-forbidden", with_label(TASK, key="timestamp")),
    ("label-vocabulary", with_label(CLOSED, values=())),
    ("label-vocabulary", with_label(CLOSED, values=("success", "success"))),
    ("label-vocabulary", with_label(CLOSED, values=("success", "other"))),
    ("label-vocabulary", with_label(CLOSED, values=("success", ""))),
    ("label-vocabulary", with_label(OPEN, values=("timeout", "other"))),
    ("label-vocabulary", with_label(TASK, values=("task_001",))),
    ("label-budget", with_label(CLOSED, budget=2)),
    ("label-budget", with_label(TASK, budget=0)),
    ("label-budget", with_label(CORE, budget=0)),
    ("label-budget", with_label(CORE, budget=-1)),
    ("label-budget", with_label(OPEN, values=("timeout", "oom"), budget=1)),
    ("node-budget", with_label(NODE, budget=999)),
    ("node-budget", with_label(PAIR, budget=1_000_000)),
    ("label-keep", with_label(NODE, keep="latest")),
    ("label-keep", with_label(CORE, keep="latest")),
    ("label-default", with_label(CLOSED, default="node_id")),
    ("label-default", with_label(CLOSED, default="node_role")),
    ("label-default", with_label(CORE, key="node_role", default="node_role")),
    ("label-default", with_label(PAIR, default="node_id")),
    ("label-default", with_label(TASK, default="empty")),
    ("label-default", with_label(NODE, default="empty")),
    ("label-default", replace(COUNTER, labels=(NODE, replace(NODE, key="to_node")))),
]

#: Rule, and catalogues whose entries are well alone but not together.
BROKEN_TOGETHER = [
    ("unique-name", (GAUGE, GAUGE)),
    ("sample-collision", (COUNTER, named(GAUGE, "butterfly_things"))),
    ("sample-collision", (named(GAUGE, "butterfly_things"), COUNTER)),
    ("sample-collision", (HISTOGRAM, named(COUNTER, "butterfly_wait_seconds_total", unit="s"))),
]


def found(*metrics: Metric) -> set[str]:
    """The rules that find something in that catalogue."""
    return {finding.rule for finding in lint_catalog(metrics)}


def test_the_catalogue_is_clean() -> None:
    """No rule finds anything in the real catalogue."""
    assert lint_catalog(ALL) == []


def test_no_exception_is_unused() -> None:
    """Without the exceptions, exactly what they excuse is found."""
    findings = lint_catalog(ALL, exceptions=())
    assert {(finding.rule, finding.subject) for finding in findings} == set(rules.EXCEPTIONS)


@pytest.mark.parametrize("reason", rules.EXCEPTIONS.values(), ids=map("-".join, rules.EXCEPTIONS))
def test_every_exception_names_its_decision(reason: str) -> None:
    """Each exception says which decision grants it."""
    assert "docs/contract.md, " in reason


@pytest.mark.parametrize(
    "metric",
    [
        COUNTER,
        GAUGE,
        HISTOGRAM,
        replace(COUNTER, limit=3003),
        named(GAUGE, "butterfly_level_ratio", unit="1"),
        named(COUNTER, "butterfly_things_bytes_total", unit="By"),
        named(COUNTER, "butterfly_otel_things_total", category="telemetry"),
        with_label(CLOSED, key="node_role", default="node_role"),
        with_label(TASK, keep="latest"),
        replace(COUNTER, help=f"{'T' * 119}."),
        with_label(OPEN),
        with_label(OPEN, values=("timeout", "oom"), budget=2),
        with_label(PAIR),
        with_label(CORE),
        replace(COUNTER, query='rate({__name__=~"butterfly_things_total(_x)?"}[5m])'),
    ],
)
def test_sound_entries_are_clean(metric: Metric) -> None:
    """What the doctored entries are made of is sound, so each is found for its one change."""
    assert lint_catalog([metric]) == []


@pytest.mark.parametrize(("rule", "metric"), BROKEN)
def test_broken_entries_are_found(rule: str, metric: Metric) -> None:
    """The one rule that a doctored entry breaks finds it and no other rule does."""
    assert found(metric) == {rule}


@pytest.mark.parametrize(("rule", "metrics"), BROKEN_TOGETHER)
def test_broken_catalogues_are_found(rule: str, metrics: tuple[Metric, ...]) -> None:
    """Entries that cannot stand side by side are found."""
    assert found(*metrics) == {rule}
    assert all(not found(metric) for metric in metrics)


@pytest.mark.parametrize(
    ("reserved", "type_", "holder"),
    [
        ("butterfly_consensus_log_entries", "counter", "butterfly_consensus_log_entries_total"),
        ("butterfly_checkpoint", "histogram", "butterfly_checkpoint_count"),
    ],
)
def test_reserved_names(reserved: str, type_: str, holder: str) -> None:
    """The names that two oddly named gauges reserve cannot be given away."""
    intruder = replace(COUNTER, name=reserved, type=type_)
    findings = lint_catalog([*ALL, intruder])
    assert any(
        (finding.rule, finding.subject) == ("sample-collision", reserved)
        and holder in finding.message
        for finding in findings
    )


@pytest.mark.parametrize("suffix", ["_bucket", "_sum", "_count", "_created"])
def test_samples_of_a_histogram_are_taken(suffix: str) -> None:
    """No gauge can have the name of a histogram's sample, even where its suffix is excused."""
    gauge = named(GAUGE, f"{HISTOGRAM.name}{suffix}")
    assert found(HISTOGRAM, gauge) == {"sample-collision", "sample-suffix"}


def test_every_rule_has_an_example() -> None:
    """Each rule is broken by some doctored entry, and goes by the name of its function."""
    examples = {rule for rule, _ in [*BROKEN, *BROKEN_TOGETHER]}
    assert {rule.__name__.replace("_", "-") for rule in rules.RULES} == examples


@pytest.mark.parametrize("position", range(len(rules.RULES)))
def test_no_rule_covers_for_another(position: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rule, its examples pass: it is that rule that finds them."""
    removed = rules.RULES[position]
    monkeypatch.setattr(rules, "RULES", tuple(rule for rule in rules.RULES if rule is not removed))
    name = removed.__name__.replace("_", "-")
    examples = [(metric,) for rule, metric in BROKEN if rule == name]
    examples += [metrics for rule, metrics in BROKEN_TOGETHER if rule == name]
    assert examples
    assert all(name not in found(*metrics) for metrics in examples)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (replace(GAUGE, unit="1"), "The unit is '1', but the name asks for '{annotation}'."),
        (replace(HISTOGRAM, unit="ms"), "The unit is 'ms', but the name asks for 's'."),
    ],
)
def test_findings_say_what_was_expected(metric: Metric, message: str) -> None:
    """A finding says which rule, how grave, which metric, what is wrong and what was expected."""
    assert lint_catalog([metric]) == [Finding("unit-suffix", "error", metric.name, message)]


def test_findings_come_in_the_order_of_the_rules() -> None:
    """Findings are sorted by rule first and by entry second."""
    broken = [
        replace(GAUGE, unit="1"),
        named(HISTOGRAM, "other_wait_seconds"),
        named(GAUGE, "other_level"),
    ]
    assert [(finding.rule, finding.subject) for finding in lint_catalog(broken)] == [
        ("name-shape", "other_wait_seconds"),
        ("name-shape", "other_level"),
        ("unit-suffix", "butterfly_level"),
    ]


def test_any_iterable_will_do() -> None:
    """The catalogue may be an iterator, although several rules walk through it."""
    assert lint_catalog(iter(ALL)) == []
