"""Running `promtool test rules` on cases, many files at once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .rule_cases.model import ORDER, AlertCase, RecordCase

DOCS = Path(__file__).parents[2] / "docs"
Rule = dict[str, Any]
Groups = list[dict[str, Any]]
_FILE = re.compile(r"^(?:Unit Testing|Processing test file):\s+(\S+)$", re.MULTILINE)
_RECORDED = re.compile(r"butterfly:\w+:\w+")


def shipped(folder: Path = DOCS) -> Groups:
    """The groups of the rule files in docs, or in another folder."""
    files = (folder / name for name in ("prometheus_rules.yml", "prometheus_alerts.yml"))
    return [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]


def name_of(rule: Rule) -> str:
    """The name of a rule of either kind."""
    name: str = rule.get("alert") or rule["record"]
    return name


def needed(groups: Groups, name: str, slo: str = "") -> Groups:
    """The rules of that name and those whose results they need: everything else costs time.

    Args:
        groups: All of them.
        name: Of the rule.
        slo: The objective to keep where rules are about several.
    """
    wanted = {name}
    for _ in range(4):  # as deep as rules stand on each other
        found = (rule for group in groups for rule in group["rules"] if name_of(rule) in wanted)
        wanted |= {each for rule in found for each in _RECORDED.findall(rule["expr"])}

    def keep(rule: Rule) -> bool:
        about = rule.get("labels", {}).get("slo", slo)
        return name_of(rule) in wanted and slo in ("", about)

    kept = ({**group, "rules": list(filter(keep, group["rules"]))} for group in groups)
    return [group for group in kept if group["rules"]]


def rules_of(case: AlertCase | RecordCase, groups: Groups) -> Groups:
    """The rules that a case needs."""
    told = case.rule + (case.select if isinstance(case, RecordCase) else "")
    found = re.search("availability|latency", told, re.IGNORECASE)
    about = found[0].lower() if found and case.interval == "1m" else ""
    return needed(groups, case.rule, about)


def write_test(
    path: Path,
    groups: Groups,
    cases: Sequence[AlertCase | RecordCase],
    told: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a file that promtool runs, and one with the rules; JSON is YAML.

    Args:
        path: The file.
        groups: The rules.
        cases: The stories.
        told: What promtool is to read in place of the stories.
    """
    rules = path.with_suffix(".rules")
    rules.write_text(json.dumps({"groups": groups}))
    names = {group["name"] for group in groups}
    content = {
        "rule_files": [str(rules)],
        "evaluation_interval": cases[0].interval,
        "group_eval_order": [each for each in ORDER if each in names],
        "tests": list(told) or [case.test() for case in cases],
    }
    path.write_text(json.dumps(content, indent=1))


def run_tests(promtool: Path, files: Sequence[Path]) -> Mapping[Path, str]:
    """Run test files; returns what promtool has against each of them, empty where nothing."""
    result = subprocess.run(
        [promtool, "test", "rules", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    _, *parts = _FILE.split(result.stdout)
    found = dict(zip(map(Path, parts[::2]), parts[1::2], strict=True))
    assert list(found) == list(files), result.stdout
    return {
        path: "" if text.strip().startswith("SUCCESS") else text.strip()
        for path, text in found.items()
    }
