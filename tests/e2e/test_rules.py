"""Every recording rule and every alert, told stories by promtool 3 and 2.42."""

from __future__ import annotations

from pathlib import Path

import pytest

from butterfly_otel.operate.rules import Alert, alert_groups, recording_groups

from .mutants import mutants
from .promtool import (
    Groups,
    Rule,
    name_of,
    needed,
    rules_of,
    run_tests,
    shipped,
    write_test,
)
from .rule_cases import CASES
from .rule_cases.clusters import GONE, of_two
from .rule_cases.model import AlertCase, RecordCase

pytestmark = pytest.mark.e2e
STORAGE = Path(__file__).parents[2] / "deploy" / "thanos"

#: Changes that change nothing: what is folded has one series for each of these labels already,
#: or is compared with 0, or with series of the same job.
SAME = {
    "LowThroughput": ("`sum` to `max`",),
    "ButterflyLabelViolations": ("`sum` to `max`: sum by (job, instance, metric, la",),
    "ButterflyInvalidMeasurements": ("`sum` to `max`",),
    "ButterflyCallbackErrors": ("`sum` to `max`",),
    "ButterflyCollectorStale": ("`max` to `min`: max by (job, instance, collector)",),
    "ButterflyExporterFailing": ("`sum` to `max`: sum by (job, instance, exporter)",),
    "HighErrorRate": ("`sum` to `max`: sum by (node_role, method) (butte",),
    "GPULost": ("`min` to `max`",),
    "GPUMemoryErrors": ("`sum` to `max`",),
    "GPUMemoryNearlyFull": ("`sum` to `max`: sum by (node_id, gpu_id) (butterf",),
    "ButterflyPushStopped": (
        '`job=~"butterfly.*"` to ``: n (job, instance) target_info',
        '`job=~"butterfly.*"` to ``: unless on (job, instance) up',
    ),
    "HighMemoryUsage": (
        "`sum` to `max`: sum by (node_id) (butterfly:memor",
        '`node_id!=""` to ``: ) (node_memory_MemTotal_bytes{node_id!=""} - ',
        '`node_id!=""` to ``: ode_memory_MemAvailable',
    ),
}


def quick(rule: Rule) -> bool:
    """Whether its stories are short; those of error budgets last for days."""
    return "Budget" not in name_of(rule)


def quick_story(case: AlertCase | RecordCase) -> bool:
    """Whether a story lasts for less than days."""
    return case.interval != "1m" or "rate5m" in case.rule


def with_rule(groups: Groups, old: Rule, new: Rule) -> Groups:
    """The groups with one rule replaced by another."""
    return [
        {**group, "rules": [new if rule is old else rule for rule in group["rules"]]}
        for group in groups
    ]


@pytest.fixture(params=["promtool3", "promtool2"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """The `promtool` executable, of either version."""
    program: Path = request.getfixturevalue(request.param)
    return program


def test_every_story_is_true(promtool: Path, tmp_path: Path) -> None:
    """Rules record and alerts fire as told, in Prometheus 3 and in 2.42."""
    files, groups = {}, shipped()
    for number, case in enumerate(CASES):
        path = tmp_path / f"{number}-{case.rule.replace(':', '_')}.json"
        write_test(path, rules_of(case, groups), [case])
        files[path] = case
    wrong = {path: text for path, text in run_tests(promtool, list(files)).items() if text}
    assert not wrong, "\n".join(f"{files[path].title}: {text}" for path, text in wrong.items())


def test_rules_of_a_storage_tell_clusters_apart(promtool3: Path, tmp_path: Path) -> None:
    """Where two clusters have equal nodes, each story is true of both, and neither is mixed in."""
    groups, files = shipped(STORAGE), dict[Path, str]()
    cases = [case for case in CASES if case.rule != "ButterflyJobAbsent"]
    stories = [(case, of_two(case)) for case in cases if quick_story(case)]
    for number, (case, told) in enumerate([*stories, (GONE, GONE.test())]):
        path = tmp_path / f"{number}-{case.rule.replace(':', '_')}.json"
        write_test(path, rules_of(case, groups), [case], [told])
        files[path] = case.title
    wrong = {path: text for path, text in run_tests(promtool3, list(files)).items() if text}
    assert not wrong, "\n".join(f"{files[path]}: {text}" for path, text in wrong.items())


def test_every_rule_has_a_story() -> None:
    """No rule goes without: alerts have a story in which they fire, and one in which not."""
    told = {case.rule for case in CASES}
    for group in (*recording_groups(), *alert_groups()):
        for rule in group.rules:
            assert (rule.name if isinstance(rule, Alert) else rule.record) in told


@pytest.mark.long
@pytest.mark.parametrize(
    "group",
    [
        "butterfly_aggregations",
        "butterfly_alerts",
        "butterfly_slo_alerts",
        "butterfly_gpu_alerts",
        "butterfly_operations",
    ],
)
def test_every_mistake_is_found(group: str, promtool3: Path, tmp_path: Path) -> None:
    """Whatever small mistake is made in a rule, one of its stories is no longer true."""
    groups, files = shipped(), dict[Path, str]()
    [rules] = [each["rules"] for each in groups if each["name"] == group]
    for rule in filter(quick, rules):
        name = name_of(rule)
        cases = [case for case in CASES if case.rule == name]
        for number, (what, mutant) in enumerate(mutants(rule)):
            if any(what.startswith(same) for same in SAME.get(name, ())):
                continue
            path = tmp_path / f"{name.replace(':', '_')}-{number}.json"
            write_test(path, needed(with_rule(groups, rule, mutant), name), cases)
            files[path] = f"{name}: {what}"
    found = run_tests(promtool3, list(files))
    assert [files[path] for path, text in found.items() if not text] == []
