"""What rules become under options, and what no option may be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.cli import main
from butterfly_otel.operate.rules import (
    Alert,
    Options,
    RecordingRule,
    Thresholds,
    alert_groups,
    parse_labels,
    recording_groups,
)
from butterfly_otel.operate.rules.promql import duration
from butterfly_otel.render.rules import render_alerts, render_rules
from tests.promql_names import metrics

DOCS = Path(__file__).parents[3] / "docs"
SPECIFIED_RULES = [
    "request_rate",
    "error_rate",
    "p99_latency",
    "p50_latency",
    "cluster_throughput",
    "network_bandwidth",
    "cpu_usage_avg",
    "gpu_utilization_avg",
    "memory_used_bytes",
    "task_completion_rate",
    "byzantine_fault_rate",
]
SPECIFIED_ALERTS = {
    "HighErrorRate": ("warning", 300),
    "HighLatency": ("warning", 300),
    "ClusterBelowQuorum": ("critical", 60),
    "FrequentLeaderChanges": ("warning", 300),
    "ByzantineFaultDetected": ("critical", 0),
    "HighMemoryUsage": ("warning", 300),
    "GPUOverheating": ("warning", 300),
    "NetworkPartition": ("critical", 60),
    "QueueBuildup": ("warning", 300),
}


def alerts(**options: Any) -> dict[str, Alert]:
    """Return the alerts by name."""
    rules = (rule for group in alert_groups(Options(**options)) for rule in group.rules)
    return {rule.name: rule for rule in rules if isinstance(rule, Alert)}


def records(**options: Any) -> list[RecordingRule]:
    """Return the recording rules."""
    rules = (rule for group in recording_groups(Options(**options)) for rule in group.rules)
    return [rule for rule in rules if isinstance(rule, RecordingRule)]


def test_the_specifications_names_are_kept() -> None:
    """Its 11 recording rules and 9 alerts are there, with severity and `for` as decided."""
    first, _ = recording_groups()
    assert [rule.record for rule in first.rules if isinstance(rule, RecordingRule)] == [
        f"butterfly:{name}:1m" for name in SPECIFIED_RULES
    ]
    assert first.interval == 30
    found = alerts()
    for name, expected in SPECIFIED_ALERTS.items():
        assert (found[name].severity, found[name].after) == expected


def test_a_matcher_reaches_every_selector() -> None:
    """No raw series is left unmatched, of no target either; extra labels find recorded ones."""
    options = {"selector": ('zone="z"',), "extra_labels": (("cluster", "c"),)}
    rules = [*records(**options), *alerts(**options).values()]
    for rule in rules:
        for name in metrics(rule.expr):
            matcher = 'cluster="c"' if ":" in name else 'zone="z"'
            uses = re.findall(rf"(?<![\w\"]){re.escape(name)}(?![\w\"])(\{{[^}}]*\}})?", rule.expr)
            assert uses
            assert all(matcher in use for use in uses), rule.expr


def test_extra_labels_are_on_everything() -> None:
    """Every recorded series and every alert gets them."""
    options = Options(extra_labels=(("team", "inference"),))
    for text in (render_rules(options), render_alerts(options)):
        count = len(re.findall(r"^      - (?:record|alert):", text, re.MULTILINE))
        assert text.count('          team: "inference"\n') == count > 20


def test_rates_look_at_four_scrapes_at_least() -> None:
    """With a long scrape interval windows grow, and the group's interval with them."""
    slow = Options(scrape_interval=60)
    text = render_rules(slow)
    assert "[4m]" in text
    assert "[1m]" not in text
    assert recording_groups(slow)[0].interval == 120


def test_speed_shortens_windows_and_waits() -> None:
    """At ten times the speed every `for` and window is a tenth, names stay as they are."""
    fast = alerts(speed=10, scrape_interval=1)
    assert fast["GPUOverheating"].after == 30
    assert "[6m]" in fast["FrequentLeaderChanges"].expr
    assert "butterfly:slo_error_ratio:6h" in fast["AvailabilityBudgetFastBurn"].expr
    assert {rule.record for rule in records(speed=10)} == {rule.record for rule in records()}


@pytest.mark.parametrize("name", ["ButterflyInvalidMeasurements", "ButterflyCallbackErrors"])
@pytest.mark.parametrize(("scrape_interval", "speed"), [(15, 1), (120, 1), (1, 20), (15, 20)])
def test_a_stray_value_is_never_told(name: str, scrape_interval: float, speed: float) -> None:
    """The alert waits for as long as its window sees what happened once, or longer."""
    alert = alerts(scrape_interval=scrape_interval, speed=speed)[name]
    assert re.findall(r"\[(\w+)\]", alert.expr)
    for window in re.findall(r"\[(\w+)\]", alert.expr):
        seconds = float(window[:-1]) * {"s": 1, "m": 60}[window[-1]]
        assert alert.after >= seconds


@pytest.mark.parametrize(
    ("pair", "alert", "old", "new"),
    [
        ("error_ratio=0.1", "HighErrorRate", "> 0.05", "> 0.1"),
        ("latency_seconds=0.5", "HighLatency", "> 5", "> 0.5"),
        ("leader_changes=9", "FrequentLeaderChanges", "> 5", "> 9"),
        ("memory_ratio=0.8", "HighMemoryUsage", "> 0.9", "> 0.8"),
        ("gpu_celsius=90", "GPUOverheating", "> 85", "> 90"),
        ("queued_tasks=7", "QueueBuildup", "> 100", "> 7"),
        ("isolated_ratio=0.75", "NodeIsolated", "< 0.5", "< 0.25"),
        ("availability=0.99", "AvailabilityBudgetFastBurn", "13.44 * 0.001", "13.44 * 0.01"),
        ("fast_requests=0.9", "LatencyBudgetSlowBurn", "1.4 * 0.01", "1.4 * 0.1"),
        ("tokens_per_second=5", "LowThroughput", "< 1000", "< 5"),
        ("scrape_ratio=0.8", "ButterflyScrapeSlow", "> 7.5", "> 12"),
        ("collector_seconds=120", "ButterflyCollectorStale", "> 60", "> 120"),
        ("export_error_ratio=0.5", "ButterflyExporterFailing", "> 0.1", "> 0.5"),
    ],
)
def test_every_threshold_moves_its_alert(pair: str, alert: str, old: str, new: str) -> None:
    """A threshold is in the expression of its alert, and nowhere else in it."""
    assert old in alerts()[alert].expr
    expr = alerts(thresholds=Thresholds().changed([pair]))[alert].expr
    assert new in expr
    assert f"{old}\n" not in f"{expr}\n"


def test_the_fast_bound_is_spelt_in_every_way() -> None:
    """A whole boundary has two spellings, a fraction one."""
    assert r'le=~"5|5\\.0"' in render_rules()
    half = Options(thresholds=Thresholds(latency_seconds=0.5))
    assert 'le="0.5"' in render_rules(half)


def test_other_metrics_may_be_required() -> None:
    """The alert on missing metrics looks at those alone."""
    expr = alerts(required=("butterfly_batch_size",))["ButterflyMetricAbsent"].expr
    assert "absent(butterfly_batch_size)" in expr
    assert expr.count("absent(") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_labels": (("node_id", "x"),)}, "'node_id' would replace"),
        ({"extra_labels": (("severity", "x"),)}, "'severity' would replace"),
        ({"extra_labels": (("a-b", "x"),)}, "'a-b' is no name of a label"),
        ({"extra_labels": (("team", ""),)}, "'team' has no value"),
        ({"extra_labels": (("job", "x"),)}, "'job' would replace"),
        ({"extra_labels": (("a", "1"), ("b", "2"), ("a", "3"))}, "'a' is given 2 times"),
        ({"selector": ("cluster=a",)}, "'cluster=a' is no matcher"),
        ({"selector": ('a="b"} or up{',)}, "is no matcher"),
        ({"selector": ('a=~"(b"',)}, "'(b', which is no regular expression"),
        ({"selector": (r'a=~"\d+"',)}, "an escape that PromQL does not know"),
        ({"jobs": "("}, "jobs has '(', which is no regular expression"),
        ({"required": ("up",)}, "'up' is no metric"),
        ({"required": ()}, "no metric is required"),
        ({"scrape_interval": 0}, "scrape interval is 0 s"),
        ({"scrape_interval": 600}, "at most 120 s"),
        ({"speed": 0}, "speed is 0"),
        ({"speed": float("inf")}, "speed is inf"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, Any], message: str) -> None:
    """One sentence says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Options(**options)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("gpu=1", "no threshold 'gpu'; there are error_ratio"),
        ("gpu_celsius=hot", "write gpu_celsius=NUMBER"),
        ("gpu_celsius=-1", "give a number above 0"),
        ("memory_ratio=90", "between 0 and 1"),
        ("latency_seconds=3", "no boundary"),
        ("gpu_celsius=nan", "give a number above 0"),
    ],
)
def test_a_wrong_threshold_is_explained(pair: str, message: str) -> None:
    """One sentence says what may be given."""
    with pytest.raises(ConfigurationError, match=message):
        Thresholds().changed([pair])


def test_a_label_without_a_value_is_explained() -> None:
    """What has no equals sign is no label."""
    assert parse_labels(["a=b=c"]) == (("a", "b=c"),)
    with pytest.raises(ConfigurationError, match="'team' is no label; write NAME=VALUE"):
        parse_labels(["team"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (15, "15s"), (90, "90s"), (3600, "1h"), (604800, "7d"), (0.0001, "1ms")],
)
def test_durations_are_exact(seconds: float, text: str) -> None:
    """The largest unit that divides it; never nothing."""
    assert duration(seconds) == text


def test_the_command_writes_what_docs_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without options it is the shipped files, in any folder."""
    folder = tmp_path / "a" / "b"
    assert main(["rules", "--output", str(folder)]) == 0
    written = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert written == {
        name: (DOCS / name).read_text("utf-8")
        for name in ("prometheus_rules.yml", "prometheus_alerts.yml")
    }
    assert capsys.readouterr().out.count("wrote ") == 2


def test_the_command_takes_every_option(tmp_path: Path) -> None:
    """Each option reaches the files."""
    arguments = ["rules", "--output", str(tmp_path), "--extra-label", "team=a", "--speed", "2"]
    arguments += ["--selector", 'zone="z"', "--threshold", "gpu_celsius=90", "--jobs", "bf"]
    arguments += ["--scrape-interval", "1m", "--require", "butterfly_batch_size"]
    assert main([*arguments, "--runbooks", "https://w.example/rb/", "--dotted-labels"]) == 0
    text = (tmp_path / "prometheus_alerts.yml").read_text("utf-8")
    for part in (
        'team: "a"',
        '{zone="z"}) > 90',
        "for: 150s",
        'job=~"bf"',
        "> 7.5",  # not half a minute: the timeout stays 10 s
        "absent(butterfly_batch_size",
        '"https://w.example/rb/HighLatency.md"',
        '"otel.metric.overflow"="true"',
    ):
        assert part in text


def test_the_command_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that can't be written and a duration that is none are one sentence each."""
    (tmp_path / "file").write_text("")
    assert main(["rules", "--output", str(tmp_path / "file" / "x")]) == 2
    assert "choose another --output" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["rules", "--scrape-interval", "soon"])
    assert "write one such as 15s" in capsys.readouterr().err


def test_what_tells_clusters_apart_is_kept_by_every_rule() -> None:
    """Each aggregation and each match keeps the label, with other options, too."""
    options = {"by": ("cluster",), "selector": ('zone="z"',)}
    for rule in (*records(**options), *alerts(**options).values()):
        plain = re.sub(r'"[^"]*"', '""', rule.expr)
        for folded in re.findall(r"\b(?:sum|avg|min|max|count|group)\b ?([^(]*)\(", plain):
            assert folded.startswith("by "), rule.expr
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule.expr):
            assert labels.startswith("cluster") or "absent(" in rule.expr, rule.expr
    asked = alerts(**options)["ClusterBelowQuorum"].description
    assert 'printf `max(butterfly_quorum_size{cluster=%q, zone="z"})` $labels.cluster' in asked


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"by": ("cluster", "cluster")}, "told 2 times to keep the label 'cluster'"),
        ({"by": ("node_id",)}, "the label 'node_id' would replace"),
        ({"by": ("a-b",)}, "no name of a label"),
        ({"by": ("a",), "extra_labels": (("a", "b"),)}, "the extra label 'a' would replace"),
    ],
)
def test_labels_that_can_not_be_kept_are_explained(options: dict[str, Any], problem: str) -> None:
    """A label that is none, is given twice or is another's can't tell clusters apart."""
    with pytest.raises(ConfigurationError, match=problem):
        Options(**options)


def test_the_command_writes_the_rules_of_a_storage(tmp_path: Path) -> None:
    """`--by` makes the files that lie in deploy/thanos."""
    main(["rules", "--by", "cluster", "--by", "environment", "--output", str(tmp_path)])
    for name in ("prometheus_rules.yml", "prometheus_alerts.yml"):
        shipped = DOCS.parent / "deploy" / "thanos" / name
        assert (tmp_path / name).read_text("utf-8") == shipped.read_text("utf-8")
